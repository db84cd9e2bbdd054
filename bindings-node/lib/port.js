'use strict';

// Operations of the addon as promises. All that happened since the last turn
// comes by one call of `deliver`, as JSON.

const native = require('./native.js');
const { CancelledError, internals } = require('./errors.js');
const { Receipt } = require('./results.js');
const { onAbort } = require('./signal.js');

/** What waits for the result of each operation. */
const pending = new Map();
/** Who is told of notices, by its id. */
const listeners = new Map();
let last = 0;

const port = new native.Port(deliver);
/** Verdicts are kept for as long as an error could be asked for them. */
const forgotten = new FinalizationRegistry((verdict) => port.forget(verdict));

function deliver(json) {
  for (const told of JSON.parse(json)) {
    const [id] = told;
    if (id !== 0) {
      const operation = pending.get(id);
      if (operation) {
        pending.delete(id);
        operation.settle(told);
      }
      continue;
    }
    const [, what, to, ...rest] = told;
    const listener = listeners.get(to)?.deref();
    if (listener) listener[what](...rest);
    else if (what === 'token') port.answer(rest[0], undefined, 'the mailer is gone');
  }
}

/** An id for a listener to notices, which are methods of it. It is held weakly. */
function listen(listener) {
  const id = ++last;
  listeners.set(id, new WeakRef(listener));
  return id;
}

function unlisten(id) {
  listeners.delete(id);
}

/** Starts an operation; resolves with `[id, worked, result or error]`. `owner` lives as long. */
function submit(start, signal, owner) {
  const id = ++last;
  return new Promise((resolve, reject) => {
    const unfollow = signal ? onAbort(signal, () => port.cancel(id)) : undefined;
    const settle = (told) => {
      unfollow?.();
      resolve(told);
    };
    pending.set(id, { settle, owner });
    try {
      start(id);
    } catch (error) {
      pending.delete(id);
      unfollow?.();
      reject(internals.translate(error));
    }
  });
}

/** The result of an operation, or its error: thrown by whoever waited for it, whose frames are on the stack. */
function resultOf([, worked, told], signal) {
  if (worked) return told;
  const error = internals.fromNative(told, signal);
  if (typeof told.late === 'number') forgotten.register(error, told.late);
  throw error;
}

/** Starts an operation, and resolves with its result. */
async function run(start, signal, owner) {
  if (signal?.aborted) throw internals.aborted(signal);
  return resultOf(await submit(start, signal, owner), signal);
}

/** Does a call of the addon that may throw. */
function call(work) {
  try {
    return work();
  } catch (error) {
    throw internals.translate(error);
  }
}

internals.verdictsBy(async (verdict, { timeout, signal } = {}) => {
  let timer;
  let late = false;
  try {
    const told = await run((id) => {
      port.lateVerdict(id, verdict);
      if (timeout === undefined) return;
      const expired = () => {
        late = true;
        port.cancel(id);
      };
      timer = setTimeout(expired, timeout);
    }, signal);
    if (!told) return null;
    if (told.receipt) return { delivery: 'accepted', receipt: new Receipt(told.receipt), error: null };
    return { delivery: told.error.delivery, receipt: null, error: internals.fromNative(told.error) };
  } catch (error) {
    if (late && error instanceof CancelledError && !signal?.aborted) return null;
    throw error;
  } finally {
    clearTimeout(timer);
  }
});

module.exports = { call, listen, native, port, resultOf, run, submit, unlisten };
