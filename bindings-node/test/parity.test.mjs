// What stands in several places says the same in all of them.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import * as everpost from '../index.mjs';
import errors from '../lib/errors.js';
import names from '../lib/names.js';
import native from '../lib/native.js';
import { root } from './support.mjs';

const read = (file) => readFileSync(path.join(root, file), 'utf8');
const types = read('index.d.ts');

/** The fields of an interface, in the order of the alphabet. */
function fields(name) {
  const body = new RegExp(`^export (?:interface|class) ${name}\\b[^{]*\\{\\n([^]*?)^\\}`, 'm').exec(types)[1];
  return [...body.matchAll(/^ {2}(?:readonly )?(\w+)\??:/gm)].map(([, field]) => field).sort();
}

test('the types have every option of a mailer and of a probe, and no other', () => {
  const own = ['url', 'host', 'port', 'username', 'password', 'token', 'tokenUser', 'identity'];
  const options = [...native.mailerKeys().map(names.toCamel), ...own];
  assert.deepEqual(fields('MailerOptions'), options.sort());
  assert.deepEqual(fields('ProbeOptions'), [...native.probeKeys().map(names.toCamel), 'signal'].sort());
});

test('the types have every event and no other', () => {
  const told = read('../core/src/mailer/event.rs').matchAll(/Event::\w+(?: \{ \.\. \})? => "(\w+)"/g);
  const events = [...told].map(([, event]) => names.toCamel(event));
  assert.ok(events.length >= 9);
  assert.deepEqual(fields('MailerEvents'), events.sort());
  const listened = /const EVENTS = new Set\(\[([^\]]*)\]/.exec(read('lib/mailer.js'))[1];
  assert.deepEqual([...listened.matchAll(/'(\w+)'/g)].map(([, event]) => event).sort(), events);
});

test('the types have every export and no other, and every field of errors', () => {
  const exported = [...types.matchAll(/^export (?:class|function|const) (\w+)/gm)].map(([, name]) => name);
  assert.deepEqual(exported.sort(), Object.keys(everpost).sort());
  const error = Object.keys(new everpost.EverpostError('x'));
  assert.deepEqual(fields('EverpostError'), [...error, 'code'].sort());
});

test('the guide has the class and the code of every kind of error', () => {
  const guide = read('../docs/node.md');
  const kinds = /export type ErrorKind =([^;]*);/.exec(types)[1].matchAll(/'(\w+)'/g);
  for (const [, kind] of kinds) {
    const { constructor, code } = errors.internals.fromNative({ kind, message: 'x' });
    const row = guide.split('\n').find((line) => line.startsWith('| `') && line.includes(`\`${constructor.name}\``));
    assert.ok(row?.includes(`\`${code}\``), `${constructor.name} and ${code}`);
  }
});
