import { expect, test } from 'vitest';
import type { Extent, PartitionState, Segment } from '../../../../storage/index.ts';
import { planSegment } from '../../../../workers/consolidate/plan-segment.ts';
import type { SegmentPlan } from '../../../../workers/consolidate/plan-segment.ts';
import { topicSettings } from '../../../../workers/topics/topic-settings.ts';
import { segmentOf } from '../../storage/journal/journal-samples.ts';

const LIMITS = { nowMs: 1_000_000, segmentBytesMax: 5_000 };
const SETTINGS = { ...topicSettings([], undefined), segmentBytes: 1_000, segmentMs: 60_000 };

function extent(startOffset: number, endOffset: number, bytes: number, ms = 990_000): Extent {
  return {
    file: 1,
    startOffset: BigInt(startOffset),
    endOffset: BigInt(endOffset),
    position: 0,
    bytes,
    indexBytes: 37,
    indexCrc: 0,
    leaderEpoch: 0,
    maxTimestampMs: BigInt(ms),
  };
}

function partitionOf(
  consolidatedTo: number,
  extents: readonly Extent[],
  segments: readonly Segment[] = [],
): PartitionState {
  return {
    topicId: 'lZ6vvmajTWKDBUTV6SQAtQ',
    topic: 'orders',
    partition: 0,
    cursor: extents.at(-1)?.endOffset ?? 50n,
    asOf: null,
    leaderEpoch: 0,
    logicalStart: null,
    trimIntent: null,
    consolidatedTo: BigInt(consolidatedTo),
    extents,
    segments,
    quarantined: [],
  };
}

function plan(partition: PartitionState, settings = SETTINGS): SegmentPlan | undefined {
  return planSegment(partition, settings, LIMITS);
}

test('a segment is due when its bytes are there, and not before', () => {
  expect(plan(partitionOf(0, [extent(0, 10, 999)]))).toBeUndefined();
  const due = { brokerEnd: 0n, isDue: true, mergedBytes: 1_000, bytesMax: 1_000 };
  expect(plan(partitionOf(0, [extent(0, 10, 999), extent(10, 11, 1)]))).toEqual(due);
  expect(plan(partitionOf(11, [extent(0, 11, 9_999)]))).toBeUndefined();
});

test('of an extent that a segment ends in the rest counts', () => {
  expect(plan(partitionOf(5, [extent(0, 10, 1_998)]))).toBeUndefined();
  expect(plan(partitionOf(5, [extent(0, 10, 2_000)]))?.mergedBytes).toBe(1_000);
});

test("the worker's bound holds where the topic's is larger", () => {
  const settings = { ...SETTINGS, segmentBytes: 1_000_000 };
  expect(plan(partitionOf(0, [extent(0, 10, 5_000)]), settings)?.bytesMax).toBe(5_000);
  expect(plan(partitionOf(0, [extent(0, 10, 4_999)]), settings)).toBeUndefined();
});

test('a segment is due when its first record, and the segment before it, are old', () => {
  const old = [extent(5, 10, 1, 940_000), extent(10, 11, 1)];
  expect(plan(partitionOf(5, old))?.isDue).toBe(true);
  expect(plan(partitionOf(5, [extent(5, 10, 1, 940_001)]))).toBeUndefined();
  const before = { ...segmentOf(1, 0, 5), createdMs: 940_001 };
  expect(plan(partitionOf(5, old, [before]))).toBeUndefined();
  expect(plan(partitionOf(5, old, [{ ...before, createdMs: 940_000 }]))?.isDue).toBe(true);
});

test('what only the broker has is always due, whatever of the rest is', () => {
  expect(plan(partitionOf(3, [extent(7, 10, 1)]))).toMatchObject({ brokerEnd: 7n, isDue: false });
  expect(plan(partitionOf(3, [extent(7, 10, 1_000)]))).toMatchObject({ isDue: true });
  expect(plan(partitionOf(3, []))).toMatchObject({ brokerEnd: 50n, isDue: false });
  expect(plan(partitionOf(50, []))).toBeUndefined();
});
