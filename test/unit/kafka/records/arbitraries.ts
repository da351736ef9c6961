/**
 * Random records and batches for the property tests of this folder, and the keys that they share.
 */

import * as fc from 'fast-check';
import { CODEC, KeyRing } from '../../../../kafka/index.ts';
import type { CompressionCodec, KafkaRecord, RecordBatchHeader } from '../../../../kafka/index.ts';

export const CODECS: readonly CompressionCodec[] = Object.values(CODEC);
export const BYTES_MAX = 64 * 1024 * 1024;
export const KEY_RING = new KeyRing({ id: 7, secret: Buffer.alloc(32, 'secret') });
export const TOPIC = 'orders';
export const PARTITION = 3;

const bytes = fc.uint8Array({ maxLength: 60 }).map((array) => Buffer.from(array));
const header = fc.record({ key: bytes, value: fc.option(bytes) });

const record = fc.record({
  timestampDelta: fc.oneof(
    fc.integer({ min: -1000, max: 1000 }),
    fc.maxSafeInteger(),
    fc.constantFrom(Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER, 2 ** 28, -(2 ** 27)),
  ),
  key: fc.option(bytes),
  value: fc.option(bytes),
  headers: fc.array(header, { maxLength: 4 }),
});

/** Records with sequential offset deltas. */
export const recordLists: fc.Arbitrary<KafkaRecord[]> = fc
  .array(record, { minLength: 1, maxLength: 60 })
  .map((list) => list.map((item, offsetDelta) => ({ ...item, offsetDelta })));

export const codecs = fc.constantFrom(...CODECS);

/** Timestamps as clients have them, none (-1), and far ones. */
const timestamps = fc.oneof(
  fc.constant(-1n),
  fc.bigInt({ min: 0n, max: 4_000_000_000_000n }),
  fc.bigInt({ min: 0n, max: 2n ** 62n }),
);

export const batchHeaders: fc.Arbitrary<RecordBatchHeader> = fc.record({
  codec: codecs,
  transactional: fc.boolean(),
  baseTimestamp: timestamps,
  producerId: fc.bigInt({ min: 0n, max: 2n ** 62n }),
  producerEpoch: fc.integer({ min: 0, max: 32_767 }),
  baseSequence: fc.integer({ min: 0, max: 2 ** 31 - 1 }),
});
