import { readdirSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { expect, test } from 'vitest';
import { loadLuaScript } from '../../../../coordinator/redis/lua-script.ts';
import { SETTLED_RANGE_SIZE } from '../../../../coordinator/redis/scripts.ts';

const folder = new URL('../../../../coordinator/lua/', import.meta.url);
const names = readdirSync(folder)
  .filter((file) => file.endsWith('.lua'))
  .map((file) => basename(file, '.lua'));

test.each(names)('%s says what it takes, returns and costs, and who calls it', (name) => {
  const text = readFileSync(new URL(`${name}.lua`, folder), 'utf8');
  for (const part of ['KEYS', 'ARGV', 'Returns', 'Errors', 'Complexity', 'Callers']) {
    expect(text).toMatch(new RegExp(`^${part} `, 'm'));
  }
  expect(text).toMatch(/^--\[\[\n/);
  expect(loadLuaScript(name).source).not.toContain('@include');
});

test.each(names)(
  '%s is named after a verb and a noun, and touches only keys that it is given',
  (name) => {
    const { source } = loadLuaScript(name);
    expect(name).toMatch(/^[a-z]+(-[a-z]+)+$/);
    for (const [, key] of source.matchAll(/redis\.call\('[A-Z]+', ([^,)]+)/g)) {
      expect(key).toMatch(/^(KEYS\[\d\]|stream_key|count_key|group_key|'replication')$/);
    }
  },
);

test('scripts and wrappers mean the same size of a settled range', () => {
  const library = readFileSync(new URL('lib/settled-range.lua', folder), 'utf8');
  expect(/SETTLED_RANGE_SIZE = 2 \^ (\d+)/.exec(library)?.[1]).toBe(
    String(Math.log2(SETTLED_RANGE_SIZE)),
  );
});
