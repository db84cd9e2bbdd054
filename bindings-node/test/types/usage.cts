// The same by `require`.
import everpost = require('everpost');
import transport = require('everpost/nodemailer');
import testing = require('everpost/testing');

const mailer = new everpost.Mailer('smtps://x');
mailer.send('x').then((receipt) => receipt.accepted.length);
const made: transport.EverpostTransport = transport({ host: 'x' });
made.verify().then((ok: true) => ok);
testing.Rehearsal.start().then((server: testing.Rehearsal) => server.stop());
