/**
 * The index of one extent of a merged file: for every batch where it is, and what stood for it in
 * the broker's log. Rows of one size, so that a lookup is a binary search over the bytes as they
 * were fetched, without parsing:
 *
 *     base offset i64 · last offset delta u32 · position u32 · length u32 ·
 *     origin: kind u8 · file id u64 · position u32 · CRC u32
 *
 * Positions count from the beginning of the file. Offsets rise and do not overlap; there may be
 * gaps between batches, where the broker compacted.
 */
import assert from 'node:assert/strict';
import {
  BATCH_HEADER_BYTES,
  baseOffset,
  batchBytes,
  batchCrc,
  batchMagic,
  computeBatchCrc,
  crc32c,
  lastOffset,
  MAGIC_V2,
} from '../kafka/index.ts';
import { mergedCorrupt } from './merged-corrupt.ts';

/** What stood for a batch in the broker's log: a pointer to a WAL file, or the batch itself. */
export type BatchOrigin =
  | {
      readonly kind: 'wal';
      readonly fileId: bigint;
      /** Of the frame, as the pointer has it. */
      readonly position: number;
      /** Of the batch as it was produced, as the pointer has it. */
      readonly crc: number;
    }
  | { readonly kind: 'real'; readonly crc: number };

/** A batch of a partition's log, by what can be told of it without its bytes. */
export interface LogBatch {
  readonly baseOffset: bigint;
  /** Inclusive. */
  readonly lastOffset: bigint;
  readonly origin: BatchOrigin;
}

export interface IndexedBatch extends LogBatch {
  /** In the merged file. */
  readonly position: number;
  /** The batch's bytes. */
  readonly length: number;
}

export const INDEX_ROW_BYTES = 8 + 4 + 4 + 4 + 1 + 8 + 4 + 4;

const FIELD = {
  lastOffsetDelta: 8,
  position: 12,
  length: 16,
  kind: 20,
  fileId: 21,
  originPosition: 29,
  crc: 33,
} as const;
const KIND = { wal: 1, real: 2 } as const;

/** Where an extent's bytes are, as far as its index is concerned. */
export interface IndexedRange {
  /** Of its first batch, in the merged file. */
  readonly position: number;
  /** Of its batches, which are contiguous. */
  readonly bytes: number;
  readonly indexCrc: number;
}

/** @returns where the next row goes */
export function writeIndexRow(file: Buffer, at: number, batch: IndexedBatch): number {
  const { origin } = batch;
  file.writeBigInt64BE(batch.baseOffset, at);
  file.writeUInt32BE(Number(batch.lastOffset - batch.baseOffset), at + FIELD.lastOffsetDelta);
  file.writeUInt32BE(batch.position, at + FIELD.position);
  file.writeUInt32BE(batch.length, at + FIELD.length);
  file.writeUInt8(KIND[origin.kind], at + FIELD.kind);
  file.writeBigUInt64BE(origin.kind === 'wal' ? origin.fileId : 0n, at + FIELD.fileId);
  file.writeUInt32BE(origin.kind === 'wal' ? origin.position : 0, at + FIELD.originPosition);
  file.writeUInt32BE(origin.crc, at + FIELD.crc);
  return at + INDEX_ROW_BYTES;
}

/** An index as it was fetched: the bytes are kept, not copied. */
export class ExtentIndex {
  readonly #rows: Buffer;
  readonly batchCount: number;

  /**
   * Checks every row once: that rows rise, and that batches fill the extent without a hole.
   *
   * @param rows the index's bytes
   * @param range what the directory says of the extent
   * @throws `STORAGE_MERGED_CORRUPT`
   */
  constructor(rows: Buffer, range: IndexedRange) {
    this.#rows = rows;
    this.batchCount = rows.length / INDEX_ROW_BYTES;
    if (!Number.isInteger(this.batchCount)) mergedCorrupt('an index ends within a row');
    if (crc32c(rows) !== range.indexCrc) mergedCorrupt('CRC32C mismatch of an index');
    let position = range.position;
    let offset = -1n;
    for (let index = 0; index < this.batchCount; index++) {
      const batch = this.at(index);
      if (batch.baseOffset <= offset) mergedCorrupt('an index does not rise');
      if (batch.position !== position) mergedCorrupt('an index has a hole');
      if (batch.length < BATCH_HEADER_BYTES) mergedCorrupt('an index has a batch without header');
      position += batch.length;
      offset = batch.lastOffset;
    }
    if (position !== range.position + range.bytes) mergedCorrupt('an index misses batches');
  }

