/**
 * Thins out record batches as Kafka's cleaner does (`MemoryRecords.filterTo`): offsets, sequence
 * numbers, codec and header stay what they were, and a batch of which nothing is dropped stays byte
 * for byte. Records are copied as they are, not parsed and written again.
 */
import { BODY_BYTES_MAX, compress, decompress } from './compression.ts';
import { recordsError } from './errors.ts';
import {
  ATTRIBUTE,
  BATCH_FIELD,
  BATCH_HEADER_BYTES,
  BATCH_LENGTH_OVERHEAD_BYTES,
  CODEC,
  baseOffset,
  baseTimestamp,
  batchAttributes,
  codecOf,
  computeBatchCrc,
  hasDeleteHorizon,
  isLogAppendTime,
  maxTimestamp,
  recordCount,
} from './record-batch.ts';
import type { CompressionCodec } from './record-batch.ts';
import { RecordScanner } from './record.ts';
import { varintBytes, varlongBytes, writeVarint, writeVarlong } from './varint.ts';

const NO_TIMESTAMP = -1n;
const CODECS: readonly CompressionCodec[] = Object.values(CODEC);

export interface BatchFilter {
  /**
   * @param record stands on the record that is asked about
   * @returns whether it stays
   */
  readonly keeps: (record: RecordScanner, offset: bigint) => boolean;
  /**
   * Since when consumers need no tombstones any more that are kept now, in milliseconds (KIP-534).
   * A batch that keeps one, and has no such time yet, gets it. Undefined: none is given.
   */
  readonly deleteHorizonMs: bigint | undefined;
  /** Whether the batch gets it without a tombstone too: a marker whose transaction is gone. */
  readonly needsHorizon?: boolean;
}

/** @returns the delete horizon that the batch has, in milliseconds */
export function deleteHorizonOf(batch: Buffer): bigint | undefined {
  return hasDeleteHorizon(batchAttributes(batch)) ? baseTimestamp(batch) : undefined;
}

/**
 * @param batch a whole v2 batch
 * @returns its records one after the other: always the same scanner, so nothing is to be kept of it
 * @throws `KAFKA_BATCH_CORRUPT`, `KAFKA_BATCH_TOO_LARGE` for a batch that cannot be looked into
 */
export function* scanBatch(batch: Buffer): Generator<RecordScanner> {
  const count = recordCount(batch);
  if (count === 0) return;
  const scanner = new RecordScanner(bodyOf(batch));
  for (let index = 0; index < count; index++) {
    scanner.next();
    yield scanner;
  }
}

/**
 * @param batch a whole v2 batch
 * @returns the very batch if all of it stays, a smaller one, or undefined if no record stays
 * @throws as `scanBatch`
 */
export function filterBatch(batch: Buffer, filter: BatchFilter): Buffer | undefined {
  const base = baseOffset(batch);
  const kept: KeptRecords = { ...NOTHING_KEPT, pieces: [] };
  let runAt = 0;
  let runEnd = 0;
  const endRun = (body: Buffer): void => {
    if (runEnd > runAt) kept.pieces.push(body.subarray(runAt, runEnd));
  };
  let body: Buffer | undefined;
  for (const record of scanBatch(batch)) {
    body = record.body;
    if (!filter.keeps(record, base + BigInt(record.offsetDelta))) continue;
    kept.count++;
    kept.hasTombstone ||= record.valueBytes < 0;
    kept.largestDelta = Math.max(kept.largestDelta, record.timestampDelta);
    kept.isExact &&= Number.isSafeInteger(record.timestampDelta);
    if (record.recordAt !== runEnd) {
      endRun(body);
      runAt = record.recordAt;
    }
    runEnd = record.recordEnd;
  }
  if (body === undefined || kept.count === 0) return undefined;
  endRun(body);
  // Distances that are not exact cannot be counted from another base: the tombstone stays for good.
  const wantsHorizon = (filter.needsHorizon === true || kept.hasTombstone) && kept.isExact;
  const horizon =
    wantsHorizon && deleteHorizonOf(batch) === undefined ? filter.deleteHorizonMs : undefined;
  if (horizon === undefined) {
    return kept.count === recordCount(batch) ? batch : rebuilt(batch, kept, baseTimestamp(batch));
  }
  const withHorizon = { ...kept, pieces: moveDeltas(batch, kept, horizon) };
  return rebuilt(batch, withHorizon, horizon, ATTRIBUTE.deleteHorizon);
}

