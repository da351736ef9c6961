/**
 * The layout of Kafka's v2 record batch (KIP-98; `DefaultRecordBatch`) as plain functions over the
 * bytes: nothing is copied and nothing is allocated, because they run on every batch that passes.
 * Every function takes the buffer and where the batch begins in it. Only `batchMagic`,
 * `batchBytes`, `completeBatchBytes` and `lastOffset` may be asked of the older formats, which
 * share just the first bytes of the header.
 */

import { crc32c, joinedCrc32c } from './crc32c.ts';
import { recordsError } from './errors.ts';

/** Where the fields of a v2 batch begin. */
export const BATCH_FIELD = {
  baseOffset: 0,
  length: 8,
  partitionLeaderEpoch: 12,
  magic: 16,
  crc: 17,
  attributes: 21,
  lastOffsetDelta: 23,
  baseTimestamp: 27,
  maxTimestamp: 35,
  producerId: 43,
  producerEpoch: 51,
  baseSequence: 53,
  recordCount: 57,
} as const;

/** Bytes of a v2 batch before its records. */
export const BATCH_HEADER_BYTES = 61;
/** Bytes before and including the length field, which the length does not count. */
export const BATCH_LENGTH_OVERHEAD_BYTES = 12;
export const MAGIC_V2 = 2;

/** The bits of the attributes that say something other than the codec. */
export const ATTRIBUTE = {
  codecMask: 0x07,
  logAppendTime: 0x08,
  transactional: 0x10,
  control: 0x20,
  deleteHorizon: 0x40,
} as const;

/** Kafka's compression codecs, as the low bits of the attributes name them. */
export const CODEC = { none: 0, gzip: 1, snappy: 2, lz4: 3, zstd: 4 } as const;
export type CompressionCodec = (typeof CODEC)[keyof typeof CODEC];

/** To go through fewer bytes takes less time than to join two checksums. */
export const JOINED_BYTES_MIN = 4096;

/** The smallest batch of each message format: v0 and v1 are single messages (`LegacyRecord`). */
const BATCH_BYTES_MIN = [26, 34, BATCH_HEADER_BYTES] as const;

export function batchMagic(buf: Buffer, at = 0): number {
  return buf.readInt8(at + BATCH_FIELD.magic);
}

/** @returns the bytes that the batch claims to have, its first 12 included; not checked */
export function batchBytes(buf: Buffer, at = 0): number {
  return buf.readInt32BE(at + BATCH_FIELD.length) + BATCH_LENGTH_OVERHEAD_BYTES;
}

/**
 * Steps through a records field: `for (let at = 0; (size = completeBatchBytes(buf, at)) > 0; at +=
 * size)`.
 *
 * @param buf a records field, of any message format
 * @param at where a batch begins
 * @returns the batch's bytes, or 0 if no more than a partial batch (or nothing) is left, as at the
 *   end of a Fetch response
 * @throws KAFKA_BATCH_CORRUPT if the bytes cannot be a batch (as `ByteBufferLogInputStream`
 *   refuses)
 */
export function completeBatchBytes(buf: Buffer, at: number): number {
  if (buf.length - at <= BATCH_FIELD.magic) return 0;
  const magic = batchMagic(buf, at);
  const size = batchBytes(buf, at);
  const sizeMin = BATCH_BYTES_MIN[magic];
  if (sizeMin === undefined || size < sizeMin) {
    throw recordsError('KAFKA_BATCH_CORRUPT', 'a record batch has an impossible size or magic', {
      details: { magic, size, at },
    });
  }
  return size <= buf.length - at ? size : 0;
}

/**
 * @param records a records field
 * @returns its complete batches as views; a partial one at the end is left out
 * @throws KAFKA_BATCH_CORRUPT as `completeBatchBytes`
 */
export function* completeBatches(records: Buffer): Generator<Buffer> {
  let at = 0;
  for (;;) {
    const size = completeBatchBytes(records, at);
    if (size === 0) return;
    yield records.subarray(at, at + size);
    at += size;
  }
}

/**
 * @returns the offset of the first record; of a v0 or v1 wrapper message, that of its last record
 */