  /** @param index from 0, below `batchCount` */
  at(index: number): IndexedBatch {
    assert(index >= 0 && index < this.batchCount, 'no such row');
    const rows = this.#rows;
    const at = index * INDEX_ROW_BYTES;
    const base = rows.readBigInt64BE(at);
    return {
      baseOffset: base,
      lastOffset: base + BigInt(rows.readUInt32BE(at + FIELD.lastOffsetDelta)),
      position: rows.readUInt32BE(at + FIELD.position),
      length: rows.readUInt32BE(at + FIELD.length),
      origin: this.#originAt(at),
    };
  }

  /**
   * @param offset an offset of the partition
   * @returns the row of the batch that has the offset or, where compaction left a gap, of the first
   *   one behind it; `batchCount` if all are before it
   */
  find(offset: bigint): number {
    let low = 0;
    let high = this.batchCount;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.at(middle).lastOffset < offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #originAt(at: number): BatchOrigin {
    const rows = this.#rows;
    const kind = rows.readUInt8(at + FIELD.kind);
    const crc = rows.readUInt32BE(at + FIELD.crc);
    if (kind === KIND.real) return { kind: 'real', crc };
    if (kind !== KIND.wal) mergedCorrupt(`an index has an origin of kind ${kind}`);
    return {
      kind: 'wal',
      fileId: rows.readBigUInt64BE(at + FIELD.fileId),
      position: rows.readUInt32BE(at + FIELD.originPosition),
      crc,
    };
  }
}

/**
 * DESIGN §7: an extent is believed only if it fits. After an unclean election offsets are used
 * again, so offsets alone prove nothing.
 *
 * @param indexed what the merged file has at the offset
 * @param inLog what the broker's log has there
 * @returns whether the one was made of the other
 */
export function fitsLog(indexed: LogBatch, inLog: LogBatch): boolean {
  if (indexed.baseOffset !== inLog.baseOffset) return false;
  if (indexed.lastOffset !== inLog.lastOffset) return false;
  const merged = indexed.origin;
  const found = inLog.origin;
  if (merged.crc !== found.crc || merged.kind !== found.kind) return false;
  if (merged.kind === 'real' || found.kind === 'real') return true;
  return merged.fileId === found.fileId && merged.position === found.position;
}

/**
 * One batch out of fetched bytes, with its offsets in it, checked against its index and its CRC.
 *
 * @param bytes part of a merged file
 * @param position of the first of them, in the merged file
 * @returns a view of `bytes`
 * @throws `STORAGE_MERGED_CORRUPT` unless that very batch is there, whole
 */
export function readMergedBatch(bytes: Buffer, position: number, indexed: IndexedBatch): Buffer {
  const at = indexed.position - position;
  const fits = at >= 0 && at + indexed.length <= bytes.length;
  if (!fits) mergedCorrupt('a batch is not within the bytes that were fetched');
  const batch = bytes.subarray(at, at + indexed.length);
  const problem = batchProblem(batch, indexed);
  if (problem !== undefined) mergedCorrupt(`a batch has the wrong ${problem}`);
  return batch;
}

/** @returns what about the batch is not as expected */
export function batchProblem(
  batch: Buffer,
  expected: { readonly baseOffset: bigint; readonly lastOffset: bigint; readonly length: number },
): string | undefined {
  if (batch.length !== expected.length || batch.length < BATCH_HEADER_BYTES) return 'length';
  if (batchMagic(batch) !== MAGIC_V2) return 'magic';
  if (batchBytes(batch) !== batch.length) return 'length in its header';
  if (baseOffset(batch) !== expected.baseOffset) return 'base offset';
  if (lastOffset(batch) !== expected.lastOffset) return 'last offset';
  return computeBatchCrc(batch, 0, batch.length) === batchCrc(batch) ? undefined : 'checksum';
}
