import { expect, test } from 'vitest';
import { FileMemory } from '../../../../workers/merge/file-memory.ts';

test('memory that was given back is taken again, and nobody shares it', () => {
  const memory = new FileMemory(1_000);
  const first = memory.take();
  const second = memory.take();
  expect(first.length).toBeGreaterThan(1_000);
  expect(second.buffer).not.toBe(first.buffer);
  memory.give(first);
  expect(memory.take()).toBe(first);
  expect(memory.take().buffer).not.toBe(second.buffer);
});

test('little is kept, however much was taken', () => {
  const memory = new FileMemory(1_000);
  const taken = Array.from({ length: 10 }, () => memory.take());
  for (const each of taken) memory.give(each);
  const again = new Set(Array.from({ length: 10 }, () => memory.take()));
  expect(taken.filter((each) => again.has(each))).toHaveLength(2);
});
