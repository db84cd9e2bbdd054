// What happens to sends under way: aborts, streams that break, batches.

import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import test from 'node:test';
import { inspect } from 'node:util';
import { CancelledError, DeliveryUnknownError, EverpostError, MessageError, Receipt } from '../index.mjs';
import { pair, raw } from './support.mjs';

test('a signal that is aborted already sends nothing', async (t) => {
  const { mailer, server } = await pair(t);
  const reason = new Error('mine');
  const error = await mailer.send(raw(), { signal: AbortSignal.abort(reason) }).catch((caught) => caught);
  assert.ok(error instanceof CancelledError);
  assert.deepEqual([error.name, error.code, error.cause], ['AbortError', 'ABORT_ERR', reason]);
  assert.deepEqual(await server.counts(), {});
});

test('an abort in flight is told with what is known, and leaves no listener', async (t) => {
  const { mailer, server } = await pair(t);
  const controller = new AbortController();
  const { signal } = controller;
  let handler = 0;
  signal.onabort = () => (handler += 1);
  let added = 0;
  const add = signal.addEventListener.bind(signal);
  const remove = signal.removeEventListener.bind(signal);
  signal.addEventListener = (...args) => ((added += 1), add(...args));
  signal.removeEventListener = (...args) => ((added -= 1), remove(...args));

  await Promise.all(Array.from({ length: 20 }, () => mailer.send(raw(), { signal })));
  assert.equal(added, 0);

  const { fault } = await server.request({ do: 'inject', at: 'data', action: 'stall' });
  const early = mailer.send(raw({ id: 'early@test' }), { signal });
  await server.request({ do: 'wait', fault });
  const { fault: late } = await server.request({ do: 'inject', at: 'end_of_data', action: 'stall' });
  const unknown = mailer.send(raw({ id: 'late@test' }), { signal });
  await server.request({ do: 'wait', fault: late });
  controller.abort('enough');
  const cancelled = await early.catch((caught) => caught);
  assert.ok(cancelled instanceof CancelledError);
  assert.equal(cancelled.cause, 'enough');
  assert.equal(cancelled.delivery, 'not_sent');
  const error = await unknown.catch((caught) => caught);
  assert.ok(error instanceof DeliveryUnknownError);
  assert.equal(error.awaitsVerdict, true);
  assert.equal(handler, 1);

  assert.equal(await error.lateVerdict({ timeout: 5 }), null);
  await assert.rejects(error.lateVerdict({ signal: AbortSignal.abort() }), CancelledError);
  await server.request({ do: 'release' });
  const verdict = await error.lateVerdict();
  assert.equal(verdict.delivery, 'accepted');
  assert.equal(verdict.receipt.messageId, '<late@test>');
});

test('an abort ends the waiting for a stream that gives nothing', async (t) => {
  const { mailer } = await pair(t);
  const stream = new Readable({ read() {} });
  const controller = new AbortController();
  const sending = mailer.send(stream, { signal: controller.signal });
  setImmediate(() => controller.abort());
  await assert.rejects(sending, CancelledError);
  assert.equal(stream.destroyed, true);
});

test('a stream that breaks is the cause of the error, and nothing is delivered', async (t) => {
  const { mailer, server } = await pair(t);
  for (const good of [10, 3_000_000]) {
    const stream = Readable.from(
      (async function* () {
        yield raw({ id: 'broken@test' });
        for (let at = 0; at < good; at += 1000) yield `${'x'.repeat(998)}\r\n`;
        throw new RangeError('the disk is gone');
      })(),
    );
    const error = await mailer.send(stream).catch((caught) => caught);
    assert.ok(error instanceof MessageError, inspect(error));
    assert.ok(error.cause instanceof RangeError, inspect(error));
  }
  assert.deepEqual(await server.counts(), {});
});

test('a stream is let go when the server refuses in the middle', async (t) => {
  const { mailer, server } = await pair(t);
  await server.request({ do: 'inject', at: { body: 200_000 }, action: { cut: 'rst' } });
  let read = 0;
  const stream = new Readable({
    read() {
      read += 16_384;
      this.push(read === 16_384 ? raw() : `${'x'.repeat(998)}\r\n`.repeat(16));
    },
  });
  const error = await mailer.send(stream).catch((caught) => caught);
  assert.ok(error instanceof EverpostError);
  assert.equal(error.delivery, 'not_sent');
  assert.equal(stream.destroyed, true);
});

test('many messages give their results as they come, and as many are under way as connections need', async (t) => {
  const { mailer, server } = await pair(t, { maxConnections: 2 });
  let taken = 0;
  async function* messages() {
    for (let at = 0; at < 200; at += 1) {
      taken += 1;
      yield at === 50 ? 'no message' : raw({ id: `many${at}@test` });
    }
  }
  const seen = new Map();
  const told = [];
  for await (const result of mailer.sendMany(messages(), { progress: (progress) => told.push(progress) })) {
    assert.ok(taken - seen.size <= 2 * 16 + 1, `${taken} taken, ${seen.size} seen`);
    seen.set(result.index, result);
  }
  assert.equal(seen.size, 200);
  assert.ok(seen.get(50).error instanceof MessageError);
  assert.ok(seen.get(51).receipt instanceof Receipt);
  assert.deepEqual(told.at(-1), { completed: 200, accepted: 199, failed: 1 });
  assert.equal(Object.keys(await server.counts()).length, 199);
});

test('whoever leaves a batch takes back what is not sent', async (t) => {
  const { mailer, server } = await pair(t, { maxConnections: 1 });
  let returned = false;
  let taken = 0;
  const source = {
    [Symbol.asyncIterator]() {
      return this;
    },
    async next() {
      taken += 1;
      if (taken === 2) {
        // From here on nothing is answered any more.
        await server.request({ do: 'wait', messages: 1 });
        await server.request({ do: 'inject', at: 'mail', action: 'stall' });
      }
      return { done: false, value: raw() };
    },
    async return() {
      returned = true;
      return { done: true };
    },
  };
  for await (const { receipt } of mailer.sendMany(source)) {
    assert.ok(receipt);
    break;
  }
  assert.equal(returned, true);
  await mailer.close();
  assert.ok(taken >= 2);
  assert.equal(Object.keys(await server.counts()).length, 1);
});

test('an aborted batch ends with an AbortError, and a broken source with its own', async (t) => {
  const { mailer } = await pair(t);
  const controller = new AbortController();
  const results = [];
  await assert.rejects(async () => {
    const messages = (function* () {
      for (;;) yield raw();
    })();
    for await (const result of mailer.sendMany(messages, { signal: controller.signal })) {
      results.push(result);
      if (results.length === 3) controller.abort();
    }
  }, CancelledError);
  assert.ok(results.length >= 3);
  const broken = (function* () {
    yield raw();
    throw new RangeError('no more');
  })();
  const seen = [];
  await assert.rejects(async () => {
    for await (const result of mailer.sendMany(broken)) seen.push(result);
  }, RangeError);
  assert.equal(seen.length, 1);
});
