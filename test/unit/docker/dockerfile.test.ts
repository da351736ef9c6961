/** What goes into Outrigger's image is kept in step with what the command imports. */
import { globSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { expect, test } from 'vitest';

const ROOT = new URL('../../../', import.meta.url).pathname;

test('the image gets every package that the command is made of, and no other folder', () => {
  const patterns = readFileSync(`${ROOT}.dockerignore`, 'utf8').trim().split('\n');
  const folders = patterns.filter((pattern) => /^!\w+$/.test(pattern));
  const packages = globSync('*/index.ts', { cwd: ROOT }).map((path) => `!${dirname(path)}`);
  expect(patterns[0]).toBe('*');
  expect(new Set(folders)).toEqual(new Set([...packages, '!cli']));
});
