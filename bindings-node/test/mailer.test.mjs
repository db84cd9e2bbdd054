import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createReadStream, writeFileSync } from 'node:fs';
import path from 'node:path';
import { Readable } from 'node:stream';
import test from 'node:test';
import { inspect } from 'node:util';
import {
  AuthenticationError,
  CertificateError,
  ClosedError,
  ConfigError,
  EverpostError,
  Mailer,
  MessageError,
  Receipt,
  RejectedError,
} from '../index.mjs';
import { pair, raw, serve } from './support.mjs';

test('a message in each form arrives as it was given', async (t) => {
  const { mailer, server } = await pair(t);
  const body = `${'x'.repeat(70)}\r\n`.repeat(5);
  const bytes = Buffer.from(raw({ body }));
  const file = path.join(path.dirname(server.caFile), 'message.eml');
  writeFileSync(file, bytes);
  const forms = {
    text: bytes.toString(),
    buffer: bytes,
    array: new Uint8Array(bytes),
    arrayBuffer: bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length),
    stream: Readable.from([bytes.subarray(0, 10), bytes.subarray(10)]),
    file: createReadStream(file),
    web: new Blob([bytes]).stream(),
    generator: (async function* () {
      yield bytes.toString();
    })(),
    raw: { raw: bytes },
    rawStream: { raw: Readable.from([bytes]) },
  };
  for (const [name, form] of Object.entries(forms)) {
    const receipt = await mailer.send(form);
    assert.ok(receipt instanceof Receipt, name);
    assert.deepEqual(receipt.accepted, ['b@example.com'], name);
    const [message] = (await server.received()).slice(-1);
    assert.ok(message.data.toString().endsWith(body), name);
  }
  assert.equal((await server.received()).length, Object.keys(forms).length);
});

test('a large message in each form arrives whole', async (t) => {
  const { mailer, server } = await pair(t);
  // Characters of one to four bytes, at every place of a piece.
  const line = `${'aé€😀'.repeat(9)}\r\n`;
  const text = raw({ body: line.repeat(30_000) });
  const bytes = Buffer.from(text);
  assert.ok(bytes.length > 2_000_000);
  const chunks = function* () {
    for (let at = 0; at < bytes.length; at += 70_001) yield bytes.subarray(at, at + 70_001);
  };
  for (const form of [text, bytes, Readable.from(chunks()), Readable.from([bytes])]) {
    await mailer.send(form);
    const [message] = (await server.received()).slice(-1);
    const at = message.data.indexOf('\r\n\r\n');
    assert.ok(message.data.subarray(at).equals(bytes.subarray(bytes.indexOf('\r\n\r\n'))));
    await server.request({ do: 'clear' });
  }
});

test('a message of parts is composed with all of them', async (t) => {
  const { mailer, server } = await pair(t);
  const file = path.join(path.dirname(server.caFile), 'report.csv');
  writeFileSync(file, 'a;b\n');
  const receipt = await mailer.send({
    from: { name: 'Ann, "the" sender', address: 'ann@example.org' },
    to: 'Bob <bob@example.com>, "Cy, Jr." <cy@example.com>',
    cc: ['dee@example.com'],
    bcc: [{ address: 'eve@example.com' }],
    replyTo: 'reply@example.org',
    subject: 'Größe',
    text: 'Plain',
    html: '<img src="cid:logo@x">',
    date: new Date('2026-01-02T03:04:05Z'),
    messageId: 'parts@example.org',
    headers: { 'X-One': '1', 'X-Two': ['2'] },
    attachments: [
      { filename: 'a.pdf', content: Buffer.from('pdf') },
      { filename: 'b.txt', content: 'YmFzZQ==', encoding: 'base64' },
      { path: file },
      { filename: 'c.bin', content: Readable.from([Buffer.from('str'), Buffer.from('eam')]) },
      { cid: 'logo@x', content: Buffer.from('png'), contentType: 'image/png' },
    ],
  });
  assert.deepEqual(receipt.envelope, {
    from: 'ann@example.org',
    to: ['bob@example.com', 'cy@example.com', 'dee@example.com', 'eve@example.com'],
  });
  const [message] = await server.received();
  const text = message.data.toString();
  assert.match(text, /^Date: Fri, 02 Jan 2026 03:04:05 \+0000\r$/m);
  assert.match(text, /^Message-ID: <parts@example\.org>\r$/m);
  assert.match(text, /^X-One: 1\r$/m);
  assert.match(text, /^X-Two: 2\r$/m);
  assert.match(text, /^Reply-To: reply@example\.org\r$/m);
  assert.match(text, /application\/pdf/);
  assert.match(text, /report\.csv[^]*text\/csv|text\/csv[^]*report\.csv/);
  for (const content of ['pdf', 'base', 'a;b\n', 'stream', 'png']) {
    assert.ok(text.includes(Buffer.from(content).toString('base64')), content);
  }
  assert.doesNotMatch(text, /eve@example\.com/);
});

