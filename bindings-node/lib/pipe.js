'use strict';

// Streams of any size, written to the addon as it reads.

const { listen, native, port, unlisten } = require('./port.js');

/** The most that is copied at a time: well under a millisecond. */
const SLICE = 256 * 1024;

/** Bytes in pieces of at most SLICE. */
function* slices(bytes) {
  for (let at = 0; at < bytes.length; at += SLICE) yield bytes.subarray(at, at + SLICE);
}

/** Resolves in a later turn of the event loop. */
function turn() {
  return new Promise((resolve) => setImmediate(resolve));
}

function toBytes(chunk) {
  if (typeof chunk === 'string') return Buffer.from(chunk);
  if (chunk instanceof Uint8Array) return chunk;
  throw new TypeError('the stream gives something that is neither bytes nor text');
}

class Pipe {
  #id = listen(this);
  #native = new native.Pipe(port, this.#id);
  #wake = () => {};
  #shut = false;
  /** Why the stream could not be read to its end. */
  error = null;

  get letter() {
    return native.Letter.ofPipe(this.#native);
  }

  /** Told by the addon: there is room again. */
  drain() {
    this.#wake();
  }

  /** Told by the addon: nobody reads any more. */
  shut() {
    this.#shut = true;
    unlisten(this.#id);
    this.#wake();
  }

  /** Writes what was read already, and then the rest of the iterator. */
  async pump(read, iterator) {
    try {
      for (const chunk of read) await this.#write(chunk);
      while (!this.#shut) {
        const { done, value } = await iterator.next();
        if (done) break;
        await this.#write(toBytes(value));
      }
      this.#native.end();
    } catch (error) {
      this.error = error;
      this.#native.fail(String(error?.message ?? error));
    }
  }

  async #write(bytes) {
    for (const slice of slices(bytes)) {
      if (this.#shut) return;
      if (this.#native.write(slice)) continue;
      await new Promise((resolve) => (this.#wake = resolve));
    }
  }
}

module.exports = { Pipe, SLICE, slices, toBytes, turn };
