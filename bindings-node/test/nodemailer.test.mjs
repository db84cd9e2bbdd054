// The transport with the real nodemailer, and what arrives as the real
// mailparser reads it.

import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { Readable } from 'node:stream';
import test from 'node:test';
import everpost, { EverpostTransport } from '../nodemailer.mjs';
import { CertificateError, ConfigError, Mailer, RejectedError } from '../index.mjs';
import { require, serve } from './support.mjs';

const nodemailer = require('nodemailer');
const { simpleParser } = require('mailparser');

/** Nodemailer's options for the server. */
function options(server, more = {}) {
  return {
    host: server.host,
    port: server.port,
    secure: true,
    auth: { user: 'app', pass: 'secret' },
    tls: { ca: server.ca },
    ...more,
  };
}

function transporter(t, server, more, defaults) {
  const made = nodemailer.createTransport(everpost(options(server, more)), defaults);
  t.after(() => made.close());
  return made;
}

/** The last message that arrived, as bytes and as parsed. */
async function arrived(server) {
  const [message] = (await server.received()).slice(-1);
  return { ...message, text: message.data.toString(), mail: await simpleParser(message.data) };
}

const SIMPLE = { from: 'Ann <ann@example.org>', to: 'bob@example.com', subject: 'Hello', text: 'Plain' };
const EVENT = 'BEGIN:VCALENDAR\r\nPRODID:-//x//y//EN\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nUID:7\r\nEND:VEVENT\r\nEND:VCALENDAR';

