// The command in a process of Node, and signals: one that waits ends at once,
// one that has something left to say comes to say it.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import path from 'node:path';
import test from 'node:test';
import { root, serve } from './support.mjs';

const options = { skip: process.platform === 'win32' && 'signals are others there', timeout: 60_000 };

function start(t, args) {
  const child = spawn(process.execPath, [path.join(root, 'bin/everpost.js'), ...args], { stdio: 'pipe' });
  t.after(() => child.kill('SIGKILL'));
  child.written = '';
  child.stderr.resume();
  child.stdout.setEncoding('utf8').on('data', (data) => {
    child.written += data;
    child.emit('written');
  });
  return child;
}

async function wrote(child, pattern) {
  while (!pattern.test(child.written)) await once(child, 'written');
}

async function interrupted(child, signal = 'SIGINT') {
  child.kill(signal);
  return once(child, 'close');
}

test('Ctrl-C ends a server at once', options, async (t) => {
  const child = start(t, ['rehearse', '--serve']);
  await wrote(child, /listening/);
  assert.deepEqual(await interrupted(child), [null, 'SIGINT']);
});

test('Ctrl-C ends a probe of a silent server at once', options, async (t) => {
  const silent = createServer().listen(0, '127.0.0.1');
  t.after(() => silent.close());
  await once(silent, 'listening');
  const child = start(t, ['probe', `smtps://127.0.0.1:${silent.address().port}`]);
  const [socket] = await once(silent, 'connection');
  socket.on('error', () => {});
  assert.deepEqual(await interrupted(child), [null, 'SIGINT']);
});

test('Ctrl-C lets a rehearsal reckon', options, async (t) => {
  const child = start(t, ['rehearse', '--messages', '1000000', '--rotations', '1000']);
  await wrote(child, /^ *1 /m);
  assert.deepEqual(await interrupted(child), [130, null]);
  assert.match(child.written, /lost/);
});

for (const signal of ['SIGINT', 'SIGTERM']) {
  test(`${signal} ends a watch in order`, options, async (t) => {
    const server = await serve(t);
    const child = start(t, ['watch', `smtps://127.0.0.1:${server.port}`, '--trust', server.caFile, '--json']);
    await wrote(child, /\n/);
    assert.deepEqual(await interrupted(child, signal), [0, null]);
  });
}
