'use strict';

// Finds and loads the addon: the file that EVERPOST_LIBRARY names, the one that
// was built beside this package, or the package of this platform.

const { existsSync } = require('node:fs');
const path = require('node:path');
const { version } = require('../package.json');

/** What the addon of this machine may be called. A wrong libc is told by loading it. */
function platforms() {
  const { platform, arch } = process;
  if (platform === 'win32') return [`win32-${arch}-msvc`];
  if (platform === 'linux') return [`linux-${arch}-gnu`, `linux-${arch}-musl`];
  return [`${platform}-${arch}`];
}

function load() {
  const override = process.env.EVERPOST_LIBRARY;
  if (override) {
    const module = { exports: {} };
    process.dlopen(module, path.resolve(override));
    return module.exports;
  }
  const errors = [];
  for (const name of platforms()) {
    const beside = path.join(__dirname, '..', `everpost.${name}.node`);
    try {
      return require(existsSync(beside) ? beside : `@everpost/${name}`);
    } catch (error) {
      errors.push(error);
    }
  }
  throw new Error(
    `Everpost has no addon that works on this machine (${platforms().join(' or ')}): install with optional ` +
      'dependencies, or build it from source with `npm run build`',
    { cause: errors.length === 1 ? errors[0] : new AggregateError(errors, errors.map(String).join('; ')) },
  );
}

const native = load();
if (native.version() !== version) {
  throw new Error(
    `The addon of Everpost is of version ${native.version()}, and its JavaScript of ${version}: install again`,
  );
}

module.exports = native;
