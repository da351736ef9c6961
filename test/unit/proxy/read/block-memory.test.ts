import { expect, test } from 'vitest';
import { BlockMemory } from '../../../../proxy/read/block-memory.ts';

const BLOCK_BYTES = 100;

test('the memory of a dropped block is used again', () => {
  const memory = new BlockMemory(BLOCK_BYTES, 8);
  const block = memory.allocate(BLOCK_BYTES);
  memory.drop(block);
  expect(memory.allocate(BLOCK_BYTES).buffer).toBe(block.buffer);
  expect(memory.allocate(BLOCK_BYTES).buffer).not.toBe(block.buffer);
});

test('what is lent is not used again before each borrower has given it back', () => {
  const memory = new BlockMemory(BLOCK_BYTES, 8);
  const block = memory.allocate(BLOCK_BYTES);
  const views = [block.subarray(10, 20), block.subarray(10, 20)];
  for (const view of views) memory.lend(view);
  memory.drop(block);
  for (const view of views) {
    expect(memory.allocate(BLOCK_BYTES).buffer).not.toBe(block.buffer);
    memory.giveBack(view);
  }
  expect(memory.allocate(BLOCK_BYTES).buffer).toBe(block.buffer);
});

test('a block that is still found is not used again, though nobody looks at it', () => {
  const memory = new BlockMemory(BLOCK_BYTES, 8);
  const block = memory.allocate(BLOCK_BYTES);
  memory.lend(block);
  memory.giveBack(block);
  expect(memory.allocate(BLOCK_BYTES).buffer).not.toBe(block.buffer);
});

test('what is given back and was not lent is an error, and memory of others is no matter', () => {
  const memory = new BlockMemory(BLOCK_BYTES, 8);
  const block = memory.allocate(BLOCK_BYTES);
  expect(() => memory.giveBack(block)).toThrow('lent');
  const foreign = Buffer.alloc(BLOCK_BYTES);
  memory.lend(foreign);
  memory.giveBack(foreign);
  memory.drop(foreign);
  expect(memory.allocate(BLOCK_BYTES).buffer).not.toBe(foreign.buffer);
});

test('ends of objects have memory of their own, and few blocks are kept', () => {
  const memory = new BlockMemory(BLOCK_BYTES, 1);
  const end = memory.allocate(BLOCK_BYTES - 1);
  expect(end).toHaveLength(BLOCK_BYTES - 1);
  memory.drop(end);
  const blocks = [memory.allocate(BLOCK_BYTES), memory.allocate(BLOCK_BYTES)];
  expect(blocks.map(({ buffer }) => buffer)).not.toContain(end.buffer);
  for (const block of blocks) memory.drop(block);
  expect(memory.allocate(BLOCK_BYTES).buffer).toBe(blocks[0]?.buffer);
  expect(blocks.map(({ buffer }) => buffer)).not.toContain(memory.allocate(BLOCK_BYTES).buffer);
});