test('what a message cannot have is refused by its name', async (t) => {
  const { mailer } = await pair(t);
  const refused = [
    [{ from: 'a@x.org', to: 'b@x.org', amp: '<html>' }, /amp is not known/],
    [{ raw: 'x', subject: 'y' }, /subject cannot stand beside raw/],
    [7, /cannot be a number/],
    [null, /cannot be a null/],
    [{ from: 'a@x.org', to: [7] }, /to holds something that is no address/],
    [{ from: 'nobody', to: 'b@x.org' }, /nobody/],
    [{ from: 'a@x.org', to: 'b@x.org', attachments: [{}] }, /content or path/],
    [{ from: 'a@x.org', to: 'b@x.org', attachments: [{ path: 'https://x.org/a' }] }, /web or data URL/],
    [{ from: 'a@x.org', to: 'b@x.org', attachments: [{ path: '/no/such/file' }] }, /cannot be read/],
    [{ from: 'a@x.org', to: 'b@x.org', headers: { 'X-A\r\nB': 'c' } }, /X-A/],
    [raw({ to: '' }), /no recipient|not a/],
  ];
  for (const [message, expected] of refused) {
    await assert.rejects(mailer.send(message), (error) => {
      assert.ok(error instanceof MessageError, inspect(error));
      assert.match(error.message, expected);
      assert.equal(error.delivery, 'not_sent');
      return true;
    });
  }
});

test('the envelope goes before the header', async (t) => {
  const { mailer, server } = await pair(t);
  const envelope = {
    from: null,
    to: ['other@example.com'],
    requireTls: true,
    dsn: { id: 'order-7', return: 'headers', notify: ['failure', 'delay'] },
  };
  const receipt = await mailer.send(raw(), { envelope });
  assert.deepEqual(receipt.envelope, { from: null, to: ['other@example.com'] });
  const { connections } = await server.request({ do: 'connections' });
  const said = connections.flatMap(({ commands }) => commands).join('\n');
  assert.match(said, /MAIL FROM:<>.* ?RET=HDRS/);
  assert.match(said, /ENVID=order-7/);
  assert.match(said, /REQUIRETLS/);
  assert.match(said, /NOTIFY=FAILURE,DELAY/);
  // A message may bring its own.
  const own = await mailer.send({ raw: raw(), envelope: { from: 'a@b.c', to: 'x@y.z' } });
  assert.deepEqual(own.envelope.to, ['x@y.z']);
  await assert.rejects(mailer.send(raw(), { envelope: { from: 'a@b.c', to: [] } }), MessageError);
});

test('a rotation is invisible, and told', async (t) => {
  const { mailer, server } = await pair(t);
  await mailer.send(raw());
  const rotated = once(mailer, 'rotated');
  const leaf = await server.rotate({ restart: true });
  const receipt = await mailer.send(raw());
  assert.equal(receipt.certificateFingerprint, leaf.sha256);
  const [event] = await rotated;
  assert.equal(event.new.sha256, leaf.sha256);
  assert.match(event.text, /renewed/);
  assert.equal(mailer.stats().rotations, 1);
});

test('an error has its fields, and the frames of those who waited for it', async (t) => {
  const { mailer, server } = await pair(t);
  await server.request({ do: 'inject', at: 'mail', action: { reply: '550 5.7.1 not you\r\n' } });
  async function theCaller() {
    await mailer.send(raw({ id: 'fields@test' }));
  }
  const error = await theCaller().catch((caught) => caught);
  assert.ok(error instanceof RejectedError && error instanceof EverpostError && error instanceof Error);
  assert.equal(error.name, 'RejectedError');
  assert.equal(error.code, 'ERR_EVERPOST_REJECTED');
  assert.equal(error.kind, 'rejected');
  assert.equal(error.stage, 'mail');
  assert.equal(error.delivery, 'refused');
  assert.equal(error.retryable, false);
  assert.equal(error.responseCode, 550);
  assert.equal(error.enhancedCode, '5.7.1');
  assert.equal(error.response, '550 5.7.1 not you');
  assert.equal(error.messageId, '<fields@test>');
  assert.deepEqual(error.envelope, { from: 'a@example.org', to: ['b@example.com'] });
  assert.match(error.stack, /theCaller/);
  const { name, code, message, responseCode } = JSON.parse(JSON.stringify(error));
  assert.deepEqual([name, code, responseCode], ['RejectedError', error.code, 550]);
  assert.equal(message, error.message);
});

