/** What the reader finds is what a scan of the whole log finds. */
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { baseOffset, buildRecordBatch, lastOffset, maxTimestamp } from '../../../../kafka/index.ts';
import { seekOffset, seekTimestamp } from '../../../../storage/segment/batch-search.ts';
import { joinIndexes } from '../../../../storage/segment/segment-manifest.ts';
import { SegmentIndexes } from '../../../../storage/segment/segment-indexes.ts';
import { AbortedSearch } from '../../../../storage/segment/transaction-index.ts';
import type { AbortedTransaction } from '../../../../storage/segment/transaction-index.ts';
import { makeSegments } from './make-segments.ts';
import type { MadeSegment } from './make-segments.ts';
import { randomLogs } from './random-log.ts';

const OPTIONS = { segmentBytesMax: 20_000, indexIntervalBytes: 1000 };

/** Where batches begin in the `.log`. */
function positions({ batches }: MadeSegment): number[] {
  let end = 0;
  return batches.map(({ length }) => (end += length) - length);
}

/** @returns position of the first batch that qualifies */
function scan(made: MadeSegment, isWanted: (batch: Buffer) => boolean): number | undefined {
  const index = made.batches.findIndex(isWanted);
  return positions(made)[index];
}

test('each offset leads to its batch, within the range that the index gives', () => {
  fc.assert(
    fc.property(randomLogs, fc.nat(), ({ startOffset, batches }, seed) => {
      for (const made of makeSegments(startOffset, batches, OPTIONS)) {
        const { startOffset: first, endOffset } = made.manifest;
        const offset = first + (BigInt(seed) % (endOffset - first + 1n));
        const expected = scan(made, (batch) => lastOffset(batch) >= offset);
        const range = made.indexes.rangeOfOffset(offset);
        expect(range?.from).toBeLessThanOrEqual(expected ?? -1);
        expect(range?.to).toBeGreaterThanOrEqual(expected ?? -1);
        const found = seekOffset(made.log.subarray(range?.from), 0, offset);
        expect(found).toMatchObject({ kind: 'found', at: (expected ?? -1) - (range?.from ?? 0) });
        expect(made.indexes.rangeOfOffset(first - 1n)).toBeUndefined();
        expect(made.indexes.rangeOfOffset(endOffset + 1n)).toBeUndefined();
      }
    }),
  );
});

test('each timestamp leads to the first batch that reaches it, or to none', () => {
  fc.assert(
    fc.property(randomLogs, fc.nat(), fc.nat(), ({ startOffset, batches }, one, two) => {
      for (const made of makeSegments(startOffset, batches, OPTIONS)) {
        const { startOffset: first, endOffset } = made.manifest;
        const picked = made.batches[one % made.batches.length] ?? Buffer.alloc(61);
        const timestamp = maxTimestamp(picked) + BigInt((one % 3) - 1);
        if (timestamp < 0n) continue;
        const fromOffset = two % 2 === 0 ? 0n : first + (BigInt(two) % (endOffset - first + 1n));
        const expected = scan(
          made,
          (batch) => maxTimestamp(batch) >= timestamp && lastOffset(batch) >= fromOffset,
        );
        const range = made.indexes.rangeOfTimestamp(timestamp, fromOffset);
        if (range === undefined) {
          expect(expected).toBeUndefined();
          continue;
        }
        const found = seekTimestamp(made.log, range.from, timestamp, fromOffset);
        if (expected === undefined) {
          expect(found).toEqual({ kind: 'more', at: made.log.length });
          continue;
        }
        expect(found).toMatchObject({ kind: 'found', at: expected });
        expect(range.to).toBeGreaterThanOrEqual(expected);
      }
    }),
  );
});

test('a search yields the aborted transactions that a reader of the range needs, sorted', () => {
  fc.assert(
    fc.property(randomLogs, fc.nat(), fc.nat(), ({ startOffset, batches }, one, two) => {
      const segments = makeSegments(startOffset, batches, OPTIONS);
      const all = segments.flatMap(({ indexes }) => [...indexes.aborted()]);
      const picked = batches[one % batches.length] ?? Buffer.alloc(0);
      const from = baseOffset(picked);
      const to = from + BigInt(two % 30);
      const search = new AbortedSearch(from, to);
      let isOver = false;
      for (const { manifest, indexes } of segments) {
        if (manifest.endOffset >= from && !isOver) isOver = search.add(indexes.aborted());
      }
      const overlaps = ({ firstOffset, lastOffset: marker }: AbortedTransaction): boolean =>
        marker >= from && firstOffset < to;
      const result = search.result();
      expect(new Set(result)).toEqual(new Set(all.filter(overlaps)));
      const firsts = result.map(({ firstOffset }) => firstOffset);
      expect(firsts).toEqual(firsts.toSorted((a, b) => Number(a - b)));
    }),
  );
});

test('the state after a segment can be had from its own files', () => {
  fc.assert(
    fc.property(randomLogs, ({ startOffset, batches }) => {
      for (const { segment, indexes } of makeSegments(startOffset, batches, OPTIONS)) {
        const { state } = segment;
        const producers = state.producers.toSorted((a, b) => Number(a.producerId - b.producerId));
        expect(indexes.state()).toEqual({ ...state, producers });
      }
    }),
  );
});

test('damaged indexes end in the error of segments or in an answer, never in anything else', () => {
  fc.assert(
    fc.property(
      randomLogs,
      fc.nat(),
      fc.integer({ min: 0, max: 255 }),
      fc.boolean(),
      ({ startOffset, batches }, at, byte, isCut) => {
        const [made] = makeSegments(startOffset, batches, OPTIONS);
        if (made === undefined) throw new Error('no segment');
        const bytes = Buffer.concat(joinIndexes(made.segment.files));
        const position = at % bytes.length;
        bytes[position] = byte;
        const damaged = isCut ? bytes.subarray(0, position) : bytes;
        const codes: unknown[] = ['STORAGE_SEGMENT_CORRUPT'];
        try {
          const indexes = new SegmentIndexes(made.manifest, damaged);
          const { logBytes } = made.segment;
          const range = indexes.rangeOfOffset(made.manifest.endOffset);
          expect(range?.from).toBeLessThan(logBytes);
          indexes.rangeOfTimestamp(0n, 0n);
          new AbortedSearch(0n, 2n ** 62n).add(indexes.aborted());
          indexes.state();
        } catch (error) {
          expect(codes).toContain((error as { code?: unknown }).code);
        }
      },
    ),
  );
});

test('a search says where to go on when the bytes end, and refuses what is no batch', () => {
  const batches = [0n, 1n].map((offset) => buildRecordBatch({ baseOffset: offset }, [{}]));
  const log = Buffer.concat(batches);
  const first = log.length / 2;
  const second = 1n;
  expect(seekOffset(log.subarray(0, first + 60), 0, second)).toEqual({ kind: 'more', at: first });
  expect(seekOffset(log.subarray(0, 61), 0, second)).toEqual({ kind: 'more', at: first });
  expect(seekOffset(log.subarray(0, first + 61), 0, second)).toMatchObject({ kind: 'found' });
  expect(() => seekOffset(log, 1, second)).toThrow(/no batch begins where one should/);
});

test('a search is over where everything below its upper bound is decided, and not before', () => {
  const entry = { producerId: 1n, firstOffset: 0n, lastOffset: 4n, lastStableOffset: 5n };
  expect(new AbortedSearch(0n, 5n).add([entry])).toBe(true);
  expect(new AbortedSearch(0n, 6n).add([entry])).toBe(false);
});
