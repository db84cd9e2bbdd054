// Prepares a release: `node scripts/release.mjs ARTIFACTS`, where each platform's
// addon lies as everpost.<platform>.node. Puts the addons into their packages
// under npm/, and makes those packages optional dependencies of this one.

import { copyFileSync, existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const here = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const [artifacts] = process.argv.slice(2);
if (!artifacts) throw new Error('say where the addons are: node scripts/release.mjs ARTIFACTS');

/** Copies, since a package holds what lies in its folder. */
function licence(folder) {
  for (const name of ['LICENSE-MIT', 'LICENSE-APACHE']) copyFileSync(path.join(here, '..', name), path.join(folder, name));
}

const file = path.join(here, 'package.json');
const main = JSON.parse(readFileSync(file, 'utf8'));
main.optionalDependencies = {};
for (const platform of readdirSync(path.join(here, 'npm'))) {
  const addon = `everpost.${platform}.node`;
  if (!existsSync(path.join(artifacts, addon))) throw new Error(`${addon} is missing`);
  copyFileSync(path.join(artifacts, addon), path.join(here, 'npm', platform, addon));
  licence(path.join(here, 'npm', platform));
  main.optionalDependencies[`@everpost/${platform}`] = main.version;
}
licence(here);
// Each addon is in a package of its own now.
main.files = main.files.filter((name) => name !== '*.node');
writeFileSync(file, `${JSON.stringify(main, null, 2)}\n`);
