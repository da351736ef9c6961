/** `docs/operations.md` says for every kind of finding what to do, and how bad it is. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { FINDING_SEVERITY } from '../../../workers/verify/finding.ts';

const ROOT = new URL('../../../', import.meta.url).pathname;
const [, section = ''] = readFileSync(`${ROOT}docs/operations.md`, 'utf8').split(
  '### What verify finds',
);

test('every kind of finding has a row with its severity, and every row is of kinds that there are', () => {
  const rows = new Map<string, string>();
  for (const [, kinds = '', severity = ''] of section.matchAll(/^\| (`[^|]+) \| (\w+) \|/gm)) {
    for (const [, kind = ''] of kinds.matchAll(/`([a-z-]+)`/g)) rows.set(kind, severity);
  }
  expect(Object.fromEntries(rows)).toEqual(FINDING_SEVERITY);
});
