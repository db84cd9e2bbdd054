'use strict';

// What may be sent, in the form that the addon takes: bytes, a letter (pieces,
// a file, a stream) or a composition of fields and attachments.

const path = require('node:path');
const { fileURLToPath } = require('node:url');
const { native } = require('./port.js');
const { Pipe, SLICE, slices, toBytes, turn } = require('./pipe.js');
const { aborted, message: wrong } = require('./errors.js').internals;
const { onAbort } = require('./signal.js');
const { typeOf } = require('./types.js');

/** What is read of a stream before it is sent: one that ends in it is sent as bytes. */
const HEAD = 64 * 1024;

const ADDRESSES = { from: 'from', sender: 'sender', replyTo: 'reply_to', to: 'to', cc: 'cc', bcc: 'bcc' };
const TEXTS = { subject: 'subject', text: 'text', html: 'html', messageId: 'message_id' };
const FIELDS = new Set([...Object.keys(ADDRESSES), ...Object.keys(TEXTS), 'date', 'headers', 'attachments', 'envelope']);

/**
 * Prepares a message: `{ bytes }`, `{ letter }` or `{ composition }`; with
 * `envelope` if the message has one, and `source` if it is a stream.
 */
async function prepare(message, signal) {
  if (typeof message === 'string') return ofText(message);
  if (message instanceof Uint8Array) return ofBytes(message);
  if (message instanceof ArrayBuffer) return ofBytes(new Uint8Array(message));
  if (isStream(message)) return ofStream(message, signal);
  if (message === null || typeof message !== 'object') {
    throw wrong(`a message cannot be a ${message === null ? 'null' : typeof message}`, HINT);
  }
  if ('raw' in message) {
    const { raw, envelope, ...others } = message;
    if (Object.keys(others).length > 0) {
      throw wrong(`${Object.keys(others).join(', ')} cannot stand beside raw`, 'raw is the whole message');
    }
    return { ...(await prepare(raw, signal)), envelope };
  }
  return compose(message, signal);
}

const HINT = 'give bytes, text, a stream, or an object with from, to, subject and text';

function isStream(value) {
  return typeof value?.[Symbol.asyncIterator] === 'function';
}

async function ofBytes(bytes) {
  return bytes.length <= SLICE ? { bytes } : { letter: await inPieces(slices(bytes), bytes.length) };
}

async function ofText(text) {
  if (text.length <= SLICE / 4) return { bytes: Buffer.from(text) };
  return { letter: await inPieces(pieces(text), text.length) };
}

/** A long text as bytes, piece by piece. */
function* pieces(text) {
  let at = 0;
  while (at < text.length) {
    let end = Math.min(at + SLICE / 4, text.length);
    // Never between the halves of one character.
    if (end < text.length && (text.charCodeAt(end - 1) & 0xfc00) === 0xd800) end += 1;
    yield Buffer.from(text.slice(at, end));
    at = end;
  }
}

/** Copies over many turns, so that the event loop stays free. */
async function inPieces(all, size) {
  const letter = native.Letter.ofSize(Math.min(size, 0xffff_ffff));
  for (const piece of all) {
    letter.append(piece);
    await turn();
  }
  return letter;
}

async function ofStream(source, signal) {
  const iterator = source[Symbol.asyncIterator]();
  const read = [];
  let size = 0;
  try {
    while (size < HEAD) {
      const { done, value } = await until(iterator.next(), signal);
      if (done) return { bytes: Buffer.concat(read, size) };
      read.push(toBytes(value));
      size += read.at(-1).length;
    }
  } catch (error) {
    letGo(source, iterator);
    if (signal?.aborted) throw aborted(signal);
    throw wrong(`the stream cannot be read: ${error?.message ?? error}`, STREAM, error);
  }
  const pipe = new Pipe();
  const { letter } = pipe;
  // It ends when the stream does, or when nobody reads any more.
  pipe.pump(read, iterator);
  return { letter, source: { pipe, end: () => letGo(source, iterator) } };
}

const STREAM = 'see its cause';

/** Nobody reads the stream any more. */
function letGo(source, iterator) {
  if (typeof source.destroy === 'function') source.destroy();
  else Promise.resolve(iterator.return?.()).catch(() => {});
}

/** The promise, or a rejection as soon as the signal is aborted. */
async function until(promise, signal) {
  if (!signal) return promise;
  if (signal.aborted) throw aborted(signal);
  let unfollow;
  const left = new Promise((_, reject) => {
    unfollow = onAbort(signal, () => reject(aborted(signal)));
  });
  try {
    return await Promise.race([promise, left]);
  } finally {
    unfollow();
  }
}

async function compose(message, signal) {
  for (const name of Object.keys(message)) {
    if (!FIELDS.has(name)) {
      throw wrong(`the field ${name} is not known`, `known are ${[...FIELDS].join(', ')}, or raw alone`);
    }
  }
  const fields = [];
  for (const [name, field] of Object.entries(ADDRESSES)) {
    for (const address of addresses(message[name], name)) fields.push(field, address);
  }
  for (const [name, field] of Object.entries(TEXTS)) {
    const value = message[name];
    if (value === undefined || value === null) continue;
    fields.push(field, value instanceof Uint8Array ? Buffer.from(value).toString() : textOf(name, value));
  }
  if (message.date !== undefined) fields.push('date', moment(message.date));
  for (const [name, value] of headers(message.headers)) fields.push(`header:${name}`, textOf(name, value));

  const composition = new native.Composition(fields);
  let number = 0;
  for (const attachment of message.attachments ?? []) await attach(composition, attachment, ++number, signal);
  return { composition, envelope: message.envelope };
}

