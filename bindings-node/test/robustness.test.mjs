import assert from 'node:assert/strict';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import test from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { Mailer, MessageError } from '../index.mjs';
import { node, pair, raw, root, serve, serveApart } from './support.mjs';

/** The beginning of programs that talk to the server of the test. */
const program = (server) => `
  import { Mailer } from './index.mjs';
  const raw = 'From: a@example.org\\r\\nTo: b@example.com\\r\\n\\r\\nHello\\r\\n';
  const mailer = new Mailer(${JSON.stringify(server.url)});
`;

/** Milliseconds that this thread has worked, where that is told; otherwise, that have passed. */
function threadTime() {
  try {
    return Number(readFileSync('/proc/thread-self/schedstat', 'utf8').split(' ')[0]) / 1e6;
  } catch {
    return performance.now();
  }
}

/** Memory in use once everything that can be collected is: without what V8 keeps for later. */
async function settledMemory() {
  for (let at = 0; at < 5; at += 1) {
    globalThis.gc();
    await turn();
  }
  const { rss, heapTotal, heapUsed } = process.memoryUsage();
  return rss - heapTotal + heapUsed;
}

test('an idle pool and listeners keep no process alive', async (t) => {
  const server = await serve(t);
  const script = `${program(server)}
    mailer.on('rotated', () => {}).on('retired', () => {});
    await mailer.send(raw);
    console.log('sent');
  `;
  const { code, stdout, stderr } = await node(script);
  assert.deepEqual({ code, stdout, stderr }, { code: 0, stdout: 'sent\n', stderr: '' });
});

test('a send that is waited for keeps the process alive', async (t) => {
  const server = await serve(t);
  const { fault } = await server.request({ do: 'inject', at: 'end_of_data', action: 'stall' });
  const running = node(`${program(server)} await mailer.send(raw); console.log('sent');`);
  await server.request({ do: 'wait', fault });
  await server.request({ do: 'release' });
  const { code, stdout } = await running;
  assert.deepEqual({ code, stdout }, { code: 0, stdout: 'sent\n' });
});

test('process.exit in the middle of sends neither hangs nor crashes', async (t) => {
  const server = await serve(t);
  for (const at of ['handshake', 'data', 'end_of_data', 'none']) {
    const stall = { do: 'inject', at, action: 'stall', on: 'every' };
    const { fault } = at === 'none' ? {} : await server.request(stall);
    const script = `${program(server)}
      import { once } from 'node:events';
      mailer.on('retired', () => {});
      const sends = Array.from({ length: 20 }, () => mailer.send(raw));
      const underWay = ${at === 'none'} ? Promise.race(sends) : once(process.stdin.resume(), 'end');
      underWay.then(() => process.exit(7));
    `;
    const input = fault === undefined ? '' : server.request({ do: 'wait', fault }).then(() => '');
    const { code, signal, stderr } = await node(script, { input });
    assert.deepEqual({ at, code, signal, stderr }, { at, code: 7, signal: null, stderr: '' });
    await server.request({ do: 'remove' });
    await server.request({ do: 'release' });
  }
});

test('a worker that is ended in the middle of sends takes nothing with it', async (t) => {
  const { mailer, server } = await pair(t);
  const script = `
    import { parentPort } from 'node:worker_threads';
    ${program(server).replace('./index.mjs', `${new URL('../index.mjs', import.meta.url)}`)}
    mailer.on('retired', () => {});
    parentPort.postMessage((await mailer.send(raw)).responseCode);
    for (;;) await Promise.allSettled(Array.from({ length: 10 }, () => mailer.send(raw)));
  `;
  const url = new URL(`data:text/javascript,${encodeURIComponent(script)}`);
  for (let round = 0; round < 3; round += 1) {
    const workers = Array.from({ length: 4 }, () => new Worker(url));
    const told = await Promise.all(workers.map((worker) => once(worker, 'message')));
    assert.deepEqual(told.flat(), [250, 250, 250, 250]);
    await mailer.send(raw());
    for (const worker of workers) await worker.terminate();
    await mailer.send(raw());
  }
});

test('a process whose workers alone load the addon ends in order', async (t) => {
  const server = await serve(t);
  const worker = `
    import { parentPort } from 'node:worker_threads';
    ${program(server).replace('./index.mjs', `${new URL('../index.mjs', import.meta.url)}`)}
    await mailer.send(raw);
    parentPort.postMessage('sent');
  `;
  const script = `
    import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
    for (let at = 0; at < 3; at += 1) {
      const worker = new Worker(new URL(${JSON.stringify(`data:text/javascript,${encodeURIComponent(worker)}`)}));
      await new Promise((resolve, reject) => worker.once('exit', resolve).once('error', reject));
    }
    console.log('over');
  `;
  const { code, signal, stdout, stderr } = await node(script);
  assert.deepEqual({ code, signal, stdout, stderr }, { code: 0, signal: null, stdout: 'over\n', stderr: '' });
});

