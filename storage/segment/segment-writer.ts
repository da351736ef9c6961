/**
 * Makes the files of one segment out of the batches of a partition, in Kafka's own layout
 * (`LogSegment.append`, `updateTxnIndex` and `onBecomeInactiveSegment` of 4.3). The `.log` is the
 * batches themselves, one after the other, and is the caller's to keep: the writer holds indexes
 * and producers only. It does no I/O; the same state and batches always make the same bytes.
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
  crc32c,
  lastOffset,
  lastOffsetDelta,
  maxTimestamp,
  partitionLeaderEpoch,
} from '../../kafka/index.ts';
import { encodeLeaderEpochs, leaderEpochsBetween } from './leader-epochs.ts';
import type { LeaderEpoch } from './leader-epochs.ts';
import { OffsetIndexWriter, RELATIVE_OFFSET_MAX } from './offset-index.ts';
import { encodeProducerSnapshot } from './producer-snapshot.ts';
import { ProducerStates } from './producer-states.ts';
import { segmentCorrupt } from './segment-error.ts';
import { PRODUCERS_MAX, boundedProducers } from './segment-state.ts';
import type { SegmentState } from './segment-state.ts';
import { NO_TIMESTAMP, TimeIndexWriter } from './time-index.ts';
import { TransactionIndexWriter } from './transaction-index.ts';

/** Kafka's default of `segment.bytes`, and the largest: positions are i32. */
export const SEGMENT_BYTES_MAX = 1024 * 1024 * 1024;
/** Kafka's default of `index.interval.bytes`. */
export const INDEX_INTERVAL_BYTES = 4096;
/**
 * What fits into a time index of Kafka's default `segment.index.bytes`, 10 MiB, closing entry out.
 */
const INDEX_ENTRIES_MAX = Math.floor((10 * 1024 * 1024) / 12) - 1;
/** 34 MB of transaction index: 1 GiB of markers could hold ten times as many. */
const ABORTED_MAX = 1_000_000;
/** A segment may add as many producers as it got at most. */
const PRODUCERS_IN_SEGMENT_MAX = 2 * PRODUCERS_MAX;
const WHAT = 'A log';

export interface SegmentWriterOptions {
  /** A segment ends before the batch that would exceed it. Default and maximum: 1 GiB. */
  readonly segmentBytesMax?: number | undefined;
  /** An offset index entry once more bytes than these lie behind the last. Default 4,096. */
  readonly indexIntervalBytes?: number | undefined;
}

/** The files beside the `.log`. */
export interface SegmentFiles {
  readonly offsetIndex: Buffer;
  readonly timeIndex: Buffer;
  /** As of the offset after the segment's last. */
  readonly producerSnapshot: Buffer;
  /** From the oldest epoch that is known to the segment's last. */
  readonly leaderEpochs: Buffer;
  /** Null if no transaction was aborted: Kafka then has no such file either. */
  readonly transactionIndex: Buffer | null;
}

export interface FinishedSegment {
  readonly baseOffset: bigint;
  /** The last offset, inclusive. */
  readonly endOffset: bigint;
  readonly logBytes: number;
  /** Of the `.log`: the checksum to send along with its upload. */
  readonly logCrc32c: number;
  /** Milliseconds; -1 if no batch has a timestamp. */
  readonly maxTimestamp: bigint;
  /** Those in the segment; the first begins at its base offset. */
  readonly segmentLeaderEpochs: readonly LeaderEpoch[];
  readonly files: SegmentFiles;
  /** For the segment that comes next. */
  readonly state: SegmentState;
}

export class SegmentWriter {
  readonly #baseOffset: bigint;
  readonly #segmentBytesMax: number;
  readonly #indexIntervalBytes: number;
  readonly #offsetIndex: OffsetIndexWriter;
  readonly #timeIndex: TimeIndexWriter;
  readonly #transactionIndex = new TransactionIndexWriter();
  readonly #producers: ProducerStates;
  readonly #leaderEpochs: LeaderEpoch[];
  #nextOffset: bigint;
  #logBytes = 0;
  #logCrc32c = 0;
  #bytesSinceIndexEntry = 0;
  #maxTimestamp = NO_TIMESTAMP;
  #offsetOfMaxTimestamp: bigint;
  #isFinished = false;

