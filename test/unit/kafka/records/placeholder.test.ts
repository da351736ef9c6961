import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  BATCH_HEADER_BYTES,
  CODEC,
  KeyRing,
  batchAttributes,
  batchCrc,
  buildPlaceholder,
  buildRecordBatch,
  codecOf,
  completeBatchBytes,
  computeBatchCrc,
  decompress,
  estimatePlaceholderBytes,
  pointerTo,
  readPlaceholder,
  recordCount,
  records,
} from '../../../../kafka/index.ts';
import type {
  CompressionCodec,
  KafkaRecord,
  PlaceholderInput,
  PlaceholderReading,
} from '../../../../kafka/index.ts';
import { BYTES_MAX, CODECS, KEY_RING, PARTITION, TOPIC, recordLists } from './arbitraries.ts';

const BASE_TIMESTAMP = 1_764_000_000_000n;
const RECOMPRESSED: readonly CompressionCodec[] = [0, 1, 2, 3, 4];

/** A batch of `count` small records, as a valid client sends it. */
function realBatch(count: number, header = {}): Buffer {
  const list = Array.from({ length: count }, (_, index) => ({
    key: Buffer.from(`k${index}`),
    timestampDelta: index % 100,
  }));
  return buildRecordBatch({ baseTimestamp: BASE_TIMESTAMP, ...header }, list);
}

function inputFor(real: Buffer, overrides: Partial<PlaceholderInput> = {}): PlaceholderInput {
  return {
    realBatch: real,
    fileId: 0x1234_5678_9abc_def0n,
    position: 77,
    maxTimestamp: BASE_TIMESTAMP + 99n,
    topic: TOPIC,
    partition: PARTITION,
    keyRing: KEY_RING,
    zstd: true,
    ...overrides,
  };
}

function read(buf: Buffer, deep = false, at = 0): PlaceholderReading {
  return readPlaceholder({ buf, at, topic: TOPIC, partition: PARTITION, keyRing: KEY_RING, deep });
}

function recordsOf(batch: Buffer): KafkaRecord[] {
  const body = batch.subarray(BATCH_HEADER_BYTES);
  const result = decompress(codecOf(batchAttributes(batch)), body, BYTES_MAX);
  if (result.kind !== 'body') throw new Error(result.kind);
  return [...records(result.body, recordCount(batch))];
}

/** What a broker makes of a placeholder when it writes it anew, keeping the records asked for. */
function rewritten(placeholder: Buffer, codec: CompressionCodec, keep: number): Buffer {
  const kept = recordsOf(placeholder).slice(0, keep);
  const lastOffsetDelta = placeholder.readInt32BE(23);
  const header = { baseOffset: 4_000n, partitionLeaderEpoch: 5, codec, lastOffsetDelta };
  return buildRecordBatch({ ...header, baseTimestamp: BASE_TIMESTAMP }, kept);
}

test('a placeholder has the header, the records and the pointer that the design says', () => {
  const header = {
    transactional: true,
    producerId: 9n,
    producerEpoch: 2,
    baseSequence: 40,
    codec: CODEC.lz4,
  };
  for (const zstd of [true, false]) {
    for (const count of [1, 2, 3, 24, 25, 26, 63, 64, 65, 66, 500, 8_193, 8_195, 200_000]) {
      const real = realBatch(count, header);
      const placeholder = buildPlaceholder(inputFor(real, { zstd }));
      expect(completeBatchBytes(placeholder, 0)).toBe(placeholder.length);
      expect(batchCrc(placeholder)).toBe(computeBatchCrc(placeholder, 0, placeholder.length));
      // Everything from the offset deltas on but the attributes is the real header.
      const copied = real.subarray(23, BATCH_HEADER_BYTES);
      copied.writeBigInt64BE(BASE_TIMESTAMP + 99n, 12);
      expect(placeholder.subarray(23, BATCH_HEADER_BYTES)).toEqual(copied);
      expect(batchAttributes(placeholder)).toBe(0x10 | (zstd && count > 24 ? CODEC.zstd : 0));
      expect(read(placeholder)).toEqual({
        kind: 'placeholder',
        pointer: pointerTo(real, 0x1234_5678_9abc_def0n, 77),
      });
      const hollow = recordsOf(placeholder);
      expect(hollow).toHaveLength(count);
      const wrong = hollow.findIndex(
        (record, index) =>
          record.offsetDelta !== index ||
          record.timestampDelta !== (index === count - 1 ? 99 : 0) ||
          record.key?.length !== (index === 0 ? 37 : 1) ||
          record.value?.length !== 0 ||
          record.headers.length !== 0,
      );
      expect(wrong).toBe(-1);
    }
  }
});

test('timestamp type and transactional bits are copied, no other attribute', () => {
  const real = realBatch(2);
  real.writeUInt16BE(0xffff & ~0x20, 21);
  expect(batchAttributes(buildPlaceholder(inputFor(real)))).toBe(0x18);
});

test('timestamps of any distance survive', () => {
  const distances = fc.oneof(fc.bigInt({ min: 0n, max: 2n ** 53n - 1n }), fc.constant(0n));
  fc.assert(
    fc.property(distances, fc.constantFrom(1, 2, 30), (distance, count) => {
      const maxTimestamp = BASE_TIMESTAMP + distance;
      const placeholder = buildPlaceholder(inputFor(realBatch(count), { maxTimestamp }));
      expect(BigInt(recordsOf(placeholder).at(-1)?.timestampDelta ?? -1)).toBe(distance);
      expect(placeholder.readBigInt64BE(35)).toBe(maxTimestamp);
    }),
  );
});

