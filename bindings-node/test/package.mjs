// The package as a user gets it: packed, installed into an empty folder, typed,
// the README's programs run there before the rehearsal server, and the guide's
// tests by vitest.
//
// `EVERPOST_LIBRARY` is the addon that goes into it, `EVERPOST_MODULES` where
// the tools from npm are.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const modules = process.env.EVERPOST_MODULES;
const require = createRequire(`${modules}/`);
const staging = path.join(modules, 'staging');
const consumer = path.join(modules, 'consumer');

/** Runs a program to its end, and returns what it wrote. */
function run(program, args, { cwd = consumer, env = {} } = {}) {
  console.log(`   $ ${path.basename(program)} ${args.map((arg) => path.basename(arg)).join(' ')}`);
  const { EVERPOST_LIBRARY: _, ...rest } = process.env;
  const shell = process.platform === 'win32' && program === 'npm';
  const done = spawnSync(program, args, { cwd, env: { ...rest, ...env }, encoding: 'utf8', shell, maxBuffer: 1e8 });
  if (done.status !== 0) {
    throw new Error(`${program} ${args.join(' ')}: ${done.error ?? done.status}\n${done.stdout}\n${done.stderr}`);
  }
  return done.stdout;
}

const node = (args, options) => run(process.execPath, args, options);

/** The script behind a command that a package brings. */
function command(name, binary = name) {
  const file = path.join(modules, 'node_modules', name, 'package.json');
  const { bin } = JSON.parse(readFileSync(file, 'utf8'));
  return path.join(path.dirname(file), typeof bin === 'string' ? bin : bin[binary]);
}

/** The package with the addon of this platform, as `npm run build` leaves it. */
function stage() {
  rmSync(staging, { recursive: true, force: true });
  cpSync(root, staging, { recursive: true, filter: (from) => !/node_modules|\.(node|tgz)$/.test(from) });
  const build = readFileSync(path.join(root, 'scripts/build.mjs'), 'utf8');
  assert.match(build, /everpost\.\$\{process\.platform\}-\$\{process\.arch\}/);
  const libc = process.report.getReport().header.glibcVersionRuntime ? '-gnu' : '-musl';
  const abi = { linux: libc, win32: '-msvc' }[process.platform] ?? '';
  cpSync(process.env.EVERPOST_LIBRARY, path.join(staging, `everpost.${process.platform}-${process.arch}${abi}.node`));
  for (const licence of ['LICENSE-MIT', 'LICENSE-APACHE']) cpSync(path.join(root, '..', licence), path.join(staging, licence));
}

function pack() {
  const [{ filename, files }] = JSON.parse(run('npm', ['pack', '--json', '--ignore-scripts'], { cwd: staging }));
  const names = files.map((file) => file.path);
  for (const wanted of ['README.md', 'LICENSE-MIT', 'index.d.ts', 'bin/everpost.js', 'lib/native.js']) {
    assert.ok(names.includes(wanted), `${wanted} is not packed`);
  }
  const stray = names.filter((name) => /^(src|test|scripts|npm)\/|Cargo|build\.rs/.test(name));
  assert.deepEqual(stray, [], 'packed, and of no use to a user');
  return path.join(staging, filename);
}

function install(tarball) {
  rmSync(consumer, { recursive: true, force: true });
  mkdirSync(consumer);
  writeFileSync(path.join(consumer, 'package.json'), '{ "private": true }\n');
  // Nothing else is needed: it works without any registry.
  run('npm', ['install', '--offline', '--no-audit', '--no-fund', tarball]);
}

/** The programs of the README: the first line of each names its file. */
function programs() {
  const readme = readFileSync(path.join(root, 'README.md'), 'utf8');
  const blocks = [...readme.matchAll(/^```(?:js|cjs|ts)\n\/\/ (\S+)\n([^]*?)^```$/gm)];
  return blocks.map(([, name, text]) => {
    writeFileSync(path.join(consumer, name), text);
    return name;
  });
}

/** The guide's snippets are JavaScript at least, and import only what there is; its tests pass. */
function guide() {
  const blocks = [...readFileSync(path.join(root, '../docs/node.md'), 'utf8').matchAll(/^```js\n([^]*?)^```$/gm)];
  assert.ok(blocks.length >= 6);
  const tests = [];
  for (const [index, [, text]] of blocks.entries()) {
    const name = /^\/\/ (\S+)\n/.exec(text)?.[1] ?? `guide${index}.mjs`;
    writeFileSync(path.join(consumer, name), text);
    node(['--check', name]);
    if (name.includes('.test.')) tests.push(name);
    for (const [, names, from] of text.matchAll(/^import \{ (.*) \} from '(everpost.*)';$/gm)) {
      const found = Object.keys(require(path.join(consumer, 'node_modules/everpost', { everpost: 'index.js', 'everpost/testing': 'testing.js' }[from])));
      for (const one of names.split(', ')) assert.ok(found.includes(one), `${one} of ${from}`);
    }
  }
  assert.ok(tests.length > 0);
  for (const name of tests) node([command('vitest'), 'run', name]);
  return tests;
}

