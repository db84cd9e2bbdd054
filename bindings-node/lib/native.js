'use strict';

// Finds and loads the addon: the file that EVERPOST_LIBRARY names, the one that
// was built beside this package, or the package of this platform.

const { existsSync } = require('node:fs');
const path = require('node:path');
const { version } = require('../package.json');

function platform() {
  const { platform, arch } = process;
  if (platform === 'win32') return `win32-${arch}-msvc`;
  if (platform !== 'linux') return `${platform}-${arch}`;
  const musl = !process.report.getReport().header.glibcVersionRuntime;
  return `linux-${arch}-${musl ? 'musl' : 'gnu'}`;
}

function load() {
  const override = process.env.EVERPOST_LIBRARY;
  if (override) {
    const module = { exports: {} };
    process.dlopen(module, path.resolve(override));
    return module.exports;
  }
  const name = platform();
  const beside = path.join(__dirname, '..', `everpost.${name}.node`);
  if (existsSync(beside)) return require(beside);
  try {
    return require(`@everpost/${name}`);
  } catch (cause) {
    throw new Error(
      `Everpost has no addon for this platform, ${name}: install with optional dependencies, ` +
        'or build it from source with `npm run build`',
      { cause },
    );
  }
}

const native = load();
if (native.version() !== version) {
  throw new Error(
    `The addon of Everpost is of version ${native.version()}, and its JavaScript of ${version}: install again`,
  );
}

module.exports = native;