/** What users of nodemailer send: each as a message and what must be read back. */
const EXAMPLES = {
  'names and addresses of all kinds': [
    {
      from: '"Ann, the sender" <ann@example.org>',
      sender: 'office@example.org',
      to: ['Bob <bob@example.com>', { name: 'Çağ', address: 'cy@example.com' }],
      cc: 'dee@example.com',
      bcc: 'eve@example.com',
      replyTo: 'reply@example.org',
      subject: 'Größe 😀',
      text: 'Plain – ünd 😀',
    },
    ({ mail, recipients, text }) => {
      assert.equal(mail.subject, 'Größe 😀');
      assert.equal(mail.text.trim(), 'Plain – ünd 😀');
      assert.equal(mail.from.value[0].name, 'Ann, the sender');
      assert.equal(mail.to.value[1].name, 'Çağ');
      assert.deepEqual(recipients, ['bob@example.com', 'cy@example.com', 'dee@example.com', 'eve@example.com']);
      assert.doesNotMatch(text, /eve@/);
    },
  ],
  'text, HTML and an image in it': [
    {
      ...SIMPLE,
      html: '<p>Hi <img src="cid:logo@x"></p>',
      attachments: [{ filename: 'logo.png', content: Buffer.from('89504e47', 'hex'), cid: 'logo@x' }],
    },
    ({ mail }) => {
      assert.match(mail.html, /<p>Hi <img src="data:image\/png;base64,/);
      assert.equal(mail.attachments[0].cid, 'logo@x');
    },
  ],
  'attachments of all kinds': [
    () => ({
      ...SIMPLE,
      attachments: [
        { filename: 'text.txt', content: 'text' },
        { filename: 'bytes.bin', content: Buffer.alloc(1_000_000, 7) },
        { filename: 'stream.txt', content: Readable.from([Buffer.from('stream')]) },
        { filename: 'größe.pdf', content: 'cGRm', encoding: 'base64', contentType: 'application/pdf' },
        { path: 'data:text/plain;base64,ZGF0YQ==' },
        { raw: 'Content-Type: text/plain\r\nContent-Disposition: attachment; filename=raw.txt\r\n\r\nraw' },
      ],
    }),
    ({ mail }) => {
      const [text, bytes, stream, pdf, data, raw] = mail.attachments;
      assert.equal(text.content.toString(), 'text');
      assert.ok(bytes.content.equals(Buffer.alloc(1_000_000, 7)));
      assert.equal(stream.content.toString(), 'stream');
      assert.deepEqual([pdf.filename, pdf.content.toString()], ['größe.pdf', 'pdf']);
      assert.equal(data.content.toString(), 'data');
      assert.equal(raw.content.toString(), 'raw');
    },
  ],
  'a calendar event': [
    { ...SIMPLE, icalEvent: { method: 'REQUEST', filename: 'invite.ics', content: EVENT } },
    ({ mail, text }) => {
      assert.match(text, /text\/calendar; charset=utf-8; method=REQUEST/);
      const event = mail.attachments.find(({ filename }) => filename === 'invite.ics');
      assert.equal(event.content.toString(), EVENT);
    },
  ],
  'AMP beside HTML': [
    { ...SIMPLE, html: '<p>H', amp: '<!doctype html><html ⚡4email><body>A</body></html>' },
    ({ mail, text }) => {
      assert.match(text, /Content-Type: text\/x-amp-html/);
      assert.equal(mail.html.trim(), '<p>H');
    },
  ],
  'alternatives, headers, a list and priority': [
    {
      ...SIMPLE,
      priority: 'high',
      headers: { 'X-One': 'eins', 'X-Long': 'x '.repeat(200).trim() },
      list: { unsubscribe: 'https://example.org/leave' },
      alternatives: [{ contentType: 'text/x-web-markdown', content: '**Hi**' }],
      references: ['<one@x>', '<two@x>'],
    },
    ({ mail, text }) => {
      assert.match(text, /^X-Priority: 1/m);
      assert.equal(mail.headers.get('x-one'), 'eins');
      assert.match(text, /List-Unsubscribe: <https:\/\/example\.org\/leave>/);
      assert.deepEqual(mail.references, ['<one@x>', '<two@x>']);
    },
  ],
  'a raw message with an envelope': [
    {
      envelope: { from: 'bounce@example.org', to: ['bob@example.com'] },
      raw: 'From: ann@example.org\nTo: list@example.com\nSubject: Raw\n\nLine\n.dot\n',
    },
    ({ mail, recipients, from }) => {
      assert.deepEqual([from, ...recipients], ['bounce@example.org', 'bob@example.com']);
      assert.equal(mail.text, 'Line\n.dot\n');
    },
  ],
};

for (const [name, [message, check]] of Object.entries(EXAMPLES)) {
  test(`${name} arrive as nodemailer wrote them`, async (t) => {
    const server = await serve(t);
    const transport = transporter(t, server);
    const info = await transport.sendMail(typeof message === 'function' ? message() : message);
    const { messageId } = info;
    const last = await arrived(server);
    assert.equal(`<${last.messageId}>`, last.mail.messageId);
    if (!message.raw) assert.equal(last.mail.messageId, messageId);
    check(last);
  });
}

test('a message signed by nodemailer arrives with the signature, byte for byte', async (t) => {
  const server = await serve(t);
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const dkim = {
    domainName: 'example.org',
    keySelector: 'one',
    privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }),
  };
  // Given to the transport as to a built-in one, or to the message.
  for (const [more, own] of [[{ dkim }, {}], [{}, { dkim }]]) {
    const transport = transporter(t, server, more);
    await transport.sendMail({ ...SIMPLE, html: '<p>H', ...own });
    const { text, data } = await arrived(server);
    assert.match(text, /^DKIM-Signature: v=1; a=rsa-sha256;[^]*d=example\.org;[^]*s=one;/);
    // The body that was hashed is the one that arrived.
    const { createHash } = await import('node:crypto');
    const body = data.subarray(data.indexOf('\r\n\r\n') + 4).toString('latin1');
    const relaxed = `${body.replace(/[ \t]+\r\n/g, '\r\n').replace(/[ \t]+/g, ' ').replace(/(\r\n)*$/, '')}\r\n`;
    const hash = createHash('sha256').update(relaxed, 'latin1').digest('base64');
    const claimed = /bh=([^;]+);/.exec(text)[1].replace(/\s/g, '');
    assert.equal(claimed, hash);
  }
});

