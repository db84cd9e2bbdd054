'use strict';

// What operations give: receipts, reports, counters.

const { camel } = require('./names.js');
const { fromNative, rejected, text } = require('./errors.js').internals;

/** The server has taken responsibility for a message. */
class Receipt {
  constructor([messageId, [code, enhanced, lines], accepted, refused, attempts, server, leaf, from, to]) {
    this.messageId = messageId;
    this.response = text({ code, lines });
    this.responseCode = code;
    this.enhancedCode = enhanced;
    this.accepted = accepted ?? [...to];
    this.rejected = refused.map(([address, [code, enhanced, lines]]) =>
      rejected({ address, reply: { code, enhanced, lines } }),
    );
    this.attempts = attempts;
    this.server = server;
    this.certificateFingerprint = leaf;
    this.envelope = { from, to };
  }

  toString() {
    return `${this.messageId} was accepted by ${this.server}: ${this.response}`;
  }
}

/** What was found by looking. */
class Report {
  constructor(told) {
    this.status = told.status;
    this.summary = told.summary;
    this.cause = told.cause;
    this.remedy = told.remedy;
    this.fault = told.fault;
    this.findings = camel(told.findings);
    this.certificates = camel(told.chain);
    this.details = told.details;
  }

  toString() {
    return `${this.status}: ${this.summary}`;
  }
}

/** An event's payload: errors in it are errors. */
function payload({ schema, event, error, ...told }) {
  const made = camel(told);
  if (error) made.error = fromNative(error);
  if (told.reply) made.reply = text(told.reply);
  return made;
}

function health(told) {
  const { schema, error, since, ...rest } = told;
  return {
    ...camel(rest),
    error: error ? fromNative(error) : null,
    since: since ? new Date(since) : null,
  };
}

function stats({ schema, ...told }) {
  return camel(told);
}

module.exports = { Receipt, Report, health, payload, stats };
