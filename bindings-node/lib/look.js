'use strict';

// Probes and diagnoses.

const { listen, native, port, run, unlisten } = require('./port.js');
const { CertificateFile } = require('./certificate.js');
const { probeOptions, settings, text } = require('./options.js');
const { Ear } = require('./ear.js');
const { Report } = require('./results.js');

/** Looks at a server, trusting nothing, and judges its certificate. */
async function probe(target, options = {}) {
  const { signal, compare, ...rest } = options;
  const file = compare instanceof CertificateFile ? CertificateFile.native(compare) : undefined;
  if (compare !== undefined && !file) rest.compare = compare;
  const { pairs, roots } = probeOptions(rest);
  text('target', target);
  return new Report(await run((id) => native.probe(port, id, target, pairs, roots, file), signal));
}

/** Climbs from DNS to the login and beyond with the options of a mailer. */
async function diagnose(mailer, options = {}) {
  const { from, to, size, looks, signal } = options;
  const pairs = [];
  if (from !== undefined) pairs.push('from', text('from', from));
  for (const one of [to ?? []].flat()) pairs.push('to', text('to', one));
  if (size !== undefined) pairs.push('size', String(size));
  if (looks !== undefined) pairs.push('looks', String(looks));
  const ear = new Ear(undefined, mailer?.token);
  const tokens = listen(ear);
  try {
    const made = settings(mailer, tokens);
    return new Report(await run((id) => native.diagnose(port, id, made, pairs), signal, ear));
  } finally {
    unlisten(tokens);
  }
}

module.exports = { diagnose, probe };
