import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { AnswerCut } from '../../../../proxy/fetch/answer-cut.ts';

interface CutDemand {
  readonly batchBytes: readonly number[];
  readonly maxBytes: number;
}

/** How many batches of each partition are sent. */
function cutAnswer(parts: readonly CutDemand[], maxBytes: number): number[] {
  const cut = new AnswerCut(maxBytes);
  return parts.map(({ batchBytes, maxBytes: partitionMaxBytes }) => {
    cut.startPartition(partitionMaxBytes);
    const refused = batchBytes.findIndex((bytes) => !cut.takes(bytes));
    return refused === -1 ? batchBytes.length : refused;
  });
}

const demands = fc.array(
  fc.record({
    batchBytes: fc.array(fc.integer({ min: 61, max: 100_000 }), { maxLength: 20 }),
    maxBytes: fc.integer({ min: 1, max: 200_000 }),
  }),
  { maxLength: 20 },
);

function bytesOf({ batchBytes }: CutDemand, count: number): number {
  return batchBytes.slice(0, count).reduce((sum, bytes) => sum + bytes, 0);
}

test('only the very first batch may exceed a limit', () => {
  fc.assert(
    fc.property(demands, fc.integer({ min: 1, max: 500_000 }), (parts, maxBytes) => {
      const counts = cutAnswer(parts, maxBytes);
      const first = parts.findIndex(({ batchBytes }) => batchBytes.length > 0);
      let total = 0;
      for (const [index, part] of parts.entries()) {
        const bytes = bytesOf(part, counts[index] ?? 0);
        const alone = index === first && counts[index] === 1;
        if (!alone) expect(bytes).toBeLessThanOrEqual(part.maxBytes);
        total += bytes;
      }
      const onlyOne = counts.reduce((sum, count) => sum + count, 0) === 1;
      if (!onlyOne) {
        const excess = Math.max(0, (parts[first]?.batchBytes[0] ?? 0) - maxBytes);
        expect(total).toBeLessThanOrEqual(maxBytes + excess);
      }
    }),
  );
});

test('whoever asks gets at least one batch, if there is one', () => {
  expect(
    cutAnswer(
      [
        { batchBytes: [], maxBytes: 1 },
        { batchBytes: [500, 1], maxBytes: 1 },
      ],
      1,
    ),
  ).toEqual([0, 1]);
});

test('a later partition gets nothing rather than a part of a batch', () => {
  const parts = [
    { batchBytes: [100], maxBytes: 1_000 },
    { batchBytes: [2_000], maxBytes: 1_000 },
    { batchBytes: [300, 300, 600], maxBytes: 1_000 },
  ];
  expect(cutAnswer(parts, 10_000)).toEqual([1, 0, 2]);
});