  /** @param state as the segment before left it; its `nextOffset` is this one's base offset */
  constructor(state: SegmentState, options: SegmentWriterOptions = {}) {
    this.#segmentBytesMax = options.segmentBytesMax ?? SEGMENT_BYTES_MAX;
    this.#indexIntervalBytes = options.indexIntervalBytes ?? INDEX_INTERVAL_BYTES;
    assert(this.#segmentBytesMax <= SEGMENT_BYTES_MAX, 'positions would not fit');
    this.#baseOffset = state.nextOffset;
    this.#nextOffset = state.nextOffset;
    this.#offsetOfMaxTimestamp = state.nextOffset;
    this.#offsetIndex = new OffsetIndexWriter(state.nextOffset);
    this.#timeIndex = new TimeIndexWriter(state.nextOffset);
    this.#producers = new ProducerStates(state.producers);
    this.#leaderEpochs = [...state.leaderEpochs];
  }

  get logBytes(): number {
    return this.#logBytes;
  }

  /** The lowest base offset that the next batch may have. */
  get nextOffset(): bigint {
    return this.#nextOffset;
  }

  /**
   * Takes the next batch of the partition, control batches included; gaps between batches are fine,
   * as compaction leaves them.
   *
   * @param batch a whole v2 batch with offsets and leader epoch as assigned, not kept
   * @returns `full`: it was not taken, and is the first of the next segment. The first batch of a
   *   segment always fits.
   * @throws `STORAGE_SEGMENT_CORRUPT` for a batch that cannot come next; it was not taken then
   */
  append(batch: Buffer): 'appended' | 'full' {
    assert(!this.#isFinished, 'the segment is finished');
    this.#check(batch);
    if (this.#isFullFor(batch)) return 'full';
    const aborted = this.#producers.append(batch);
    if (aborted !== undefined) this.#transactionIndex.append(aborted);
    this.#index(batch);
    const epoch = partitionLeaderEpoch(batch);
    if (epoch !== this.#leaderEpochs.at(-1)?.epoch) {
      this.#leaderEpochs.push({ epoch, startOffset: baseOffset(batch) });
    }
    this.#nextOffset = lastOffset(batch) + 1n;
    return 'appended';
  }

  /** @returns the segment, which holds at least one batch; the writer takes no more */
  finish(): FinishedSegment {
    assert(!this.#isFinished, 'the segment is finished');
    assert(this.#logBytes > 0, 'a segment holds at least one batch');
    this.#isFinished = true;
    this.#timeIndex.maybeAppend(this.#maxTimestamp, this.#offsetOfMaxTimestamp);
    const nextOffset = this.#nextOffset;
    const leaderEpochs = this.#leaderEpochs;
    const state: SegmentState = {
      nextOffset,
      producers: boundedProducers(this.#producers.list()),
      leaderEpochs,
    };
    return {
      baseOffset: this.#baseOffset,
      endOffset: nextOffset - 1n,
      logBytes: this.#logBytes,
      logCrc32c: this.#logCrc32c,
      maxTimestamp: this.#maxTimestamp,
      segmentLeaderEpochs: leaderEpochsBetween(leaderEpochs, this.#baseOffset, nextOffset),
      files: {
        offsetIndex: this.#offsetIndex.bytes(),
        timeIndex: this.#timeIndex.bytes(),
        producerSnapshot: encodeProducerSnapshot(state.producers),
        leaderEpochs: encodeLeaderEpochs(leaderEpochs),
        transactionIndex: this.#transactionIndex.count > 0 ? this.#transactionIndex.bytes() : null,
      },
      state,
    };
  }

  #check(batch: Buffer): void {
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
    const epoch = partitionLeaderEpoch(batch);
    const epochBefore = this.#leaderEpochs.at(-1)?.epoch ?? 0;
    if (epoch < epochBefore) throw this.#refused(batch, 'its leader epochs do not rise');
    const isTooFar = lastOffset(batch) - this.#baseOffset > BigInt(RELATIVE_OFFSET_MAX);
    if (isTooFar && this.#logBytes === 0) {
      throw this.#refused(batch, 'its first batch is too far from its base offset');
    }
  }

  #isFullFor(batch: Buffer): boolean {
    if (this.#logBytes === 0) return false;
    return (
      this.#logBytes + batch.length > this.#segmentBytesMax ||
      lastOffset(batch) - this.#baseOffset > BigInt(RELATIVE_OFFSET_MAX) ||
      this.#offsetIndex.count >= INDEX_ENTRIES_MAX ||
      this.#transactionIndex.count >= ABORTED_MAX ||
      this.#producers.count >= PRODUCERS_IN_SEGMENT_MAX
    );
  }

  /** `LogSegment.append`, for each batch of its own. */
  #index(batch: Buffer): void {
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
    this.#logCrc32c = crc32c(batch, this.#logCrc32c);
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
