import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  BATCH_HEADER_BYTES,
  CODEC,
  buildRecordBatch,
  findByTimestamp,
  findMaxTimestamp,
} from '../../../../kafka/index.ts';
import type { RecordBatchHeader } from '../../../../kafka/index.ts';
import { codecs } from './arbitraries.ts';

const BASE = 1_764_000_000_000n;

function batchOf(deltas: readonly number[], header: RecordBatchHeader = {}): [Buffer, Buffer] {
  const batch = buildRecordBatch(
    { baseOffset: 1_000n, baseTimestamp: BASE, ...header },
    deltas.map((timestampDelta) => ({ timestampDelta })),
  );
  return [batch.subarray(0, BATCH_HEADER_BYTES), batch.subarray(BATCH_HEADER_BYTES)];
}

test('the first record at or after the timestamp is found, in every codec', () => {
  const deltaLists = fc.array(fc.integer({ min: -50, max: 50 }), { minLength: 1, maxLength: 20 });
  const targets = fc.integer({ min: -60, max: 60 });
  fc.assert(
    fc.property(deltaLists, targets, fc.nat({ max: 20 }), codecs, (deltas, target, skip, codec) => {
      const [header, body] = batchOf(deltas, { codec });
      const index = deltas.findIndex((delta, at) => delta >= target && at >= skip);
      const from = 1_000n + BigInt(skip);
      const found = findByTimestamp(header, body, BASE + BigInt(target), from);
      if (index < 0) expect(found).toBeUndefined();
      else {
        const timestamp = BASE + BigInt(deltas[index] ?? NaN);
        expect(found).toEqual({ offset: 1_000n + BigInt(index), timestamp });
      }
    }),
  );
});

test('the first of the latest records is found', () => {
  const [header, body] = batchOf([0, 7, 3, 7, 1]);
  expect(findMaxTimestamp(header, body)).toEqual({ offset: 1_001n, timestamp: BASE + 7n });
});

test('with LogAppendTime every record has the stamp', () => {
  const stamp = { logAppendTime: true, maxTimestamp: BASE + 500n };
  const [header, body] = batchOf([0, 7, 3], stamp);
  const first = { offset: 1_000n, timestamp: BASE + 500n };
  expect(findMaxTimestamp(header, body)).toEqual(first);
  expect(findByTimestamp(header, body, BASE + 400n)).toEqual(first);
  expect(findByTimestamp(header, body, BASE + 501n)).toBeUndefined();
});

test('offsets come from the records, which compaction thins out', () => {
  const batch = buildRecordBatch({ baseOffset: 50n, baseTimestamp: BASE, lastOffsetDelta: 9 }, [
    { offsetDelta: 2, timestampDelta: 0 },
    { offsetDelta: 6, timestampDelta: 10 },
  ]);
  const [header, body] = [batch.subarray(0, 61), batch.subarray(61)];
  expect(findByTimestamp(header, body, BASE + 1n)?.offset).toBe(56n);
  expect(findMaxTimestamp(header, body)?.offset).toBe(56n);
});

test('an empty batch has no answer', () => {
  const [header, body] = batchOf([]);
  expect(findMaxTimestamp(header, body)).toBeUndefined();
  expect(findByTimestamp(header, body, 0n)).toBeUndefined();
});

test('records that cannot be read are an error, not an answer', () => {
  const corrupt = expect.objectContaining({ code: 'KAFKA_BATCH_CORRUPT' });
  const [header, body] = batchOf([0, 1, 2], { codec: CODEC.gzip });
  expect(() => findMaxTimestamp(header, body.subarray(0, 12))).toThrow(corrupt);
  const zeros = buildRecordBatch({ codec: CODEC.zstd }, [{ value: Buffer.alloc(40 * 2 ** 20) }]);
  expect(() => findMaxTimestamp(zeros.subarray(0, 61), zeros.subarray(61))).toThrow(
    expect.objectContaining({ code: 'KAFKA_BATCH_TOO_LARGE' }),
  );
});