test('what a listener throws is uncaught, and keeps nothing else from being told', async (t) => {
  const server = await serve(t);
  const running = node(`${program(server)}
    let caught;
    process.on('uncaughtException', (error) => (caught = error));
    await mailer.send(raw);
    mailer.on('retired', () => {
      throw new Error('in a listener');
    });
    const closed = mailer.close();
    await closed;
    await new Promise(setImmediate);
    console.log(caught?.message);
  `);
  const { code, stdout, stderr } = await running;
  assert.deepEqual({ code, stdout, stderr }, { code: 0, stdout: 'in a listener\n', stderr: '' });
});

test('what nobody waits for rejects no promise that nobody sees', async (t) => {
  const server = await serve(t);
  const script = `${program(server)}
    import { Readable } from 'node:stream';
    process.on('unhandledRejection', (error) => console.log('unhandled', error));
    const broken = () => new Readable({ read() { this.destroy(new Error('broken')); } });
    const controller = new AbortController();
    const long = () => Readable.from((function* () {
      yield raw;
      for (let line = 0; ; line += 1) {
        if (line === 1000) controller.abort();
        yield 'x'.repeat(998) + '\\r\\n';
      }
    })());
    const sends = [mailer.send(broken()), mailer.send(''), mailer.send(raw, { signal: AbortSignal.abort() })];
    sends.push(mailer.send(long(), { signal: controller.signal }));
    const results = await Promise.allSettled(sends);
    console.log(results.map(({ reason }) => reason?.name).join());
    for await (const result of mailer.sendMany([raw, '', broken(), long()])) if (result.index === 2) break;
    for await (const result of mailer.sendMany([raw, raw])) break;
    await mailer.close();
    await new Promise(setImmediate);
  `;
  const { code, stdout, stderr } = await node(script);
  assert.equal(stderr, '');
  assert.equal(stdout, 'MessageError,MessageError,AbortError,AbortError\n');
  assert.equal(code, 0);
});

test('ten thousand sends and a thousand failures take no more memory than a few', async (t) => {
  const url = await serveApart(t);
  const mailer = new Mailer(url);
  t.after(() => mailer.close());
  const batch = async (count, make) => {
    let failed = 0;
    for (let at = 0; at < count; at += 100) {
      const sends = Array.from({ length: 100 }, () => mailer.send(...make()));
      failed += (await Promise.allSettled(sends)).filter(({ status }) => status === 'rejected').length;
    }
    return failed;
  };
  const body = 'x'.repeat(70).concat('\r\n').repeat(28);
  const good = () => [Buffer.from(raw({ body }))];
  const { signal } = new AbortController();
  const bad = () => [{ from: 'nobody', to: 'b@example.com', attachments: [{ content: body }] }, { signal }];
  // The first rounds make room for what so many at a time need; a leak of a few
  // hundred bytes for each would show in every one.
  const grown = [];
  await batch(10_000, good);
  while (grown.length < 6 && !(grown.at(-1) < 3e6)) {
    const before = await settledMemory();
    assert.equal(await batch(10_000, good), 0);
    assert.equal(await batch(1000, bad), 1000);
    grown.push((await settledMemory()) - before);
  }
  assert.ok(grown.at(-1) < 3e6, `bytes more in each round: ${grown.join(', ')}`);
});

test('messages, mailers and errors survive garbage collection at any moment', async (t) => {
  const server = await serve(t);
  const collect = setInterval(() => globalThis.gc(), 1);
  try {
    for (let round = 0; round < 10; round += 1) {
      // Nothing holds the mailer but its sends.
      const sends = Array.from({ length: 50 }, (_, at) => {
        const mailer = new Mailer({ url: server.url, maxConnections: 2 });
        mailer.on('retired', () => {});
        if (at % 5 === 0) return mailer.send({ from: 'a@x.org', to: 'b@x.org', text: 'hi', attachments: [{ content: Buffer.alloc(3000) }] });
        if (at % 5 === 1) return mailer.send(Readable.from([Buffer.from(raw()), Buffer.alloc(100_000, 'x')]));
        if (at % 5 === 2) return mailer.send('no message').catch((error) => assert.ok(error instanceof MessageError));
        return mailer.send(Buffer.from(raw()));
      });
      await Promise.all(sends);
    }
  } finally {
    clearInterval(collect);
  }
});

