/**
 * Exits with 0 if node_modules holds what package-lock.json names, otherwise with 1. Runs on any
 * Node.js from 18, without packages: it decides whether they have to be installed.
 */
import { existsSync, readFileSync } from 'node:fs';

const packagesOf = (file) => JSON.parse(readFileSync(file, 'utf8')).packages;

function isCurrent() {
  // npm writes this file as the last step of an installation.
  const installed = 'node_modules/.package-lock.json';
  if (!existsSync(installed) || !existsSync('node_modules/.bin/node')) return false;
  const have = packagesOf(installed);
  return Object.entries(packagesOf('package-lock.json')).every(
    ([path, wanted]) => path === '' || wanted.optional || have[path]?.version === wanted.version,
  );
}

process.exitCode = isCurrent() ? 0 : 1;
