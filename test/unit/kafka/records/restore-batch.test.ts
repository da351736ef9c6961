import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  baseOffset,
  batchAttributes,
  batchCrc,
  buildPlaceholder,
  buildRecordBatch,
  computeBatchCrc,
  isLogAppendTime,
  maxTimestamp,
  partitionLeaderEpoch,
  pointerTo,
  restoreBatch,
  verifyBatch,
} from '../../../../kafka/index.ts';
import { KEY_RING, PARTITION, TOPIC, batchHeaders, recordLists } from './arbitraries.ts';

const MISMATCH = expect.objectContaining({ code: 'KAFKA_BATCH_MISMATCH' });
const NOW = 1_764_000_000_000n;

interface Stored {
  baseOffset: bigint;
  epoch: number;
  maxTimestamp?: bigint;
  logAppendTime?: boolean;
}

/** A placeholder for the batch, as a broker that assigned these values returns it. */
function storedPlaceholder(real: Buffer, stored: Stored): Buffer {
  const placeholder = buildPlaceholder({
    realBatch: real,
    fileId: 5n,
    position: 0,
    maxTimestamp: stored.maxTimestamp ?? maxTimestamp(real),
    topic: TOPIC,
    partition: PARTITION,
    keyRing: KEY_RING,
    zstd: true,
  });
  placeholder.writeBigInt64BE(stored.baseOffset, 0);
  placeholder.writeInt32BE(stored.epoch, 12);
  if (stored.logAppendTime === true) {
    placeholder.writeUInt16BE(batchAttributes(placeholder) | 0x08, 21);
  }
  return placeholder;
}

test('only base offset and leader epoch change where the broker assigned nothing else', () => {
  fc.assert(
    fc.property(batchHeaders, recordLists, (header, list) => {
      const real = buildRecordBatch(header, list);
      const chunks = restoreBatch(
        real,
        storedPlaceholder(real, { baseOffset: 2n ** 41n, epoch: 6 }),
      );
      const expected = Buffer.from(real);
      expected.writeBigInt64BE(2n ** 41n, 0);
      expected.writeInt32BE(6, 12);
      expect(Buffer.concat(chunks)).toEqual(expected);
    }),
  );
});

test('the body is a view of the batch, and the batch itself is not changed', () => {
  const real = buildRecordBatch({}, [{ value: Buffer.alloc(100) }]);
  const before = Buffer.from(real);
  const stored = { baseOffset: 9n, epoch: 1, logAppendTime: true, maxTimestamp: NOW };
  const [, body] = restoreBatch(real, storedPlaceholder(real, stored));
  expect(body.buffer).toBe(real.buffer);
  expect(real).toEqual(before);
});

test('a LogAppendTime stamp is taken over with a right checksum, for every attribute', () => {
  fc.assert(
    fc.property(batchHeaders, recordLists, (header, list) => {
      const real = buildRecordBatch(header, list);
      const stored = { baseOffset: 7n, epoch: 2, logAppendTime: true, maxTimestamp: NOW };
      const restored = Buffer.concat(restoreBatch(real, storedPlaceholder(real, stored)));
      expect(maxTimestamp(restored)).toBe(NOW);
      expect(batchAttributes(restored)).toBe(batchAttributes(real) | 0x08);
      expect(batchCrc(restored)).toBe(computeBatchCrc(restored, 0, restored.length));
      expect(baseOffset(restored)).toBe(7n);
      expect(partitionLeaderEpoch(restored)).toBe(2);
    }),
  );
});

test('a maximum timestamp that the client got wrong is put right, as the broker does', () => {
  for (const claimed of [-1n, NOW - 5n, NOW + 1_000_000n]) {
    const list = [{ timestampDelta: 0 }, { timestampDelta: 50 }];
    const real = buildRecordBatch({ baseTimestamp: NOW, maxTimestamp: claimed }, list);
    const stored = { baseOffset: 7n, epoch: 2, maxTimestamp: NOW + 50n };
    const restored = Buffer.concat(restoreBatch(real, storedPlaceholder(real, stored)));
    expect(maxTimestamp(restored)).toBe(NOW + 50n);
    expect(isLogAppendTime(batchAttributes(restored))).toBe(false);
    expect(batchCrc(restored)).toBe(computeBatchCrc(restored, 0, restored.length));
  }
});

test('compaction of the placeholder does not lower the maximum timestamp', () => {
  const list = [{ timestampDelta: 0 }, { timestampDelta: 50 }];
  const real = buildRecordBatch({ baseTimestamp: NOW }, list);
  const compacted = buildRecordBatch(
    { baseOffset: 7n, lastOffsetDelta: 1, baseTimestamp: NOW, maxTimestamp: NOW },
    [{ key: Buffer.from('the pointer') }],
  );
  const restored = Buffer.concat(restoreBatch(real, compacted));
  expect(maxTimestamp(restored)).toBe(NOW + 50n);
  expect(batchCrc(restored)).toBe(computeBatchCrc(restored, 0, restored.length));
});

test('bytes pass only if they are the batch that the pointer names, bit by bit', () => {
  const real = buildRecordBatch({ codec: 1 }, [{ value: Buffer.from('a value') }]);
  const pointer = pointerTo(real, 5n, 100);
  expect(() => verifyBatch(real, pointer)).not.toThrow();
  // Base offset, leader epoch and magic are outside the checksum.
  for (const at of [...Array(4).keys()].map((i) => 8 + i).concat([...Array(real.length).keys()])) {
    if (at < 8 || (at >= 12 && at < 17)) continue;
    const damaged = Buffer.from(real);
    damaged.writeUInt8(damaged.readUInt8(at) ^ 0x10, at);
    expect(() => verifyBatch(damaged, pointer), `byte ${at}`).toThrow(MISMATCH);
  }
  const longer = Buffer.concat([real, Buffer.alloc(1)]);
  for (const bytes of [real.subarray(1), real.subarray(0, 60), Buffer.alloc(0), longer]) {
    expect(() => verifyBatch(bytes, pointer)).toThrow(MISMATCH);
  }
  expect(() => verifyBatch(real, { ...pointer, attributes: 0 })).toThrow(MISMATCH);
  expect(() => verifyBatch(real, { ...pointer, crc: 1 })).toThrow(MISMATCH);
});
