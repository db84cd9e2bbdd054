'use strict';

// Many messages: as many are under way as keep every connection busy.

const { aborted } = require('./errors.js').internals;
const { onAbort } = require('./signal.js');

/**
 * Yields `{ index, receipt }` or `{ index, error }` of each message as soon as
 * it is known. Messages are taken as they are needed, and results wait for
 * whoever reads them: a slow reader slows the sending down.
 */
async function* sendMany(send, window, messages, { signal, progress } = {}) {
  if (signal?.aborted) throw aborted(signal);
  const leave = new AbortController();
  const source = messages[Symbol.asyncIterator]?.() ?? messages[Symbol.iterator]();
  const ready = [];
  const told = { completed: 0, accepted: 0, failed: 0 };
  let underWay = 0;
  let index = 0;
  let taking = false;
  let ended = false;
  let broken = null;
  let wake = () => {};
  const unfollow =
    signal &&
    onAbort(signal, () => {
      leave.abort(signal.reason);
      wake();
    });

  const take = async () => {
    taking = true;
    try {
      const { done, value } = await source.next();
      if (done) ended = true;
      else start(value, index++);
    } catch (error) {
      ended = true;
      broken = { error };
    } finally {
      taking = false;
      wake();
    }
  };
  const start = (message, at) => {
    underWay += 1;
    const finish = (result) => {
      underWay -= 1;
      told.completed += 1;
      told[result.receipt ? 'accepted' : 'failed'] += 1;
      ready.push(result);
      wake();
    };
    send(message, leave.signal).then(
      (receipt) => finish({ index: at, receipt }),
      (error) => finish({ index: at, error }),
    );
  };

  try {
    for (;;) {
      const room = underWay + ready.length < window;
      if (!ended && !taking && room && !leave.signal.aborted) take();
      if (ready.length > 0) {
        progress?.({ ...told });
        yield ready.shift();
        continue;
      }
      const waiting = underWay > 0 || (taking && !leave.signal.aborted);
      if (!waiting) break;
      await new Promise((resolve) => (wake = resolve));
      wake = () => {};
    }
    if (broken) throw broken.error;
    if (signal?.aborted) throw aborted(signal);
  } finally {
    unfollow?.();
    // Whoever leaves early takes the rest back, as far as it is not sent.
    if (!ended) Promise.resolve(source.return?.()).catch(() => {});
    leave.abort();
  }
}

module.exports = { sendMany };