test('a provider of tokens is there for as long as its mailer sends', async (t) => {
  const server = await serve(t, { credentials: {}, tokens: { app: 'good' } });
  const options = { host: server.host, port: server.port, trust: server.ca, username: 'app' };
  const send = () => {
    const token = async () => {
      await turn();
      globalThis.gc();
      return 'good';
    };
    return new Mailer({ ...options, token }).send(raw());
  };
  for (let round = 0; round < 20; round += 1) {
    const sending = send();
    globalThis.gc();
    await sending;
  }
});

test('the event loop stays free while large messages are sent', async (t) => {
  const { mailer, server } = await pair(t, { maxMessageSize: '100MB', maxAttachmentSize: '100MB' });
  await server.request({ do: 'settings', set: { forget_bodies: true, limits: { message_size: 100_000_000 } } });
  const text = raw({ body: `${'x'.repeat(70)}\r\n`.repeat(800_000) });
  const bytes = Buffer.from(text);
  const forms = {
    bytes: () => bytes,
    attachment: () => ({ from: 'a@example.org', to: 'b@example.com', attachments: [{ content: bytes }] }),
    stream: () => Readable.from([bytes]),
    text: () => text,
  };
  for (const [name, form] of Object.entries(forms)) {
    let busiest = 0;
    let before = threadTime();
    let over = false;
    const look = () => {
      busiest = Math.max(busiest, threadTime() - before);
      if (over) return;
      before = threadTime();
      setImmediate(look);
    };
    look();
    await mailer.send(form());
    over = true;
    // To copy it at once would take many times as long.
    assert.ok(busiest < 12, `${name}: ${busiest} ms at a time`);
  }
});

test('a send takes less than a millisecond of the event loop', async (t) => {
  const { mailer } = await pair(t);
  const small = Buffer.from(raw({ body: 'x'.repeat(70).concat('\r\n').repeat(28) }));
  const composed = { from: 'a@example.org', to: 'b@example.com', subject: 's', text: 't', html: '<p>h' };
  const large = Buffer.alloc(40e6, 'x');
  for (const message of [small, composed, large]) {
    const took = [];
    for (let at = 0; at < 50; at += 1) {
      const controller = new AbortController();
      const begin = threadTime();
      const sending = mailer.send(message, { signal: controller.signal });
      took.push(threadTime() - begin);
      if (message === large) controller.abort();
      await sending.catch(() => {});
    }
    took.sort((one, other) => one - other);
    // The machine may do other things too: half of them show what we do.
    assert.ok(took[25] < 1, `${took[25]} ms`);
  }
});

test('an addon that cannot be used is told of as what it is', async () => {
  const missing = await node("await import('./index.mjs')", { env: { EVERPOST_LIBRARY: '/no/such/addon' } });
  assert.notEqual(missing.code, 0);
  assert.match(missing.stderr, /no\/such\/addon/);
  const folder = mkdtempSync(path.join(tmpdir(), 'everpost-'));
  try {
    mkdirSync(path.join(folder, 'lib'));
    cpSync(path.join(root, 'lib/native.js'), path.join(folder, 'lib/native.js'));
    writeFileSync(path.join(folder, 'package.json'), '{ "version": "99.0.0" }');
    const script = `import ${JSON.stringify(pathToFileURL(path.join(folder, 'lib/native.js')))}`;
    const other = await node(script);
    assert.match(other.stderr, /addon of Everpost is of version [\d.]+, and its JavaScript of 99\.0\.0/);
    const none = await node(script, { env: { EVERPOST_LIBRARY: '' } });
    assert.match(none.stderr, /no addon that works on this machine/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('the command runs in this process', async (t) => {
  const file = `${root}/bin/everpost.js`;
  const server = await serve(t);
  const input = 'From: a@example.org\nTo: b@example.com\nMessage-ID: <command@test>\n\nHello\n';
  const sent = await node(file, { file: true, args: ['send', '--json', '--eml', '-'], env: { EVERPOST_URL: server.url }, input });
  assert.equal(sent.code, 0, sent.stderr);
  assert.equal(JSON.parse(sent.stdout).delivery, 'accepted');
  assert.deepEqual(await server.counts(), { 'command@test': 1 });
  const help = await node(file, { file: true, args: ['--help'] });
  assert.equal(help.code, 0);
  assert.match(help.stdout, /probe/);
  const looked = await node(file, { file: true, args: ['cert', 'show', '--json', '/no/such/file'] });
  assert.notEqual(looked.code, 0);
  assert.match(looked.stdout + looked.stderr, /no\/such\/file/);
});
