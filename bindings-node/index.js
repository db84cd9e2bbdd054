'use strict';

const { native } = require('./lib/port.js');
const { internals, ...errors } = require('./lib/errors.js');
const { Mailer } = require('./lib/mailer.js');
const { CertificateFile, read } = require('./lib/certificate.js');
const { diagnose, probe } = require('./lib/look.js');
const { Receipt, Report } = require('./lib/results.js');

const certificate = Object.freeze({ read });
const version = native.version();

module.exports = { Mailer, Receipt, Report, CertificateFile, certificate, diagnose, probe, version, ...errors };