test('a placeholder is known after a broker wrote it anew, in every codec', () => {
  for (const count of [1, 2, 24, 25, 200, 20_000]) {
    const placeholder = buildPlaceholder(inputFor(realBatch(count)));
    const expected = read(placeholder);
    expect(expected.kind).toBe('placeholder');
    for (const codec of RECOMPRESSED) {
      for (const keep of [1, Math.ceil(count / 2), count]) {
        expect(read(rewritten(placeholder, codec, keep), true)).toEqual(expected);
      }
    }
  }
});

test('without a deep look only what we write ourselves is known', () => {
  const placeholder = buildPlaceholder(inputFor(realBatch(200)));
  for (const codec of [CODEC.gzip, CODEC.snappy, CODEC.lz4, CODEC.zstd]) {
    expect(read(rewritten(placeholder, codec, 200), false)).toEqual({ kind: 'real' });
  }
});

test('a placeholder in the middle of a buffer is known', () => {
  const placeholder = buildPlaceholder(inputFor(realBatch(100)));
  const buf = Buffer.concat([realBatch(3), placeholder, realBatch(3)]);
  const at = realBatch(3).length;
  expect(read(buf, false, at)).toEqual(read(placeholder));
});

test('batches of users are real in every codec, also those with empty or null keys', () => {
  fc.assert(
    fc.property(recordLists, fc.constantFrom(...CODECS), (list, codec) => {
      const batch = buildRecordBatch({ codec, maxTimestamp: 0n }, list);
      expect(read(batch, true)).toEqual({ kind: 'real' });
      expect(read(batch, false)).toEqual({ kind: 'real' });
    }),
  );
  for (const codec of CODECS) expect(read(buildRecordBatch({ codec }, []), true).kind).toBe('real');
});

test('a pointer taken to another partition makes an ordinary user batch', () => {
  const placeholder = buildPlaceholder(inputFor(realBatch(5)));
  const stolen = recordsOf(placeholder)[0]?.key ?? null;
  const batch = buildRecordBatch({}, [{ key: stolen, value: Buffer.from('x') }]);
  expect(read(batch).kind).toBe('placeholder');
  const elsewhere = { buf: batch, at: 0, keyRing: KEY_RING, deep: true, partition: PARTITION };
  expect(readPlaceholder({ ...elsewhere, topic: 'other' })).toEqual({ kind: 'real' });
});

test('an unknown version or key is told, not taken for a user batch', () => {
  const placeholder = buildPlaceholder(inputFor(realBatch(50)));
  const otherRing = new KeyRing({ id: 99, secret: Buffer.alloc(32) });
  const foreign = buildPlaceholder(inputFor(realBatch(50), { keyRing: otherRing }));
  expect(read(foreign)).toEqual({ kind: 'unknown', keyId: 99 });
  const newer = Buffer.from(recordsOf(placeholder)[0]?.key ?? []);
  newer.writeUInt8(2, 5);
  for (const key of [newer, Buffer.concat([newer, Buffer.alloc(90)]), newer.subarray(0, 20)]) {
    for (const codec of CODECS) {
      const batch = buildRecordBatch({ codec }, [{ key }]);
      expect(read(batch, true)).toEqual({ kind: 'unknown', version: 2 });
    }
  }
});

test('control batches and old formats are never placeholders', () => {
  const key = recordsOf(buildPlaceholder(inputFor(realBatch(1))))[0]?.key ?? null;
  expect(read(buildRecordBatch({ control: true }, [{ key }]), true)).toEqual({ kind: 'real' });
  const old = buildRecordBatch({}, [{ key }]);
  old.writeInt8(1, 16);
  expect(read(old, true)).toEqual({ kind: 'real' });
});

test('damaged bytes are read without an error', () => {
  const placeholders = CODECS.map((codec) =>
    rewritten(buildPlaceholder(inputFor(realBatch(60))), codec, 60),
  );
  placeholders.push(buildPlaceholder(inputFor(realBatch(60))));
  fc.assert(
    fc.property(
      fc.constantFrom(...placeholders),
      fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { minLength: 1, maxLength: 5 }),
      (placeholder, changes) => {
        const damaged = Buffer.from(placeholder);
        for (const [where, byte] of changes) {
          const at = 17 + (where % (damaged.length - 17));
          damaged.writeUInt8(byte, at);
        }
        expect(['real', 'placeholder', 'unknown']).toContain(read(damaged, true).kind);
      },
    ),
    { numRuns: 1000 },
  );
});

test('the estimate is near the size that a placeholder gets', () => {
  for (const zstd of [true, false]) {
    for (const count of [1, 2, 10, 24, 25, 30, 64, 100, 150, 500, 1_000, 4_096, 20_000]) {
      const real = buildPlaceholder(inputFor(realBatch(count), { zstd })).length;
      const estimate = estimatePlaceholderBytes(count, zstd);
      expect(estimate / real, `${count} records, zstd ${zstd}`).toBeGreaterThan(0.75);
      expect(estimate / real, `${count} records, zstd ${zstd}`).toBeLessThan(1.3);
    }
  }
});
