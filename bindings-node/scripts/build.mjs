// Builds the addon for this platform, and puts it beside the package.
// `npm run build` builds it to be fast; `-- --dev` quickly.

import { spawnSync } from 'node:child_process';
import { copyFileSync, cpSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const here = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const dev = process.argv.includes('--dev');
const build = ['build', '-p', 'everpost-node', '--message-format', 'json-render-diagnostics'];
const { status, stdout, error } = spawnSync('cargo', dev ? build : [...build, '--release'], {
  cwd: here,
  // What is given out needs no names of functions: a fifth of the size.
  env: dev ? process.env : { CARGO_PROFILE_RELEASE_STRIP: 'symbols', ...process.env },
  encoding: 'utf8',
  maxBuffer: 1e9,
  stdio: ['ignore', 'pipe', 'inherit'],
});
if (error) throw new Error('cargo cannot be run: install Rust from https://rustup.rs', { cause: error });
if (status !== 0) process.exit(status ?? 1);

const told = stdout.split('\n').filter(Boolean).map((line) => JSON.parse(line));
const made = told.find(({ reason, target }) => reason === 'compiler-artifact' && target.name === 'everpost_node');
const libc = process.platform !== 'linux' ? '' : process.report.getReport().header.glibcVersionRuntime ? '-gnu' : '-musl';
const abi = process.platform === 'win32' ? '-msvc' : libc;
const addon = path.join(here, `everpost.${process.platform}-${process.arch}${abi}.node`);
copyFileSync(made.filenames.find((name) => /\.(so|dylib|dll)$/.test(name)), addon);
for (const licence of ['LICENSE-MIT', 'LICENSE-APACHE']) cpSync(path.join(here, '..', licence), path.join(here, licence));
console.log(`built ${path.relative(process.cwd(), addon)}`);