/**
 * @returns the batch without records (`DefaultRecordBatch.writeEmptyHeader`): offsets, producer,
 *   sequence and `maxTimestamp` stay
 */
export function emptyBatchOf(batch: Buffer): Buffer {
  const empty = Buffer.from(batch.subarray(0, BATCH_HEADER_BYTES));
  const kept = ATTRIBUTE.logAppendTime | ATTRIBUTE.transactional | ATTRIBUTE.control;
  empty.writeUInt16BE(batchAttributes(batch) & kept, BATCH_FIELD.attributes);
  empty.writeBigInt64BE(NO_TIMESTAMP, BATCH_FIELD.baseTimestamp);
  empty.writeInt32BE(0, BATCH_FIELD.recordCount);
  return finished(empty);
}

interface KeptRecords {
  /** Of the body, in order. */
  readonly pieces: Buffer[];
  count: number;
  hasTombstone: boolean;
  /** Of the timestamps. */
  largestDelta: number;
  /** Whether all timestamps' distances are safe integers. */
  isExact: boolean;
}

const NOTHING_KEPT = { count: 0, hasTombstone: false, largestDelta: -Infinity, isExact: true };

function rebuilt(batch: Buffer, kept: KeptRecords, base: bigint, bits = 0): Buffer {
  const attributes = batchAttributes(batch) | bits;
  const body = compress(knownCodec(attributes), Buffer.concat(kept.pieces));
  const thinned = Buffer.allocUnsafe(BATCH_HEADER_BYTES + body.length);
  batch.copy(thinned, 0, 0, BATCH_HEADER_BYTES);
  body.copy(thinned, BATCH_HEADER_BYTES);
  thinned.writeUInt16BE(attributes, BATCH_FIELD.attributes);
  thinned.writeBigInt64BE(base, BATCH_FIELD.baseTimestamp);
  thinned.writeBigInt64BE(latestOf(batch, kept), BATCH_FIELD.maxTimestamp);
  thinned.writeInt32BE(kept.count, BATCH_FIELD.recordCount);
  return finished(thinned);
}

/** A log append time is the whole batch's. */
function latestOf(batch: Buffer, { largestDelta, isExact }: KeptRecords): bigint {
  if (isLogAppendTime(batchAttributes(batch)) || !isExact) return maxTimestamp(batch);
  return baseTimestamp(batch) + BigInt(largestDelta);
}

/** Writes the records' timestamps as distances from another base. */
function moveDeltas(batch: Buffer, { pieces }: KeptRecords, base: bigint): Buffer[] {
  const moveBy = baseTimestamp(batch) - base;
  return pieces.flatMap((piece) => {
    const moved: Buffer[] = [];
    const record = new RecordScanner(piece);
    while (!record.atEnd) {
      record.next();
      const delta = BigInt(record.timestampDelta) + moveBy;
      const rest = piece.subarray(record.offsetDeltaAt, record.recordEnd);
      const bytes = 1 + varlongBytes(delta) + rest.length;
      const prefix = Buffer.alloc(varintBytes(bytes) + 1 + varlongBytes(delta));
      writeVarlong(prefix, writeVarint(prefix, 0, bytes) + 1, delta);
      moved.push(prefix, rest);
    }
    return moved;
  });
}

function bodyOf(batch: Buffer): Buffer {
  const codec = codecOf(batchAttributes(batch));
  const outcome = decompress(codec, batch.subarray(BATCH_HEADER_BYTES), BODY_BYTES_MAX);
  if (outcome.kind === 'body') return outcome.body;
  const details = { baseOffset: baseOffset(batch), codec };
  if (outcome.kind === 'too-large') {
    throw recordsError('KAFKA_BATCH_TOO_LARGE', 'a batch is too large to be looked into', {
      details,
    });
  }
  throw recordsError('KAFKA_BATCH_CORRUPT', `a batch does not decode: ${outcome.reason}`, {
    details,
  });
}

function knownCodec(attributes: number): CompressionCodec {
  const codec = CODECS.find((known) => known === codecOf(attributes));
  if (codec !== undefined) return codec;
  throw recordsError('KAFKA_BATCH_CORRUPT', 'a codec that is not assigned');
}

function finished(batch: Buffer): Buffer {
  batch.writeInt32BE(batch.length - BATCH_LENGTH_OVERHEAD_BYTES, BATCH_FIELD.length);
  batch.writeUInt32BE(computeBatchCrc(batch, 0, batch.length), BATCH_FIELD.crc);
  return batch;
}
