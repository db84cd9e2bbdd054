// What tests share.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
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

let last = 0;

/** A raw message with a Message-ID of its own. */
export function raw({ id = `m${++last}@test`, to = 'b@example.com', body = 'Hello\r\n' } = {}) {
  return `From: a@example.org\r\nTo: ${to}\r\nMessage-ID: <${id}>\r\nSubject: Test\r\n\r\n${body}`;
}

/** Runs a program of Node to its end: its exit code, signal and what it wrote. */
export async function node(script, { args = [], flags = [], env = {}, file = false } = {}) {
  const what = file ? [script] : ['--input-type=module', '--eval', script];
  const child = spawn(process.execPath, [...flags, ...what, ...args], {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const written = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr']) child[name].on('data', (data) => (written[name] += data));
  const timer = setTimeout(() => child.kill('SIGKILL'), 60_000);
  const [code, signal] = await once(child, 'close');
  clearTimeout(timer);
  return { code, signal, ...written };
}