test('the same message by nodemailer\'s own transport arrives the same, and is told the same', async (t) => {
  const server = await serve(t);
  const own = nodemailer.createTransport(options(server));
  const pool = nodemailer.createTransport(options(server, { pool: true }));
  const ours = transporter(t, server, { pool: true });
  t.after(() => pool.close());
  const fixed = {
    ...SIMPLE,
    to: 'bob@example.com, cy@example.com',
    html: '<p>H',
    date: new Date(0),
    messageId: '<same@example.org>',
    baseBoundary: 'same',
    text: `.leading dot\n${'long '.repeat(300)}\ntrailing  \n`,
    attachments: [{ filename: 'a.bin', content: Buffer.alloc(100_000, 3) }],
  };
  const told = [];
  const bytes = [];
  for (const transport of [own, pool, ours]) {
    const info = await transport.sendMail({ ...fixed });
    told.push(info);
    bytes.push((await arrived(server)).data);
  }
  assert.ok(bytes[0].equals(bytes[1]) && bytes[1].equals(bytes[2]));
  const fields = ['accepted', 'rejected', 'envelope', 'messageId'];
  for (const field of fields) assert.deepEqual(told[2][field], told[0][field], field);
  assert.match(told[2].response, /^250 2\.0\.0 Queued as/);
  assert.match(told[0].response, /^250 2\.0\.0 Queued as/);
  // Before line ends are completed.
  assert.ok(Math.abs(told[2].messageSize - bytes[2].length) < 10);
  assert.equal(typeof told[2].messageTime, 'number');
});

test('recipients that are refused one by one are told as nodemailer tells them', async (t) => {
  const server = await serve(t, { settings: { refuseRecipients: [{ pattern: 'nobody@*', reply: '550 5.1.1 no such user' }] } });
  const results = [];
  for (const transport of [nodemailer.createTransport(options(server)), transporter(t, server)]) {
    const to = ['bob@example.com', 'nobody@example.com'];
    results.push(await transport.sendMail({ ...SIMPLE, to }));
  }
  const [theirs, ours] = results;
  assert.deepEqual(ours.accepted, theirs.accepted);
  assert.deepEqual(ours.rejected, theirs.rejected);
  assert.equal(ours.rejectedErrors[0].responseCode, theirs.rejectedErrors[0].responseCode);
  assert.equal(ours.rejectedErrors[0].recipient, theirs.rejectedErrors[0].recipient);

  const errors = [];
  for (const transport of [nodemailer.createTransport(options(server)), transporter(t, server)]) {
    errors.push(await transport.sendMail({ ...SIMPLE, to: 'nobody@example.com' }).catch((error) => error));
  }
  assert.ok(errors[1] instanceof RejectedError);
  assert.equal(errors[1].responseCode, errors[0].responseCode);
  assert.equal(errors[1].response, errors[0].response);
});

test('verify tells that mail could be sent, or why not', async (t) => {
  const server = await serve(t);
  const good = transporter(t, server);
  assert.equal(await good.verify(), true);
  assert.equal(await new Promise((resolve, reject) => good.verify((error, ok) => (error ? reject(error) : resolve(ok)))), true);
  const bad = transporter(t, server, { auth: { user: 'app', pass: 'wrong' } });
  await assert.rejects(bad.verify(), { code: 'ERR_EVERPOST_AUTH' });
  await server.expire();
  await assert.rejects(good.verify(), CertificateError);
  await new Promise((resolve) =>
    good.verify((error) => {
      assert.ok(error instanceof CertificateError);
      resolve();
    }),
  );
});

test('whoever sends while the transport is idle is told when it is again', async (t) => {
  const server = await serve(t);
  const transport = transporter(t, server, { pool: true, maxConnections: 1 });
  const queue = Array.from({ length: 100 }, (_, at) => ({ ...SIMPLE, messageId: `<idle${at}@x>` }));
  let most = 0;
  const sends = [];
  const sent = new Promise((resolve) => {
    const next = () => {
      while (transport.isIdle() && queue.length > 0) {
        sends.push(transport.sendMail(queue.shift()));
        most = Math.max(most, transport.transporter.pendingCount());
      }
      if (queue.length === 0) resolve();
    };
    transport.on('idle', next);
  });
  await sent;
  await Promise.all(sends);
  assert.ok(most <= 16, `${most} at once`);
  assert.equal(transport.isIdle(), true);
  assert.equal(Object.keys(await server.counts()).length, 100);
});

