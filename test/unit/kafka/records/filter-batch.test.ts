import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  ATTRIBUTE,
  BATCH_HEADER_BYTES,
  BODY_BYTES_MAX,
  baseOffset,
  baseSequence,
  baseTimestamp,
  batchAttributes,
  batchBytes,
  batchCrc,
  buildRecordBatch,
  codecOf,
  computeBatchCrc,
  decompress,
  deleteHorizonOf,
  emptyBatchOf,
  filterBatch,
  hasCode,
  lastOffset,
  maxTimestamp,
  recordCount,
  records,
} from '../../../../kafka/index.ts';
import type { KafkaRecord } from '../../../../kafka/index.ts';
import { codecs, recordLists } from './arbitraries.ts';

const BASE = 1_764_000_000_000n;
const HORIZON = BASE + 86_400_000n;

function recordsOf(batch: Buffer): KafkaRecord[] {
  const body = batch.subarray(BATCH_HEADER_BYTES);
  const outcome = decompress(codecOf(batchAttributes(batch)), body, BODY_BYTES_MAX);
  if (outcome.kind !== 'body') throw new Error(outcome.kind);
  return [...records(outcome.body, recordCount(batch))];
}

function isWhole(batch: Buffer): boolean {
  return (
    batchBytes(batch) === batch.length &&
    batchCrc(batch) === computeBatchCrc(batch, 0, batch.length)
  );
}

/** Timestamps and not distances: a delete horizon moves the base. */
function dated(batch: Buffer): unknown[] {
  return recordsOf(batch).map(({ timestampDelta, ...record }) => ({
    ...record,
    timestamp: baseTimestamp(batch) + BigInt(timestampDelta),
  }));
}

const header = {
  baseOffset: 1_000n,
  partitionLeaderEpoch: 4,
  baseTimestamp: BASE,
  producerId: 7n,
  producerEpoch: 2,
  baseSequence: 40,
  transactional: true,
};

test('what is kept of a batch is as it was, with every codec, and all else is gone', () => {
  fc.assert(
    fc.property(
      recordLists,
      codecs,
      fc.array(fc.boolean(), { minLength: 60, maxLength: 60 }),
      fc.boolean(),
      (list, codec, stays, hasHorizon) => {
        const near = list.map((record, at) => ({ ...record, timestampDelta: (at * 37) % 101 }));
        const batch = buildRecordBatch({ ...header, codec }, near);
        const kept = filterBatch(batch, {
          keeps: (_record, offset) => stays[Number(offset - 1_000n)] === true,
          deleteHorizonMs: hasHorizon ? HORIZON : undefined,
        });
        const expected = near.filter((_, at) => stays[at] === true);
        if (expected.length === 0) {
          expect(kept).toBeUndefined();
          return;
        }
        if (kept === undefined) throw new Error('nothing was kept');
        const getsHorizon = hasHorizon && expected.some(({ value }) => value === null);
        if (expected.length === near.length && !getsHorizon) expect(kept).toBe(batch);
        expect(isWhole(kept)).toBe(true);
        const timestamps = expected.map(({ timestampDelta }) => BASE + BigInt(timestampDelta));
        const stamped = expected.map(({ timestampDelta: _delta, ...record }, at) => ({
          ...record,
          timestamp: timestamps[at],
        }));
        expect(dated(kept)).toEqual(stamped);
        expect(maxTimestamp(kept)).toBe(timestamps.reduce((a, b) => (a > b ? a : b)));
        expect(deleteHorizonOf(kept)).toBe(getsHorizon ? HORIZON : undefined);
        expect(baseOffset(kept)).toBe(1_000n);
        expect(lastOffset(kept)).toBe(lastOffset(batch));
        expect(baseSequence(kept)).toBe(40);
        const bits = getsHorizon ? ATTRIBUTE.deleteHorizon : 0;
        expect(batchAttributes(kept)).toBe(batchAttributes(batch) | bits);
      },
    ),
  );
});

test('a delete horizon is given once', () => {
  const tombstone = [{ key: Buffer.from('a') }, { key: Buffer.from('b') }];
  const batch = buildRecordBatch(header, tombstone);
  const all = { keeps: () => true, deleteHorizonMs: HORIZON };
  const first = filterBatch(batch, all);
  if (first === undefined) throw new Error('nothing was kept');
  expect(filterBatch(first, { ...all, deleteHorizonMs: HORIZON + 5n })).toBe(first);
  const half = { ...all, keeps: (_: unknown, offset: bigint) => offset === 1_001n };
  const second = filterBatch(first, half) ?? first;
  expect([deleteHorizonOf(second), maxTimestamp(second)]).toEqual([HORIZON, BASE]);
  expect(dated(second)).toMatchObject([{ offsetDelta: 1, timestamp: BASE }]);
});

test('a batch whose timestamps cannot be counted exactly from another base gets no horizon', () => {
  const far = [{ key: Buffer.from('a'), timestampDelta: Number.MAX_SAFE_INTEGER }];
  const batch = buildRecordBatch({ ...header, baseTimestamp: 0n }, far);
  // One further, and negative: no safe integer, which the builder would refuse.
  batch.writeUInt8(batch.readUInt8(BATCH_HEADER_BYTES + 2) | 1, BATCH_HEADER_BYTES + 2);
  const kept = filterBatch(batch, { keeps: () => true, deleteHorizonMs: HORIZON });
  expect(kept === undefined ? undefined : dated(kept)).toEqual(dated(batch));
});

test('a log append time is the whole batch’s and does not change', () => {
  const options = { ...header, logAppendTime: true, maxTimestamp: BASE + 9_000n };
  const batch = buildRecordBatch(options, [
    { key: Buffer.from('a'), timestampDelta: 5 },
    { key: Buffer.from('b'), timestampDelta: 7 },
  ]);
  const keeps = (_: unknown, offset: bigint): boolean => offset === 1_000n;
  const kept = filterBatch(batch, { keeps, deleteHorizonMs: HORIZON });
  expect(kept === undefined ? undefined : maxTimestamp(kept)).toBe(BASE + 9_000n);
});

test('an empty batch keeps offsets, producer and the latest timestamp, in 61 bytes', () => {
  const batch = buildRecordBatch({ ...header, codec: 4 }, [{}, { timestampDelta: 12 }]);
  const empty = emptyBatchOf(batch);
  expect(empty.length).toBe(BATCH_HEADER_BYTES);
  expect(isWhole(empty)).toBe(true);
  expect(recordsOf(empty)).toEqual([]);
  expect([baseOffset(empty), lastOffset(empty), baseSequence(empty)]).toEqual([1_000n, 1_001n, 40]);
  expect([baseTimestamp(empty), maxTimestamp(empty)]).toEqual([-1n, BASE + 12n]);
  expect(batchAttributes(empty)).toBe(ATTRIBUTE.transactional);
  expect(filterBatch(empty, { keeps: () => true, deleteHorizonMs: undefined })).toBeUndefined();
});

test('a batch that does not decode is an error', () => {
  const batch = buildRecordBatch({ ...header, codec: 4 }, [{ key: Buffer.from('a') }]);
  batch.fill(0, BATCH_HEADER_BYTES);
  const act = (): unknown => filterBatch(batch, { keeps: () => true, deleteHorizonMs: undefined });
  expect(act).toThrow(expect.toSatisfy((error) => hasCode(error, 'KAFKA_BATCH_CORRUPT')));
});
