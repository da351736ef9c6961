import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { scaleLimits, type PartitionDemand } from '../../../../proxy/fetch/fetch-limits.ts';

const MEBIBYTE = 1024 * 1024;

const demand = fc.record({
  maxBytes: fc.integer({ min: 1, max: 64 * MEBIBYTE }),
  ratio: fc.double({ min: 0.0001, max: 1, noNaN: true }),
});

test('what is asked of the broker never exceeds what the client asked', () => {
  fc.assert(
    fc.property(
      fc.array(demand, { maxLength: 50 }),
      fc.integer({ min: 1, max: 64 * MEBIBYTE }),
      fc.integer({ min: 0, max: MEBIBYTE }),
      (demands, maxBytes, minBytes) => {
        const limits = scaleLimits(demands, maxBytes, minBytes);
        expect(limits.maxBytes).toBeLessThanOrEqual(maxBytes);
        expect(limits.minBytes).toBeLessThanOrEqual(minBytes);
        for (const [index, { maxBytes: partitionMax }] of demands.entries()) {
          expect(limits.partitionMaxBytes[index]).toBeLessThanOrEqual(partitionMax);
          expect(limits.partitionMaxBytes[index]).toBeGreaterThan(0);
        }
      },
    ),
  );
});

test('a client that waits for one byte is answered at one byte, and one that does not wait at none', () => {
  const hollow: PartitionDemand = { maxBytes: MEBIBYTE, ratio: 0.01 };
  expect(scaleLimits([hollow], MEBIBYTE, 1).minBytes).toBe(1);
  expect(scaleLimits([hollow], MEBIBYTE, 0).minBytes).toBe(0);
  expect(scaleLimits([hollow], MEBIBYTE, 1_000_000).minBytes).toBe(10_000);
});

test('partitions whose log holds real batches keep their limits', () => {
  const real: PartitionDemand = { maxBytes: MEBIBYTE, ratio: 1 };
  const limits = scaleLimits([real, real], 2 * MEBIBYTE, 1_000);
  expect(limits).toEqual({
    partitionMaxBytes: [MEBIBYTE, MEBIBYTE],
    maxBytes: 2 * MEBIBYTE,
    minBytes: 1_000,
  });
});

test('the broker reads no more than about what fills the answer', () => {
  const hollow: PartitionDemand = { maxBytes: MEBIBYTE, ratio: 0.02 };
  const demands = Array.from({ length: 100 }, () => hollow);
  const { maxBytes } = scaleLimits(demands, 16 * MEBIBYTE, 1);
  expect(maxBytes).toBeGreaterThanOrEqual(16 * MEBIBYTE * 0.02);
  expect(maxBytes).toBeLessThanOrEqual(2 * 16 * MEBIBYTE * 0.02);
});
