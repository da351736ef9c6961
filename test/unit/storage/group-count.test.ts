import { expect, test } from 'vitest';
import { openGroupCount, readGroupCount } from '../../../storage/index.ts';
import { MemoryStore } from './memory-store.ts';
import { outcomeCode } from './object-store-suite.ts';

test('the first worker decides the number of groups, and later ones go by it', async () => {
  const store = new MemoryStore();
  expect(await readGroupCount(store)).toBeUndefined();
  expect(await openGroupCount(store, 4)).toBe(4);
  expect(await openGroupCount(store, 16)).toBe(4);
  expect(await readGroupCount(store)).toBe(4);
});

test('of workers that start at once all have the same number', async () => {
  const store = new MemoryStore();
  const counts = await Promise.all([3, 4, 5].map((wanted) => openGroupCount(store, wanted)));
  expect(new Set(counts).size).toBe(1);
});

test('a damaged number is an error, not another number', async () => {
  const store = new MemoryStore();
  await store.put('groups.json', Buffer.from('{"groupCount":0}'));
  expect(await outcomeCode(openGroupCount(store, 4))).toBe('STORAGE_RECORD_CORRUPT');
});
