'use strict';

// AbortSignals: one listener for each, however many operations follow it, so
// that a signal of a long life neither leaks nor warns.

const followed = new WeakMap();

/** Calls `leave` when the signal is aborted, until the returned function is called. */
function onAbort(signal, leave) {
  let following = followed.get(signal);
  if (!following) {
    const leaves = new Set();
    const told = () => {
      for (const each of [...leaves]) each();
    };
    following = { leaves, told };
    followed.set(signal, following);
    signal.addEventListener('abort', told, { once: true });
  }
  following.leaves.add(leave);
  return () => {
    following.leaves.delete(leave);
    if (following.leaves.size > 0 || followed.get(signal) !== following) return;
    signal.removeEventListener('abort', following.told);
    followed.delete(signal);
  };
}

module.exports = { onAbort };
