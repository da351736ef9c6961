import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { retentionStart } from '../../../../workers/retain/retention-plan.ts';
import type { TopicSettings } from '../../../../workers/topics/topic-settings.ts';

type Partition = Parameters<typeof retentionStart>[0];

const NONE = Number.POSITIVE_INFINITY;
const DELETE = { compact: false, delete: true };

/** Of ten offsets each, with these sizes and timestamps; the last ones are extents. */
function stored(ranges: readonly (readonly [number, number])[], extents = 0): Partition {
  const made = ranges.map(([bytes, maxTimestampMs], index) => ({
    startOffset: BigInt(index * 10),
    endOffset: BigInt(index * 10 + 10),
    bytes,
    maxTimestampMs: BigInt(maxTimestampMs),
  }));
  const from = made.length - extents;
  return { segments: made.slice(0, from), extents: made.slice(from) } as never;
}

const start = (
  partition: Partition,
  settings: Partial<TopicSettings>,
  nowMs = 1_000,
): bigint | undefined =>
  retentionStart(
    partition,
    { cleanup: DELETE, retentionBytes: NONE, retentionMs: NONE, ...settings },
    nowMs,
  );

test('what is older than retention.ms goes, from the oldest on, segments and extents alike', () => {
  const partition = stored(
    [
      [1, 100],
      [1, 200],
      [1, 300],
      [1, 250],
    ],
    2,
  );
  expect(start(partition, { retentionMs: 900 })).toBeUndefined();
  expect(start(partition, { retentionMs: 899 })).toBe(10n);
  expect(start(partition, { retentionMs: 749 })).toBe(20n);
  expect(start(partition, { retentionMs: 699 })).toBe(40n);
  expect(start(partition, {})).toBeUndefined();
});

test('a range with a timestamp in the future keeps all that follows', () => {
  const partition = stored([
    [1, 100],
    [1, 5_000],
    [1, 100],
  ]);
  expect(start(partition, { retentionMs: 10 })).toBe(10n);
});

test('what has no timestamp goes with what follows on it', () => {
  const partition = stored([
    [1, -1],
    [1, 100],
    [1, -1],
  ]);
  expect(start(partition, { retentionMs: 10 })).toBe(20n);
});

test('the oldest go while retention.bytes are left', () => {
  const partition = stored([
    [50, 100],
    [30, 100],
    [20, 100],
  ]);
  expect(start(partition, { retentionBytes: 51 })).toBeUndefined();
  expect(start(partition, { retentionBytes: 50 })).toBe(10n);
  expect(start(partition, { retentionBytes: 20 })).toBe(20n);
  expect(start(partition, { retentionBytes: 0 })).toBe(30n);
});

test('a topic that is only compacted keeps everything', () => {
  const cleanup = { compact: true, delete: false };
  const partition = stored([[50, 100]]);
  expect(start(partition, { cleanup, retentionMs: 1, retentionBytes: 0 })).toBeUndefined();
  const both = { compact: true, delete: true };
  expect(start(partition, { cleanup: both, retentionMs: 1 })).toBe(10n);
});

test('random partitions: retention.bytes leaves at least those bytes, and no range more', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(50), fc.constant(1)), { minLength: 1, maxLength: 10 }),
      fc.nat(300),
      (ranges, retentionBytes) => {
        const end = Number(start(stored(ranges), { retentionBytes }) ?? 0n) / 10;
        const bytesFrom = (from: number): number =>
          ranges.slice(from).reduce((sum, [bytes]) => sum + bytes, 0);
        if (end > 0) expect(bytesFrom(end)).toBeGreaterThanOrEqual(retentionBytes);
        if (end < ranges.length) expect(bytesFrom(end + 1)).toBeLessThan(retentionBytes);
      },
    ),
  );
});
