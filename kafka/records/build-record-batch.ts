/**
 * Writes v2 record batches: for workers that compact, and for tests. Takes records in the shape in
 * which `records` yields them, so that a batch can be read, thinned out and written again with its
 * offsets kept. Checks nothing of what a broker would.
 */

import { strict as assert } from 'node:assert';
import { compress } from './compression.ts';
import {
  ATTRIBUTE,
  BATCH_FIELD,
  BATCH_HEADER_BYTES,
  BATCH_LENGTH_OVERHEAD_BYTES,
  CODEC,
  MAGIC_V2,
  computeBatchCrc,
} from './record-batch.ts';
import type { CompressionCodec } from './record-batch.ts';
import type { KafkaRecord, RecordHeader } from './record.ts';
import { varintBytes, varlongBytes, writeVarint, writeVarlong } from './varint.ts';

/** What a batch's header says. Left out: no producer, offset 0, and what the records suggest. */
export interface RecordBatchHeader {
  readonly baseOffset?: bigint;
  readonly partitionLeaderEpoch?: number;
  readonly codec?: CompressionCodec;
  readonly logAppendTime?: boolean;
  readonly transactional?: boolean;
  readonly control?: boolean;
  readonly deleteHorizon?: boolean;
  /** The last record's delta if left out; compaction keeps what it was. */
  readonly lastOffsetDelta?: number;
  readonly baseTimestamp?: bigint;
  /** The largest of the records' if left out. */
  readonly maxTimestamp?: bigint;
  readonly producerId?: bigint;
  readonly producerEpoch?: number;
  readonly baseSequence?: number;
}

/**
 * @param header what the header says
 * @param records left out of a record: the next offset delta, timestamp delta 0, null, no headers
 * @returns the batch, with a right checksum
 */
export function buildRecordBatch(
  header: RecordBatchHeader,
  records: readonly Partial<KafkaRecord>[],
): Buffer {
  const complete = records.map((record, index) => withDefaults(record, index));
  const body = compress(header.codec ?? CODEC.none, encodeRecords(complete));
  const batch = Buffer.allocUnsafe(BATCH_HEADER_BYTES + body.length);
  body.copy(batch, BATCH_HEADER_BYTES);
  writeHeader(batch, header, complete);
  batch.writeUInt32BE(computeBatchCrc(batch, 0, batch.length), BATCH_FIELD.crc);
  return batch;
}

function withDefaults(record: Partial<KafkaRecord>, index: number): KafkaRecord {
  const { offsetDelta = index, timestampDelta = 0, key = null, value = null } = record;
  assert(Number.isSafeInteger(timestampDelta));
  return { offsetDelta, timestampDelta, key, value, headers: record.headers ?? [] };
}

function writeHeader(
  batch: Buffer,
  header: RecordBatchHeader,
  records: readonly KafkaRecord[],
): void {
  const baseTimestamp = header.baseTimestamp ?? 0n;
  const largestDelta = records.reduce(
    (max, { timestampDelta }) => Math.max(max, timestampDelta),
    0,
  );
  const maxTimestamp = header.maxTimestamp ?? baseTimestamp + BigInt(largestDelta);
  const lastOffsetDelta = header.lastOffsetDelta ?? records.at(-1)?.offsetDelta ?? 0;
  batch.writeBigInt64BE(header.baseOffset ?? 0n, BATCH_FIELD.baseOffset);
  batch.writeInt32BE(batch.length - BATCH_LENGTH_OVERHEAD_BYTES, BATCH_FIELD.length);
  batch.writeInt32BE(header.partitionLeaderEpoch ?? -1, BATCH_FIELD.partitionLeaderEpoch);
  batch.writeInt8(MAGIC_V2, BATCH_FIELD.magic);
  batch.writeUInt16BE(attributesOf(header), BATCH_FIELD.attributes);
  batch.writeInt32BE(lastOffsetDelta, BATCH_FIELD.lastOffsetDelta);
  batch.writeBigInt64BE(baseTimestamp, BATCH_FIELD.baseTimestamp);
  batch.writeBigInt64BE(maxTimestamp, BATCH_FIELD.maxTimestamp);
  batch.writeBigInt64BE(header.producerId ?? -1n, BATCH_FIELD.producerId);
  batch.writeInt16BE(header.producerEpoch ?? -1, BATCH_FIELD.producerEpoch);
  batch.writeInt32BE(header.baseSequence ?? -1, BATCH_FIELD.baseSequence);
  batch.writeInt32BE(records.length, BATCH_FIELD.recordCount);
}

function attributesOf(header: RecordBatchHeader): number {
  return (
    (header.codec ?? CODEC.none) |
    (header.logAppendTime === true ? ATTRIBUTE.logAppendTime : 0) |
    (header.transactional === true ? ATTRIBUTE.transactional : 0) |
    (header.control === true ? ATTRIBUTE.control : 0) |
    (header.deleteHorizon === true ? ATTRIBUTE.deleteHorizon : 0)
  );
}

function encodeRecords(records: readonly KafkaRecord[]): Buffer {
  const sizes = records.map(recordBytes);
  const total = sizes.reduce((sum, size) => sum + varintBytes(size) + size, 0);
  const out = Buffer.allocUnsafe(total);
  let at = 0;
  for (const [index, record] of records.entries()) {
    at = writeVarint(out, at, sizes[index] ?? 0);
    at = writeRecord(out, at, record);
  }
  assert(at === total);
  return out;
}

/** @returns the record's bytes after its length field */
function recordBytes(record: KafkaRecord): number {
  let bytes = 1 + varlongBytes(BigInt(record.timestampDelta)) + varintBytes(record.offsetDelta);
  bytes += bytesOf(record.key) + bytesOf(record.value) + varintBytes(record.headers.length);
  for (const { key, value } of record.headers) bytes += bytesOf(key) + bytesOf(value);
  return bytes;
}

function writeRecord(out: Buffer, at: number, record: KafkaRecord): number {
  out[at++] = 0; // attributes
  at = writeVarlong(out, at, BigInt(record.timestampDelta));
  at = writeVarint(out, at, record.offsetDelta);
  at = writeBytes(out, at, record.key);
  at = writeBytes(out, at, record.value);
  return writeHeaders(out, at, record.headers);
}

function writeHeaders(out: Buffer, at: number, headers: readonly RecordHeader[]): number {
  at = writeVarint(out, at, headers.length);
  for (const { key, value } of headers) {
    at = writeBytes(out, at, key);
    at = writeBytes(out, at, value);
  }
  return at;
}

function bytesOf(field: Buffer | null): number {
  return field === null ? varintBytes(-1) : varintBytes(field.length) + field.length;
}

function writeBytes(out: Buffer, at: number, field: Buffer | null): number {
  if (field === null) return writeVarint(out, at, -1);
  at = writeVarint(out, at, field.length);
  return at + field.copy(out, at);
}