export function baseOffset(buf: Buffer, at = 0): bigint {
  return buf.readBigInt64BE(at + BATCH_FIELD.baseOffset);
}

/** @returns the offset of the last record that the batch had when it was produced, of any format */
export function lastOffset(buf: Buffer, at = 0): bigint {
  const first = baseOffset(buf, at);
  return batchMagic(buf, at) < MAGIC_V2 ? first : first + BigInt(lastOffsetDelta(buf, at));
}

export function partitionLeaderEpoch(buf: Buffer, at = 0): number {
  return buf.readInt32BE(at + BATCH_FIELD.partitionLeaderEpoch);
}

/** @returns the checksum that the batch carries */
export function batchCrc(buf: Buffer, at = 0): number {
  return buf.readUInt32BE(at + BATCH_FIELD.crc);
}

/**
 * @param size the batch's bytes, all of which must be in `buf`
 * @returns the checksum that the batch should carry: of everything from its attributes on
 */
export function computeBatchCrc(buf: Buffer, at: number, size: number): number {
  return crc32c(buf.subarray(at + BATCH_FIELD.attributes, at + size));
}

/**
 * @param at where a batch begins that carries the right checksum
 * @param size its bytes
 * @param seed the checksum of the bytes before it
 * @returns the checksum of everything up to its end; of a large batch only the header is read
 */
export function crc32cThroughBatch(buf: Buffer, at: number, size: number, seed: number): number {
  if (size < JOINED_BYTES_MIN) return crc32c(buf.subarray(at, at + size), seed);
  const covered = at + BATCH_FIELD.attributes;
  const before = crc32c(buf.subarray(at, covered), seed);
  return joinedCrc32c(before, batchCrc(buf, at), size - BATCH_FIELD.attributes);
}

/** @returns all 16 bits; ask `codecOf` and its neighbours what they mean */
export function batchAttributes(buf: Buffer, at = 0): number {
  return buf.readUInt16BE(at + BATCH_FIELD.attributes);
}

/** @returns the codec's number; 5 to 7 are not assigned */
export function codecOf(attributes: number): number {
  return attributes & ATTRIBUTE.codecMask;
}

export function isLogAppendTime(attributes: number): boolean {
  return (attributes & ATTRIBUTE.logAppendTime) !== 0;
}

export function isTransactional(attributes: number): boolean {
  return (attributes & ATTRIBUTE.transactional) !== 0;
}

export function isControl(attributes: number): boolean {
  return (attributes & ATTRIBUTE.control) !== 0;
}

/** @returns whether `baseTimestamp` is not a timestamp but a delete horizon (KIP-534) */
export function hasDeleteHorizon(attributes: number): boolean {
  return (attributes & ATTRIBUTE.deleteHorizon) !== 0;
}

export function lastOffsetDelta(buf: Buffer, at = 0): number {
  return buf.readInt32BE(at + BATCH_FIELD.lastOffsetDelta);
}

/** @returns milliseconds since 1970, which the records' timestamp deltas count from */
export function baseTimestamp(buf: Buffer, at = 0): bigint {
  return buf.readBigInt64BE(at + BATCH_FIELD.baseTimestamp);
}

export function maxTimestamp(buf: Buffer, at = 0): bigint {
  return buf.readBigInt64BE(at + BATCH_FIELD.maxTimestamp);
}

/** @returns the producer id, -1 if the producer is not idempotent */
export function producerId(buf: Buffer, at = 0): bigint {
  return buf.readBigInt64BE(at + BATCH_FIELD.producerId);
}

export function producerEpoch(buf: Buffer, at = 0): number {
  return buf.readInt16BE(at + BATCH_FIELD.producerEpoch);
}

export function baseSequence(buf: Buffer, at = 0): number {
  return buf.readInt32BE(at + BATCH_FIELD.baseSequence);
}

/** @returns the records that the batch holds: after compaction fewer than its offsets */
export function recordCount(buf: Buffer, at = 0): number {
  return buf.readInt32BE(at + BATCH_FIELD.recordCount);
}
