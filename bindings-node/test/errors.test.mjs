import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import * as everpost from '../index.mjs';
import errors from '../lib/errors.js';
import { root } from './support.mjs';

/** The kinds of the table that all languages share. */
function kinds() {
  const table = readFileSync(path.join(root, '../docs/errors.md'), 'utf8');
  const rows = table.matchAll(/^\| `([a-z_]+)` \| `EVERPOST_/gm);
  return [...new Set([...rows].map(([, kind]) => kind))];
}

test('every kind of error has a class and a code', () => {
  const codes = new Set();
  assert.ok(kinds().length >= 15);
  for (const kind of kinds()) {
    const error = errors.internals.fromNative({ kind, message: `${kind}: x`, stage: 'auth' });
    assert.equal(error.kind, kind);
    assert.ok(error instanceof everpost.EverpostError);
    assert.notEqual(error.constructor, everpost.InternalError === error.constructor && kind !== 'internal');
    assert.ok(kind === 'internal' || !(error instanceof everpost.InternalError), kind);
    assert.match(error.code, /^(ERR_EVERPOST_[A-Z_]+|ABORT_ERR)$/);
    assert.ok(!codes.has(error.code), error.code);
    codes.add(error.code);
    assert.equal(Object.keys(everpost).filter((name) => everpost[name] === error.constructor).length, 1, kind);
  }
});

test('both ways to load the package give the same classes', async () => {
  const { default: required } = await import('../index.js');
  assert.deepEqual(Object.keys(required).sort(), Object.keys(everpost).filter((name) => name !== 'default').sort());
  for (const name of Object.keys(required)) assert.equal(required[name], everpost[name], name);
});

test('causes of the native side are nested', () => {
  const error = errors.internals.fromNative({ kind: 'tls', message: 'x', causes: ['near', 'far'] });
  assert.equal(error.cause.message, 'near');
  assert.equal(error.cause.cause.message, 'far');
  assert.equal(error.cause.cause.cause, undefined);
});