function textOf(name, value) {
  if (typeof value === 'string') return value;
  throw wrong(`${name} is a ${typeof value}`, 'give a text');
}

function moment(date) {
  const time = new Date(date).getTime();
  if (Number.isNaN(time) || time < 0) throw wrong('the date is none', 'give a Date from 1970 on');
  return String(time);
}

/** Headers as an object of texts or lists of texts, or as a list of { key, value }. */
function* headers(given) {
  if (given === undefined || given === null) return;
  const entries = Array.isArray(given) ? given.map(({ key, value }) => [key, value]) : Object.entries(given);
  for (const [name, values] of entries) {
    for (const value of [values].flat()) yield [name, value];
  }
}

/** Addresses one by one: texts may hold several, and objects are { name, address }. */
function* addresses(given, field) {
  if (given === undefined || given === null || given === '') return;
  for (const one of Array.isArray(given) ? given : [given]) {
    if (typeof one === 'string') {
      yield* list(one);
    } else if (typeof one?.address === 'string') {
      const name = one.name ? `"${one.name.replace(/["\\]/g, '\\$&')}" ` : '';
      yield name ? `${name}<${one.address}>` : one.address;
    } else {
      throw wrong(`${field} holds something that is no address`, 'give texts, or objects with name and address');
    }
  }
}

/** Splits at the commas that separate addresses: not in quotes, comments or brackets. */
function list(text) {
  const found = [];
  let begin = 0;
  let quoted = false;
  let depth = 0;
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at];
    if (character === '\\' && (quoted || depth > 0)) at += 1;
    else if (character === '"' && depth === 0) quoted = !quoted;
    else if (quoted) continue;
    else if (character === '(' || character === '<') depth += 1;
    else if ((character === ')' || character === '>') && depth > 0) depth -= 1;
    else if ((character === ',' || character === ';') && depth === 0) {
      found.push(text.slice(begin, at));
      begin = at + 1;
    }
  }
  found.push(text.slice(begin));
  return found.filter((one) => one.trim() !== '');
}

async function attach(composition, attachment, number, signal) {
  const { filename, content, path: file, contentType, cid, encoding } = attachment ?? {};
  const where = file instanceof URL || /^file:/i.test(file ?? '') ? fileURLToPath(file) : file;
  if (/^(https?|data):/i.test(where ?? '')) {
    throw wrong('an attachment has a web or data URL as its path', 'fetch it, and give it as content');
  }
  if ((content === undefined) === (where === undefined)) {
    throw wrong('an attachment needs either content or path', 'give one of the two');
  }
  const name = filename || (where ? path.basename(where) : `attachment-${number}`);
  const type = contentType ?? typeOf(name);
  const called = cid ?? name;
  const inline = cid !== undefined;
  if (where !== undefined) {
    composition.attachFile(called, type, inline, where);
    return;
  }
  const held = typeof content === 'string' ? Buffer.from(content, encoding) : content;
  if (held instanceof Uint8Array && held.length <= SLICE) {
    composition.attach(called, type, inline, held);
    return;
  }
  let letter;
  if (held instanceof Uint8Array) letter = await inPieces(slices(held), held.length);
  else if (isStream(held)) letter = await gathered(held, signal);
  else throw wrong('the content of an attachment is neither bytes, text nor a stream', 'give one of them');
  composition.attachLetter(called, type, inline, letter);
}

/** A stream as a whole, in memory of the addon: its length must be known to be encoded. */
async function gathered(source, signal) {
  const iterator = source[Symbol.asyncIterator]();
  const letter = native.Letter.ofSize(0);
  try {
    for (;;) {
      const { done, value } = await until(iterator.next(), signal);
      if (done) return letter;
      for (const slice of slices(toBytes(value))) letter.append(slice);
    }
  } catch (error) {
    letGo(source, iterator);
    if (signal?.aborted) throw aborted(signal);
    throw wrong(`an attachment's stream cannot be read: ${error?.message ?? error}`, STREAM, error);
  }
}

const NOTIFY = { never: 0, success: 1, failure: 2, delay: 4 };

/** An envelope in the form that the addon takes. */
function envelope(given) {
  if (given === undefined || given === null) return undefined;
  const { from, to, cc, bcc, requireTls, dsn } = given;
  const made = { to: [to, cc, bcc].flat().filter((one) => one !== undefined && one !== null) };
  if (!made.to.every((one) => typeof one === 'string')) {
    throw wrong('a recipient of the envelope is no text', 'give addresses as texts');
  }
  if (from) made.from = textOf('from of the envelope', from);
  if (requireTls) made.requireTls = true;
  if (dsn) {
    if (dsn.id !== undefined) made.envid = textOf('dsn.id', dsn.id);
    if (dsn.return !== undefined) made.returned = returned(dsn.return);
    if (dsn.notify !== undefined) made.notify = [dsn.notify].flat().reduce(notified, 0);
  }
  return made;
}

function returned(what) {
  const known = { full: 'full', headers: 'headers', hdrs: 'headers' }[String(what).toLowerCase()];
  if (!known) throw wrong('dsn.return is not known', 'give full or headers');
  return known;
}

function notified(all, when) {
  const bit = NOTIFY[String(when).toLowerCase()];
  if (bit === undefined) throw wrong('dsn.notify is not known', `known are ${Object.keys(NOTIFY).join(', ')}`);
  return all | bit;
}

module.exports = { envelope, isStream, prepare };
