// What tests share.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Mailer } from '../index.mjs';
import { Rehearsal } from '../testing.mjs';

export const here = path.dirname(fileURLToPath(import.meta.url));
export const root = path.dirname(here);

/** Modules from npm, where `cargo xtask test node` has installed them. */
export const require = createRequire(`${process.env.EVERPOST_MODULES}/`);

/** A server and a mailer that end with the test. */
export async function pair(t, options = {}, server = {}) {
  const rehearsal = await serve(t, server);
  const mailer = new Mailer({ url: rehearsal.url, ...options });
  t.after(() => mailer.close());
  return { mailer, server: rehearsal };
}

export async function serve(t, options = {}) {
  const server = await Rehearsal.start(options);
  t.after(() => server.stop());
  return server;
}

/** A server in a process of its own, which is asked for nothing: its URL. */
export async function serveApart(t) {
  const options = { credentials: { app: 'secret' }, settings: { forget_bodies: true } };
  const command = [path.join(root, 'bin/everpost.js'), 'rehearse', '--serve', '--options', JSON.stringify(options)];
  const child = spawn(process.execPath, command, { stdio: ['pipe', 'pipe', 'ignore'] });
  // It ends with its input.
  t.after(() => child.stdin.end());
  let said = '';
  for await (const data of child.stdout) {
    said += data;
    if (said.includes('\n')) break;
  }
  const { implicit, ca_pem: ca } = JSON.parse(said);
  const folder = mkdtempSync(path.join(tmpdir(), 'everpost-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = path.join(folder, 'ca.pem');
  writeFileSync(file, ca);
  return `smtps://app:secret@${implicit}?trust=${encodeURIComponent(file)}`;
}

let last = 0;

/** A raw message with a Message-ID of its own. */
export function raw({ id = `m${++last}@test`, to = 'b@example.com', body = 'Hello\r\n' } = {}) {
  return `From: a@example.org\r\nTo: ${to}\r\nMessage-ID: <${id}>\r\nSubject: Test\r\n\r\n${body}`;
}

/**
 * Runs a program of Node to its end: its exit code, signal and what it wrote. Its input ends with `input`, which may
 * be the promise of it.
 */
export async function node(script, { args = [], flags = [], env = {}, file = false, input = '' } = {}) {
  const what = file ? [script] : ['--input-type=module', '--eval', script];
  const child = spawn(process.execPath, [...flags, ...what, ...args], {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: 'pipe',
  });
  child.stdin.on('error', () => {});
  const given = Promise.resolve(input).then((text) => child.stdin.end(text));
  const written = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr']) child[name].on('data', (data) => (written[name] += data));
  const timer = setTimeout(() => child.kill('SIGKILL'), 60_000);
  const [code, signal] = await once(child, 'close');
  clearTimeout(timer);
  await given;
  return { code, signal, ...written };
}
