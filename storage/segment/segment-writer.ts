/**
 * Makes the files of one segment out of the batches of a partition, in Kafka's own layout
 * (`LogSegment.append`, `updateTxnIndex` and `onBecomeInactiveSegment` of 4.3). The `.log` is the
 * batches themselves, one after the other, and is the caller's to keep: the writer holds indexes
 * and producers only. It does no I/O; the same state and batches always make the same bytes.
 */
import assert from 'node:assert/strict';
import { baseOffset, lastOffset, partitionLeaderEpoch } from '../../kafka/index.ts';
import { encodeLeaderEpochs, leaderEpochsBetween } from './leader-epochs.ts';
import type { LeaderEpoch } from './leader-epochs.ts';
import { LogIndexer } from './log-indexer.ts';
import { encodeProducerSnapshot } from './producer-snapshot.ts';
import { ProducerStates } from './producer-states.ts';
import { PRODUCERS_MAX, boundedProducers } from './segment-state.ts';
import type { SegmentState } from './segment-state.ts';
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
  readonly #log: LogIndexer;
  readonly #segmentBytesMax: number;
  readonly #transactionIndex = new TransactionIndexWriter();
  readonly #producers: ProducerStates;
  readonly #leaderEpochs: LeaderEpoch[];
  #isFinished = false;

  /** @param state as the segment before left it; its `nextOffset` is this one's base offset */
  constructor(state: SegmentState, options: SegmentWriterOptions = {}) {
    this.#segmentBytesMax = options.segmentBytesMax ?? SEGMENT_BYTES_MAX;
    assert(this.#segmentBytesMax <= SEGMENT_BYTES_MAX, 'positions would not fit');
    const { indexIntervalBytes = INDEX_INTERVAL_BYTES } = options;
    this.#log = new LogIndexer(state.nextOffset, indexIntervalBytes);
    this.#producers = new ProducerStates(state.producers);
    this.#leaderEpochs = [...state.leaderEpochs];
  }

  get logBytes(): number {
    return this.#log.logBytes;
  }

  /** The lowest base offset that the next batch may have. */
  get nextOffset(): bigint {
    return this.#log.nextOffset;
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
    this.#log.check(batch, this.#leaderEpochs.at(-1)?.epoch ?? 0);
    if (this.#isFullFor(batch)) return 'full';
    const aborted = this.#producers.append(batch);
    if (aborted !== undefined) this.#transactionIndex.append(aborted);
    this.#log.append(batch);
    const epoch = partitionLeaderEpoch(batch);
    if (epoch !== this.#leaderEpochs.at(-1)?.epoch) {
      this.#leaderEpochs.push({ epoch, startOffset: baseOffset(batch) });
    }
    return 'appended';
  }

  /** @returns the segment, which holds at least one batch; the writer takes no more */
  finish(): FinishedSegment {
    assert(!this.#isFinished, 'the segment is finished');
    this.#isFinished = true;
    return finishSegment(this.#log, this.#transactionIndex, {
      nextOffset: this.#log.nextOffset,
      producers: boundedProducers(this.#producers.list()),
      leaderEpochs: this.#leaderEpochs,
    });
  }

  #isFullFor(batch: Buffer): boolean {
    if (this.#log.logBytes === 0) return false;
    return (
      this.#log.logBytes + batch.length > this.#segmentBytesMax ||
      this.#log.isTooFar(lastOffset(batch)) ||
      this.#log.entryCount >= INDEX_ENTRIES_MAX ||
      this.#transactionIndex.count >= ABORTED_MAX ||
      this.#producers.count >= PRODUCERS_IN_SEGMENT_MAX
    );
  }
}

/** @param state after the segment */
export function finishSegment(
  log: LogIndexer,
  transactionIndex: TransactionIndexWriter,
  state: SegmentState,
): FinishedSegment {
  const { offsetIndex, timeIndex, ...indexed } = log.finish();
  const { nextOffset, producers, leaderEpochs } = state;
  return {
    ...indexed,
    baseOffset: log.baseOffset,
    endOffset: nextOffset - 1n,
    segmentLeaderEpochs: leaderEpochsBetween(leaderEpochs, log.baseOffset, nextOffset),
    files: {
      offsetIndex,
      timeIndex,
      producerSnapshot: encodeProducerSnapshot(producers),
      leaderEpochs: encodeLeaderEpochs(leaderEpochs),
      transactionIndex: transactionIndex.count > 0 ? transactionIndex.bytes() : null,
    },
    state,
  };
}
