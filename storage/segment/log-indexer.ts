/**
 * What every segment's files have in common, whoever decides on its batches: that the batches are
 * whole and rise, where they lie (offset index, time index), and the checksum of the `.log`
 * (`LogSegment.append` and `onBecomeInactiveSegment` of 4.3). It keeps indexes, never batches.
 */
import assert from 'node:assert/strict';
import {
  BATCH_HEADER_BYTES,
  MAGIC_V2,
  baseOffset,
  batchBytes,
  batchCrc,
  batchMagic,
  computeBatchCrc,
  crc32cThroughBatch,
  lastOffset,
  lastOffsetDelta,
  maxTimestamp,
  partitionLeaderEpoch,
} from '../../kafka/index.ts';
import { OffsetIndexWriter, RELATIVE_OFFSET_MAX } from './offset-index.ts';
import { segmentCorrupt } from './segment-error.ts';
import { NO_TIMESTAMP, TimeIndexWriter } from './time-index.ts';

const WHAT = 'A log';

/** What `finish` gives: the part of a segment that follows from where its batches lie. */
export interface IndexedLog {
  readonly logBytes: number;
  /** Of the `.log`: the checksum to send along with its upload. */
  readonly logCrc32c: number;
  /** Milliseconds; -1 if no batch has a timestamp. */
  readonly maxTimestamp: bigint;
  readonly offsetIndex: Buffer;
  readonly timeIndex: Buffer;
}

export class LogIndexer {
  readonly baseOffset: bigint;
  readonly #indexIntervalBytes: number;
  readonly #offsetIndex: OffsetIndexWriter;
  readonly #timeIndex: TimeIndexWriter;
  #nextOffset: bigint;
  #logBytes = 0;
  #logCrc32c = 0;
  #bytesSinceIndexEntry = 0;
  #maxTimestamp = NO_TIMESTAMP;
  #offsetOfMaxTimestamp: bigint;

  constructor(startOffset: bigint, indexIntervalBytes: number) {
    this.baseOffset = startOffset;
    this.#indexIntervalBytes = indexIntervalBytes;
    this.#nextOffset = startOffset;
    this.#offsetOfMaxTimestamp = startOffset;
    this.#offsetIndex = new OffsetIndexWriter(startOffset);
    this.#timeIndex = new TimeIndexWriter(startOffset);
  }

  get logBytes(): number {
    return this.#logBytes;
  }

  get entryCount(): number {
    return this.#offsetIndex.count;
  }

  /** The lowest base offset that the next batch may have. */
  get nextOffset(): bigint {
    return this.#nextOffset;
  }

  /** Whether the offset is too far from the segment's first for Kafka's indexes. */
  isTooFar(offset: bigint): boolean {
    return offset - this.baseOffset > BigInt(RELATIVE_OFFSET_MAX);
  }

  /**
   * @param epochBefore of the batch before
   * @throws `STORAGE_SEGMENT_CORRUPT` for a batch that cannot come next
   */
  check(batch: Buffer, epochBefore: number): void {
    const isBatch =
      batch.length >= BATCH_HEADER_BYTES &&
      batchMagic(batch) === MAGIC_V2 &&
      batchBytes(batch) === batch.length &&
      lastOffsetDelta(batch) >= 0 &&
      batchCrc(batch) === computeBatchCrc(batch, 0, batch.length);
    if (!isBatch) throw this.#refused(batch, 'these bytes are no whole v2 batch');
    if (baseOffset(batch) < this.#nextOffset) {
      throw this.#refused(batch, 'the offsets of its batches do not rise');
    }
    if (partitionLeaderEpoch(batch) < epochBefore) {
      throw this.#refused(batch, 'its leader epochs do not rise');
    }
    if (this.isTooFar(lastOffset(batch)) && this.#logBytes === 0) {
      throw this.#refused(batch, 'its first batch is too far from its base offset');
    }
  }

  /** @param batch comes next; it was checked */
  append(batch: Buffer): void {
    const last = lastOffset(batch);
    const timestamp = maxTimestamp(batch);
    if (timestamp > this.#maxTimestamp) {
      this.#maxTimestamp = timestamp;
      this.#offsetOfMaxTimestamp = last;
    }
    if (this.#bytesSinceIndexEntry > this.#indexIntervalBytes) {
      this.#offsetIndex.append(last, this.#logBytes);
      this.#timeIndex.maybeAppend(this.#maxTimestamp, this.#offsetOfMaxTimestamp);
      this.#bytesSinceIndexEntry = 0;
    }
    this.#bytesSinceIndexEntry += batch.length;
    this.#logBytes += batch.length;
    this.#logCrc32c = crc32cThroughBatch(batch, 0, batch.length, this.#logCrc32c);
    this.#nextOffset = last + 1n;
  }

  /** To be called once, after at least one batch. */
  finish(): IndexedLog {
    assert(this.#logBytes > 0, 'a segment holds at least one batch');
    this.#timeIndex.maybeAppend(this.#maxTimestamp, this.#offsetOfMaxTimestamp);
    return {
      logBytes: this.#logBytes,
      logCrc32c: this.#logCrc32c,
      maxTimestamp: this.#maxTimestamp,
      offsetIndex: this.#offsetIndex.bytes(),
      timeIndex: this.#timeIndex.bytes(),
    };
  }

  #refused(batch: Buffer, reason: string): Error {
    return segmentCorrupt(WHAT, reason, {
      nextOffset: this.#nextOffset,
      batchBytes: batch.length,
      ...(batch.length < BATCH_HEADER_BYTES
        ? {}
        : { baseOffset: baseOffset(batch), leaderEpoch: partitionLeaderEpoch(batch) }),
    });
  }
}
