import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  CODEC,
  baseOffset,
  baseSequence,
  baseTimestamp,
  batchAttributes,
  batchBytes,
  batchCrc,
  batchMagic,
  buildRecordBatch,
  codecOf,
  completeBatchBytes,
  completeBatches,
  computeBatchCrc,
  crc32c,
  crc32cThroughBatch,
  hasDeleteHorizon,
  isControl,
  isLogAppendTime,
  isTransactional,
  lastOffset,
  lastOffsetDelta,
  maxTimestamp,
  partitionLeaderEpoch,
  producerEpoch,
  producerId,
  recordCount,
} from '../../../../kafka/index.ts';

const CORRUPT = expect.objectContaining({ code: 'KAFKA_BATCH_CORRUPT' });

/** A message of format v0 or v1, as old segments hold them. */
function legacyMessage(magic: 0 | 1, offset: bigint): Buffer {
  const message = Buffer.alloc(magic === 0 ? 30 : 38);
  message.writeBigInt64BE(offset, 0);
  message.writeInt32BE(message.length - 12, 8);
  message.writeInt8(magic, 16);
  return message;
}

test('a header reads as it was written', () => {
  const batch = buildRecordBatch(
    {
      baseOffset: 2n ** 40n,
      partitionLeaderEpoch: 9,
      codec: CODEC.lz4,
      logAppendTime: true,
      transactional: true,
      deleteHorizon: true,
      lastOffsetDelta: 12,
      baseTimestamp: 1_000n,
      maxTimestamp: 5_000n,
      producerId: 2n ** 50n,
      producerEpoch: 4,
      baseSequence: 77,
    },
    [{ key: Buffer.from('k') }, { value: Buffer.from('v') }],
  );
  const prefixed = Buffer.concat([Buffer.alloc(13), batch]);
  const at = 13;
  expect(batchBytes(prefixed, at)).toBe(batch.length);
  expect(batchMagic(prefixed, at)).toBe(2);
  expect(baseOffset(prefixed, at)).toBe(2n ** 40n);
  expect(lastOffset(prefixed, at)).toBe(2n ** 40n + 12n);
  expect(lastOffsetDelta(prefixed, at)).toBe(12);
  expect(partitionLeaderEpoch(prefixed, at)).toBe(9);
  expect(baseTimestamp(prefixed, at)).toBe(1_000n);
  expect(maxTimestamp(prefixed, at)).toBe(5_000n);
  expect(producerId(prefixed, at)).toBe(2n ** 50n);
  expect(producerEpoch(prefixed, at)).toBe(4);
  expect(baseSequence(prefixed, at)).toBe(77);
  expect(recordCount(prefixed, at)).toBe(2);
  expect(computeBatchCrc(prefixed, at, batch.length)).toBe(batchCrc(prefixed, at));
  const attributes = batchAttributes(prefixed, at);
  expect(codecOf(attributes)).toBe(CODEC.lz4);
  expect(isLogAppendTime(attributes)).toBe(true);
  expect(isTransactional(attributes)).toBe(true);
  expect(hasDeleteHorizon(attributes)).toBe(true);
  expect(isControl(attributes)).toBe(false);
});

test('a records field yields its complete batches of every format, whatever byte it ends at', () => {
  const batches = [
    legacyMessage(0, 5n),
    buildRecordBatch({ baseOffset: 10n }, [{ key: Buffer.from('a') }, {}]),
    legacyMessage(1, 6n),
    buildRecordBatch({ baseOffset: 12n, lastOffsetDelta: 3 }, []),
  ];
  const whole = Buffer.concat(batches);
  for (let end = 0; end <= whole.length; end++) {
    const expected: Buffer[] = [];
    let bytes = 0;
    for (const batch of batches) {
      bytes += batch.length;
      if (bytes <= end) expected.push(batch);
    }
    expect([...completeBatches(whole.subarray(0, end))]).toEqual(expected);
  }
});

test('the last offset is known in every format', () => {
  expect(lastOffset(legacyMessage(0, 5n))).toBe(5n);
  expect(lastOffset(legacyMessage(1, 6n))).toBe(6n);
  expect(lastOffset(buildRecordBatch({ baseOffset: 12n, lastOffsetDelta: 3 }, []))).toBe(15n);
});

test('an impossible size or magic is refused', () => {
  const tooShort = buildRecordBatch({}, []);
  tooShort.writeInt32BE(48, 8);
  const negative = buildRecordBatch({}, []);
  negative.writeInt32BE(-5, 8);
  const unknownMagic = buildRecordBatch({}, []);
  unknownMagic.writeInt8(3, 16);
  const negativeMagic = buildRecordBatch({}, []);
  negativeMagic.writeInt8(-1, 16);
  for (const bad of [tooShort, negative, unknownMagic, negativeMagic]) {
    expect(() => completeBatchBytes(bad, 0)).toThrow(CORRUPT);
    expect(() => [...completeBatches(bad)]).toThrow(CORRUPT);
  }
});

test('random bytes never yield anything beyond their end', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (array) => {
      const bytes = Buffer.from(array);
      try {
        let total = 0;
        for (const batch of completeBatches(bytes)) total += batch.length;
        expect(total).toBeLessThanOrEqual(bytes.length);
      } catch (error) {
        expect(error).toEqual(CORRUPT);
      }
    }),
  );
});

test('the checksum through a batch is that of its bytes, large or small', () => {
  fc.assert(
    fc.property(fc.nat({ max: 20_000 }), fc.nat({ max: 100 }), fc.nat(), (size, at, seed) => {
      const batch = buildRecordBatch({}, [{ value: Buffer.alloc(size, 'v') }]);
      const bytes = Buffer.concat([Buffer.alloc(at, '-'), batch, Buffer.from('behind')]);
      const through = crc32cThroughBatch(bytes, at, batch.length, seed);
      expect(through).toBe(crc32c(batch, seed));
    }),
  );
});
