import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  packPartition,
  parsePartition,
  parsePartitionField,
  PARTITION_FIELD_BYTES,
  partitionField,
} from '../../../coordinator/partition-record.ts';
import type { PartitionState } from '../../../storage/index.ts';

const GROUP = 5;
const id = fc
  .uint8Array({ minLength: 16, maxLength: 16 })
  .map((bytes) => Buffer.from(bytes).toString('base64url'));
const offset = fc.oneof(
  fc.bigInt({ min: 0n, max: 1_000_000n }),
  fc.bigInt({ min: 0n, max: 2n ** 62n }),
);
const timestamp = fc.oneof(
  fc.bigInt({ min: -1n, max: 2n ** 41n }),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
);
const uint32 = fc.nat({ max: 2 ** 32 - 1 });
const epoch = fc.integer({ min: -1, max: 2 ** 31 - 1 });
const range = { startOffset: offset, endOffset: offset };

const state: fc.Arbitrary<PartitionState> = fc
  .record({
    topicId: id,
    topic: fc.stringMatching(/^[A-Za-z0-9._-]{1,249}$/),
    partition: fc.nat({ max: 2 ** 31 - 1 }),
    cursor: offset,
    asOf: fc.option(fc.maxSafeNat()),
    leaderEpoch: epoch,
    logicalStart: fc.option(offset),
    trimIntent: fc.option(offset),
    consolidatedTo: offset,
    cleanedTo: fc.option(offset),
    extents: fc.array(
      fc.record({
        file: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
        ...range,
        position: uint32,
        bytes: uint32,
        indexBytes: uint32,
        indexCrc: uint32,
        leaderEpoch: epoch,
        maxTimestampMs: timestamp,
      }),
    ),
    segments: fc.array(
      fc.record({
        id,
        baseOffset: offset,
        ...range,
        bytes: fc.maxSafeNat(),
        maxTimestampMs: timestamp,
        createdMs: fc.maxSafeNat(),
      }),
    ),
  })
  .map(({ cleanedTo, extents, segments, ...rest }) => ({
    ...rest,
    ...(cleanedTo === null ? {} : { cleanedTo }),
    extents: extents.map(ordered),
    segments: segments.map(ordered),
    quarantined: [],
  }));

/** A range never ends before it begins; that ranges follow one another is not relied upon. */
function ordered<Range extends { readonly startOffset: bigint; readonly endOffset: bigint }>(
  range: Range,
): Range {
  const { startOffset, endOffset } = range;
  return startOffset <= endOffset
    ? range
    : { ...range, startOffset: endOffset, endOffset: startOffset };
}

test('readers get back all of a partition but what only workers look at', () => {
  fc.assert(
    fc.property(state, (partition) => {
      const id = parsePartitionField(partitionField(partition));
      const { quarantined: _, asOf: _asOf, ...view } = partition;
      const value = packPartition(partition);
      expect(parsePartition(GROUP, id, value)).toEqual({ ...view, group: GROUP });
      expect(packPartition({ ...partition, asOf: null })).toEqual(value);
    }),
  );
});

test('damaged or newer values are refused, never misread', () => {
  const malformed = expect.objectContaining({ code: 'COORDINATOR_RECORD_MALFORMED' });
  fc.assert(
    fc.property(state, fc.nat(), (partition, at) => {
      const value = packPartition(partition);
      const cut = value.subarray(0, at % value.length);
      expect(() => parsePartition(GROUP, partition, cut)).toThrow(malformed);
      const longer = Buffer.concat([value, Buffer.from([0])]);
      expect(() => parsePartition(GROUP, partition, longer)).toThrow(malformed);
      const newer = Buffer.from(value);
      newer[0] = 2;
      expect(() => parsePartition(GROUP, partition, newer)).toThrow(malformed);
    }),
  );
});

test('no count makes a reader believe in more than the bytes can hold', () => {
  const value = packPartition({
    topicId: Buffer.alloc(16).toString('base64url'),
    topic: 't',
    partition: 0,
    cursor: 0n,
    asOf: null,
    leaderEpoch: -1,
    logicalStart: null,
    trimIntent: null,
    consolidatedTo: 0n,
    extents: [],
    segments: [],
    quarantined: [],
  });
  const lying = Buffer.from(value);
  lying[value.length - 2] = 0x7f;
  const malformed = expect.objectContaining({ code: 'COORDINATOR_RECORD_MALFORMED' });
  const id = { topicId: Buffer.alloc(16).toString('base64url'), partition: 0 };
  expect(() => parsePartition(GROUP, id, lying)).toThrow(malformed);
});

test('a field says which partition it is of, and is as long as no other field of a group', () => {
  fc.assert(
    fc.property(id, fc.nat({ max: 2 ** 31 - 1 }), (topicId, partition) => {
      const field = partitionField({ topicId, partition });
      expect(field.length).toBe(PARTITION_FIELD_BYTES);
      expect(parsePartitionField(field)).toEqual({ topicId, partition });
    }),
  );
});

test('an extent takes few bytes', () => {
  const extents = Array.from({ length: 10 }, (_, index) => ({
    file: 250_000 + 17 * index,
    startOffset: 10n ** 9n + 40_000n * BigInt(index),
    endOffset: 10n ** 9n + 40_000n * BigInt(index + 1),
    position: 900_000_000 + index,
    bytes: 40_000_000 + index,
    indexBytes: 37 * 300,
    indexCrc: 0xdead_beef,
    leaderEpoch: 12,
    maxTimestampMs: 1_700_000_000_000n + 30_000n * BigInt(index),
  }));
  const of = (count: number): number =>
    packPartition({
      topicId: Buffer.alloc(16).toString('base64url'),
      topic: 'orders',
      partition: 0,
      cursor: 10n ** 9n + 400_000n,
      asOf: null,
      leaderEpoch: 12,
      logicalStart: null,
      trimIntent: null,
      consolidatedTo: 10n ** 9n,
      extents: extents.slice(0, count),
      segments: [],
      quarantined: [],
    }).length;
  expect((of(10) - of(0)) / 10).toBeLessThan(28);
});
