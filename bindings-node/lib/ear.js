'use strict';

const { toCamel } = require('./names.js');
const { port } = require('./port.js');
const { payload } = require('./results.js');

/** What the addon tells a mailer of. Not part of its own interface. */
class Ear {
  constructor(mailer, provider) {
    this.mailer = mailer && new WeakRef(mailer);
    this.provider = provider;
  }

  event(told) {
    // By itself: what a listener throws is uncaught, as with any emitter, and
    // must not keep what else has happened from being told.
    process.nextTick(() => this.mailer?.deref()?.emit(toCamel(told.event), payload(told)));
  }

  token(request, refresh) {
    const refuse = (error) => port.answer(request, undefined, String(error?.message ?? error));
    const answer = (token) => {
      if (typeof token === 'string') port.answer(request, token);
      else refuse('the provider of tokens gave no text');
    };
    try {
      Promise.resolve(this.provider({ refresh })).then(answer, refuse);
    } catch (error) {
      refuse(error);
    }
  }
}

module.exports = { Ear };