test('a bad certificate is told with its verdict', async (t) => {
  const server = await serve(t);
  await server.expire();
  const mailer = new Mailer(server.url);
  t.after(() => mailer.close());
  const error = await mailer.send(raw()).catch((caught) => caught);
  assert.ok(error instanceof CertificateError);
  assert.equal(error.certificate.findings[0].id, 'expired');
  assert.equal(error.certificate.chain[0].dnsNames[0], 'localhost');
  assert.match(error.hint, /renew/);
  assert.equal(mailer.health().status, 'unhealthy');
  assert.ok(mailer.health().error instanceof CertificateError);
  assert.ok(mailer.health().since instanceof Date);
});

test('tokens are asked for, again after a refusal, and their errors are told', async (t) => {
  const server = await serve(t, { credentials: {}, tokens: { app: 'new' } });
  const asked = [];
  const token = async ({ refresh }) => {
    asked.push(refresh);
    return refresh ? 'new' : 'old';
  };
  const options = { host: server.host, port: server.port, trust: server.ca, username: 'app' };
  const mailer = new Mailer({ ...options, token });
  t.after(() => mailer.close());
  await mailer.send(raw());
  assert.deepEqual(asked, [false, true]);
  assert.doesNotMatch(inspect(mailer, { depth: 9 }), /old|new/);
  const failing = {
    rejects: () => Promise.reject(new Error('vault is sealed')),
    throws: () => {
      throw new Error('vault is sealed');
    },
  };
  for (const token of Object.values(failing)) {
    const mailer = new Mailer({ ...options, token });
    const error = await mailer.send(raw()).catch((caught) => caught);
    assert.ok(error instanceof AuthenticationError, inspect(error));
    assert.match(inspect(error), /vault is sealed/);
    await mailer.close();
  }
});

test('options are those of the URL in camelCase, and a wrong one is named', async (t) => {
  const server = await serve(t);
  const mailer = new Mailer({
    host: server.host,
    port: server.port,
    username: 'app',
    password: 'secret',
    trust: [server.ca, 'system'],
    maxConnections: 2,
    connectTimeout: 5000,
    sendTimeout: '20s',
    retryTransient: true,
    rate: { messages: 100, per: 1000 },
    auth: ['SCRAM-SHA-256', 'PLAIN'],
    onUnknown: 'report',
  });
  t.after(() => mailer.close());
  await mailer.send(raw());
  const refused = [
    [{ url: server.url, colour: 'blue' }, /colour is not known; known are .*maxConnections/],
    [{ url: server.url, maxConnections: 0 }, /max_connections/],
    [{ url: server.url, maxConnections: -1 }, /maxConnections is -1/],
    [{ url: server.url, host: 'x' }, /url stands beside host/],
    [{ host: 'x', port: 70000 }, /port is no port/],
    [{ host: 'x', password: 'p' }, /no user/],
    [{}, /no server/],
    [undefined, /needs a URL/],
    ['http://x', /smtp:\/\//],
    [{ host: 'x', trust: '/no/such/file' }, /no such|cannot/i],
    [{ host: 'x', identity: { cert: 'a', key: 'b' } }, /client certificate/],
  ];
  for (const [options, expected] of refused) {
    assert.throws(
      () => new Mailer(options),
      (error) => {
        assert.ok(error instanceof ConfigError, inspect(error));
        assert.match(error.message, expected);
        return true;
      },
    );
  }
  assert.doesNotMatch(inspect(mailer, { depth: 9, showHidden: true }), /secret/);
  assert.doesNotMatch(JSON.stringify(mailer), /secret/);
});

test('a closed mailer sends no more, and says so', async (t) => {
  const { mailer } = await pair(t);
  await mailer.send(raw());
  await Promise.all([mailer.close(), mailer.close()]);
  await assert.rejects(mailer.send(raw()), ClosedError);
  await assert.rejects(mailer.verify(), ClosedError);
  if (Symbol.asyncDispose) await mailer[Symbol.asyncDispose]();
});

test('counters, metrics and what the server offers', async (t) => {
  const { mailer } = await pair(t);
  await mailer.send(raw());
  const stats = mailer.stats();
  assert.deepEqual([stats.accepted, stats.opened, stats.fullHandshakes], [1, 1, 1]);
  assert.match(mailer.metrics(), /everpost_messages_total\{.*delivery="accepted"\} 1/);
  const offered = await mailer.verify();
  assert.ok('SIZE' in offered && 'AUTH' in offered);
  assert.match(mailer.endpoint, /localhost/);
});
