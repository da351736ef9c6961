import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { SlabPool } from '../../../../proxy/fetch/slab-pool.ts';
import { ByteBudget } from '../../../../runtime/index.ts';

const KIBIBYTE = 1024;

test('what is written comes out in order, however it is cut', async () => {
  const pieces = fc.array(fc.uint8Array({ maxLength: 100 * KIBIBYTE }), { maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(pieces, fc.array(fc.boolean()), async (written, cuts) => {
      const budget = new ByteBudget(2048 * KIBIBYTE);
      const expected = Buffer.concat(written);
      const slabs = await new SlabPool(budget).reserve(expected.length);
      const chunks: Buffer[] = [];
      for (const [index, piece] of written.entries()) {
        slabs.write(Buffer.from(piece));
        if (cuts[index] === true) chunks.push(...slabs.cut());
      }
      chunks.push(...slabs.cut());
      expect(Buffer.concat(chunks).equals(expected)).toBe(true);
      slabs.release();
      expect(budget.bytesHeld).toBe(0);
    }),
    { numRuns: 50 },
  );
});

test('memory that was given back is used again', async () => {
  const pool = new SlabPool(new ByteBudget(256 * KIBIBYTE));
  const seen = new Set<ArrayBufferLike>();
  for (let round = 0; round < 10; round++) {
    const slabs = await pool.reserve(200 * KIBIBYTE);
    slabs.write(Buffer.alloc(200 * KIBIBYTE));
    for (const { buffer } of slabs.cut()) seen.add(buffer);
    slabs.release();
  }
  expect(seen.size).toBe(4);
});

test('an answer waits while others hold the memory, and a huge one gets it alone', async () => {
  const budget = new ByteBudget(128 * KIBIBYTE);
  const pool = new SlabPool(budget);
  const first = await pool.reserve(1);
  const huge = pool.reserve(1024 * KIBIBYTE);
  expect(budget.waiting).toBe(1);
  first.release();
  const slabs = await huge;
  slabs.write(Buffer.alloc(1024 * KIBIBYTE));
  slabs.release();
  expect(budget.bytesHeld).toBe(0);
});