test('plugins and templates of nodemailer work as they do', async (t) => {
  const server = await serve(t);
  const transport = transporter(t, server, { attachDataUrls: true }, { from: 'default@example.org' });
  transport.use('compile', (mail, done) => {
    mail.data.html = mail.data.html.replace('{{name}}', 'Bob');
    done();
  });
  transport.use('stream', (mail, done) => {
    mail.message.setHeader('X-Plugin', 'yes');
    done();
  });
  await transport.sendMail({
    to: 'bob@example.com',
    subject: 'T',
    html: 'Hi {{name}} <img src="data:image/png;base64,iVBORw0KGgo=">',
  });
  const { mail, from } = await arrived(server);
  assert.equal(from, 'default@example.org');
  assert.match(mail.html, /Hi Bob/);
  assert.equal(mail.headers.get('x-plugin'), 'yes');
  assert.equal(mail.attachments.length, 1);
});

test('files are not read where nodemailer was told so', async (t) => {
  const server = await serve(t);
  const transport = transporter(t, server, { disableFileAccess: true });
  const attachments = [{ path: import.meta.filename ?? process.execPath }];
  await assert.rejects(transport.sendMail({ ...SIMPLE, attachments }), { code: 'EFILEACCESS' });
  assert.deepEqual(await server.counts(), {});
});

test('a signal ends a send, with the code that nodemailer has for it', async (t) => {
  const server = await serve(t);
  const transport = transporter(t, server);
  const { fault } = await server.request({ do: 'inject', at: 'data', action: 'stall' });
  const controller = new AbortController();
  const sending = transport.sendMail({ ...SIMPLE, signal: controller.signal });
  await server.request({ do: 'wait', fault });
  controller.abort();
  await assert.rejects(sending, { name: 'AbortError', code: 'EABORT' });
  assert.deepEqual(await server.counts(), {});
});

test('a signal ends the waiting for an attachment that gives nothing', async (t) => {
  const server = await serve(t);
  const transport = transporter(t, server);
  const controller = new AbortController();
  const content = new Readable({ read: () => setImmediate(() => controller.abort()) });
  const attachments = [{ filename: 'never.bin', content }];
  const sending = transport.sendMail({ ...SIMPLE, attachments, signal: controller.signal });
  await assert.rejects(sending, { name: 'AbortError', code: 'EABORT' });
});

test('what is under way when the transport is closed is sent, as by nodemailer\'s pool', async (t) => {
  const server = await serve(t);
  for (const made of [options(server, { pool: true }), everpost(options(server, { pool: true }))]) {
    const transport = nodemailer.createTransport(made);
    const { fault } = await server.request({ do: 'inject', at: 'end_of_data', action: 'stall' });
    const sending = transport.sendMail(SIMPLE);
    await server.request({ do: 'wait', fault });
    transport.close();
    await server.request({ do: 'release' });
    assert.match((await sending).response, /^250/);
    await assert.rejects(transport.sendMail(SIMPLE), /closed/);
  }
});

test('reports of delivery and REQUIRETLS are asked for', async (t) => {
  const server = await serve(t);
  const transport = transporter(t, server);
  await transport.sendMail({
    ...SIMPLE,
    dsn: { id: 'seven', return: 'headers', notify: ['failure', 'delay'] },
    requireTLSExtensionEnabled: true,
  });
  const { connections } = await server.request({ do: 'connections' });
  const said = connections.flatMap(({ commands }) => commands).join('\n');
  for (const part of ['ENVID=seven', 'RET=HDRS', 'NOTIFY=FAILURE,DELAY', 'REQUIRETLS']) assert.ok(said.includes(part), part);
});