/** Types are checked as a user has them; a program in TypeScript is built. */
function typed(names) {
  const tsc = command('typescript', 'tsc');
  cpSync(path.join(root, 'test/types'), path.join(consumer, 'types'), { recursive: true });
  node([tsc, '-p', 'types/tsconfig.json']);
  const sources = names.filter((name) => /\.[mc]?ts$/.test(name));
  const flags = '--strict --target es2022 --module node16 --moduleResolution node16 --types node'.split(' ');
  node([tsc, ...flags, ...sources]);
}

/** Each example does what it says, and goes on doing it across a renewal. */
async function walk(names) {
  process.env.EVERPOST_LIBRARY = '';
  const { Rehearsal } = require(path.join(consumer, 'node_modules/everpost/testing.js'));
  const server = await Rehearsal.start();
  const env = { EVERPOST_URL: server.url };
  let sent = 0;
  for (const name of names) {
    const program = name.replace(/ts$/, 'js');
    const flags = program.includes('.test.') ? ['--test'] : [];
    const told = run(process.execPath, [...flags, program], { env });
    if (flags.length === 0) {
      assert.match(told, /Queued as|accepted/, name);
      sent += 1;
    }
    await server.rotate({ restart: true });
  }
  assert.equal((await server.received()).length, sent);
  await server.stop();
}

/** What the transport asks the user's nodemailer for: services, and tokens by its means. */
async function borrowed() {
  const { Rehearsal } = require(path.join(consumer, 'node_modules/everpost/testing.js'));
  const server = await Rehearsal.start({ credentials: {}, tokens: { app: 'renewed' } });
  const program = `
    const assert = require('node:assert');
    const nodemailer = require('nodemailer');
    const everpost = require('everpost/nodemailer');
    const known = everpost({ service: 'Gmail', auth: { user: 'app', pass: 'x' } });
    assert.match(known.everpost.endpoint, /^smtp\\.gmail\\.com:465/);
    const { host, port, ca } = ${JSON.stringify({ host: server.host, port: server.port, ca: server.ca })};
    const auth = { type: 'OAuth2', user: 'app' };
    const transporter = nodemailer.createTransport(everpost({ host, port, secure: true, auth, tls: { ca } }));
    const asked = [];
    transporter.set('oauth2_provision_cb', (user, renew, callback) => {
      asked.push([user, renew]);
      callback(null, renew ? 'renewed' : 'stale');
    });
    transporter.sendMail({ from: 'a@example.org', to: 'b@example.com', text: 'x' }).then((info) => {
      assert.deepEqual(asked, [['app', false], ['app', true]]);
      console.log(info.response);
    });
  `;
  writeFileSync(path.join(consumer, 'borrowed.cjs'), program);
  assert.match(node(['borrowed.cjs']), /Queued as/);
  await server.stop();
}

function commands() {
  const bin = path.join(consumer, 'node_modules/.bin/everpost');
  const told = process.platform === 'win32' ? run(`${bin}.cmd`, ['--version']) : run(bin, ['--version']);
  const { version } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
  assert.equal(told.trim(), `everpost ${version}`);
}

/** The packages of all platforms have the version of this one, and are those that the loader asks for. */
function platforms() {
  const main = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
  for (const name of readdirSync(path.join(root, 'npm'))) {
    const one = JSON.parse(readFileSync(path.join(root, 'npm', name, 'package.json'), 'utf8'));
    assert.equal(one.name, `@everpost/${name}`);
    assert.equal(one.version, main.version);
    assert.equal(one.main, `everpost.${name}.node`);
    assert.equal([one.os, one.cpu].flat().join('-'), name.split('-').slice(0, 2).join('-'));
  }
  const manifest = readFileSync(path.join(root, '../Cargo.toml'), 'utf8');
  assert.equal(/^version = "(.*)"$/m.exec(manifest)[1], main.version);
}

stage();
const tarball = pack();
install(tarball);
const names = programs();
assert.ok(names.length >= 4, names.join());
typed(names);
await walk(names);
names.push(...guide());
await borrowed();
commands();
platforms();
node([command('publint'), 'run', path.join(consumer, 'node_modules/everpost'), '--strict', '--pack', 'false']);
node([command('@arethetypeswrong/cli', 'attw'), tarball, '--profile', 'node16', '--no-emoji']);
rmSync(staging, { recursive: true });
rmSync(consumer, { recursive: true });
console.log(`   the package installs and runs: ${names.join(', ')}`);
