import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { inspect } from 'node:util';
import { CertificateFile, ConfigError, CancelledError, Mailer, Report, certificate, diagnose, probe } from '../index.mjs';
import { raw, serve } from './support.mjs';

test('a probe judges what a server shows', async (t) => {
  const server = await serve(t);
  const target = `smtps://${server.host}:${server.port}`;
  const good = await probe(target, { trust: server.ca });
  assert.ok(good instanceof Report);
  assert.equal(good.status, 'healthy');
  assert.equal(good.certificates[0].subject, 'CN=localhost');
  assert.equal(good.details.schema.split('/')[0], 'everpost.probe');
  await server.expire('wrong_name');
  const bad = await probe(target, { trust: server.caFile, deadline: 5000 });
  assert.equal(bad.status, 'unhealthy');
  assert.ok(bad.findings.some(({ id }) => id === 'name-mismatch' || id === 'name_mismatch'), inspect(bad.findings));
  assert.ok(bad.cause && bad.remedy);
  await assert.rejects(probe('smtp://', {}), ConfigError);
  await assert.rejects(probe(target, { colour: 'blue' }), /colour is not known/);
  await assert.rejects(probe(target, { signal: AbortSignal.abort() }), CancelledError);
});

test('a diagnosis says at which step it fails, and why', async (t) => {
  const server = await serve(t);
  const options = { host: server.host, port: server.port, trust: server.ca, username: 'app', password: 'wrong' };
  const report = await diagnose(options, { looks: false });
  assert.equal(report.fault, 'auth');
  assert.ok(report.cause && report.remedy);
  const asked = [];
  const good = await diagnose(
    { ...options, password: 'secret' },
    { from: 'a@example.org', to: ['b@example.com'], size: 1000 },
  );
  assert.equal(good.details.holds, true);
  // A provider of tokens is asked here too.
  await diagnose({ ...options, password: undefined, token: async () => (asked.push(1), 'none') }, { looks: false });
  assert.deepEqual(asked.length > 0, true);
});

test('an explanation compares the server with the certificate file', async (t) => {
  const server = await serve(t);
  const mailer = new Mailer(server.url);
  t.after(() => mailer.close());
  await mailer.send(raw());
  assert.equal((await mailer.explain()).fault, 'none');
  const { chain_pem: pem } = await server.request({ do: 'client_certificate', name: 'localhost' });
  const file = await certificate.read(Buffer.from(pem));
  const report = await mailer.explain({ certificateFile: file });
  assert.ok(report.details.file);
  await assert.rejects(mailer.explain({ certificateFile: {} }), ConfigError);
});

test('a certificate file is read, judged and converted', async (t) => {
  const server = await serve(t);
  const { chain_pem: chain, key_pem: key } = await server.request({ do: 'client_certificate', name: 'localhost' });
  const folder = path.dirname(server.caFile);
  writeFileSync(path.join(folder, 'both.pem'), chain + key);
  const file = await certificate.read(path.join(folder, 'both.pem'));
  assert.ok(file instanceof CertificateFile);
  assert.deepEqual([file.format, file.hasKey, file.keyMatches], ['pem', true, true]);
  assert.match(file.toPem(), /^-----BEGIN CERTIFICATE/);
  assert.doesNotMatch(file.toPem(), /PRIVATE KEY/);
  assert.match(file.toPem({ withKey: true }), /PRIVATE KEY/);
  assert.doesNotMatch(inspect(file, { depth: 9, showHidden: true }), /PRIVATE/);

  const pfx = await file.toPfx('hunter2');
  assert.ok(Buffer.isBuffer(pfx));
  const again = await certificate.read(pfx, { password: 'hunter2' });
  assert.equal(again.certificates[0].sha256, file.certificates[0].sha256);
  await assert.rejects(certificate.read(pfx, { password: 'wrong' }), ConfigError);
  await assert.rejects(certificate.read('/no/such/file'), ConfigError);

  const ca = await certificate.read(Buffer.from(server.ca));
  await assert.rejects(async () => ca.toPem({ withKey: true }), ConfigError);
  const report = await ca.judge('localhost', { trust: server.ca, at: new Date('2099-01-01') });
  assert.equal(report.status, 'unhealthy');
  await assert.rejects(ca.judge('localhost', { at: 'never' }), ConfigError);
});

test('a mailer shows its certificate to a server that asks for one', async (t) => {
  const server = await serve(t, { clientAuth: 'required' });
  const { chain_pem: cert, key_pem: key } = await server.request({ do: 'client_certificate', name: 'app' });
  const url = server.url;
  for (const identity of [{ cert, key }, await certificate.read(Buffer.from(cert + key))]) {
    const mailer = new Mailer({ url, identity });
    await mailer.send(raw());
    await mailer.close();
  }
  const without = new Mailer(url);
  await assert.rejects(without.send(raw()));
  await without.close();
});