test('a rotation in the middle of a pool loses nothing', async (t) => {
  const server = await serve(t);
  const transport = transporter(t, server, { pool: true, maxConnections: 3 });
  const rotated = once(transport.transporter.everpost, 'rotated');
  const sends = [];
  for (let at = 0; at < 60; at += 1) {
    sends.push(transport.sendMail({ ...SIMPLE, messageId: `<rot${at}@x>` }));
    if (at % 20 === 10) {
      await Promise.all(sends);
      await server.rotate({ restart: true });
    }
  }
  await Promise.all(sends);
  await rotated;
  const counts = await server.counts();
  assert.equal(Object.keys(counts).length, 60);
  assert.ok(Object.values(counts).every((count) => count === 1));
});

test('options of nodemailer mean the same, and those that cannot are told', async (t) => {
  const server = await serve(t);
  const { chain_pem: cert, key_pem: key } = await server.request({ do: 'client_certificate', name: 'app' });
  const works = [
    {},
    { pool: true, maxConnections: 2, maxMessages: 10, rateLimit: 1000, rateDelta: 500, maxRequeues: 3 },
    { connectionTimeout: 5000, greetingTimeout: 5000, socketTimeout: 5000, dnsTimeout: 5000, idleTimeout: 1000 },
    { name: 'client.example.org', authMethod: 'PLAIN', logger: false, debug: false, transactionLog: true },
    { tls: { ca: [server.ca], minVersion: 'TLSv1.2', servername: 'localhost', ciphers: 'HIGH' } },
    { tls: { rejectUnauthorized: false } },
    { tls: { ca: server.ca, cert, key } },
    { tls: { ca: Buffer.from(server.ca) } },
    { port: server.starttlsPort, secure: false, requireTLS: true },
    { port: server.starttlsPort, secure: false },
    { port: `${server.port}` },
    { trust: server.caFile, tls: undefined },
    { port: server.plainPort, secure: false, ignoreTLS: true, allowPlaintextAuth: true },
  ];
  for (const more of works) {
    const transport = nodemailer.createTransport(everpost(options(server, more)));
    const info = await transport.sendMail(SIMPLE).catch((error) => assert.fail(`${JSON.stringify(more)}: ${error}`));
    assert.deepEqual(info.accepted, ['bob@example.com']);
    transport.close();
  }
  const refused = [
    [{ colour: 'blue' }, /colour is not known/],
    [{ lmtp: true }, /LMTP/],
    [{ getSocket() {} }, /getSocket/],
    [{ tls: { checkServerIdentity() {} } }, /tls\.checkServerIdentity/],
    [{ auth: { user: 'app' } }, /no pass/],
    [{ service: 'No Such Service' }, /service|nodemailer/],
  ];
  for (const [more, expected] of refused) {
    assert.throws(() => everpost(options(server, more)), (error) => error instanceof ConfigError && expected.test(error.message));
  }
  // Without TLS a password is not sent: unlike nodemailer, which would.
  const stripped = nodemailer.createTransport(everpost(options(server, { port: server.plainPort, secure: false })));
  await assert.rejects(stripped.sendMail(SIMPLE), { code: 'ERR_EVERPOST_UNSUPPORTED' });
  stripped.close();
});

test('an access token logs in', async (t) => {
  const server = await serve(t, { credentials: {}, tokens: { app: 'good' } });
  const auth = { type: 'OAuth2', user: 'app', accessToken: 'good' };
  const transport = transporter(t, server, { auth });
  await transport.sendMail(SIMPLE);
});

test('a URL or a mailer is enough, by import and by require', async (t) => {
  const server = await serve(t);
  const { default: required } = await import('../nodemailer.js');
  assert.equal(required, everpost);
  assert.equal(required.default, everpost);
  const byUrl = nodemailer.createTransport(everpost(server.url));
  await byUrl.sendMail(SIMPLE);
  byUrl.close();
  const mailer = new Mailer(server.url);
  const transport = new EverpostTransport(mailer);
  assert.equal(transport.everpost, mailer);
  const shared = nodemailer.createTransport(transport);
  await new Promise((resolve, reject) => shared.sendMail(SIMPLE, (error, info) => (error ? reject(error) : resolve(info))));
  shared.close();
  await assert.rejects(shared.sendMail(SIMPLE), { code: 'ERR_EVERPOST_CLOSED' });
});
