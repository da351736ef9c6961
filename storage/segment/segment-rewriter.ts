/**
 * Makes the files of a segment that takes the place of a run of others, out of what compaction has
 * kept of their batches. Producers and leader epochs are no longer to be learned from what is
 * left: what the last one of the run said of them stays true (Kafka's cleaner leaves producer
 * snapshots and leader epoch checkpoints alone, too), and which transactions were aborted is what
 * its caller has found out (`CleanedTransactionMetadata`).
 */
import assert from 'node:assert/strict';
import { lastOffset, partitionLeaderEpoch } from '../../kafka/index.ts';
import { LogIndexer } from './log-indexer.ts';
import type { SegmentState } from './segment-state.ts';
import { INDEX_INTERVAL_BYTES, finishSegment } from './segment-writer.ts';
import type { FinishedSegment } from './segment-writer.ts';
import { TransactionIndexWriter } from './transaction-index.ts';
import type { AbortedTransaction } from './transaction-index.ts';

export class SegmentRewriter {
  readonly #log: LogIndexer;
  readonly #transactionIndex = new TransactionIndexWriter();
  readonly #after: SegmentState;
  #leaderEpoch = 0;

  /**
   * @param startOffset the base offset of the run's first segment
   * @param after the state that the run's last segment left
   */
  constructor(startOffset: bigint, after: SegmentState) {
    this.#log = new LogIndexer(startOffset, INDEX_INTERVAL_BYTES);
    this.#after = after;
  }

  /**
   * Takes the next batch that is kept.
   *
   * @param aborted the transaction that the batch, a marker, ends and of which data is left
   * @throws `STORAGE_SEGMENT_CORRUPT` for a batch that cannot come next
   */
  append(batch: Buffer, aborted?: AbortedTransaction): void {
    assert(lastOffset(batch) < this.#after.nextOffset, 'the batch is not of the run');
    this.#log.check(batch, this.#leaderEpoch);
    if (aborted !== undefined) this.#transactionIndex.append(aborted);
    this.#log.append(batch);
    this.#leaderEpoch = partitionLeaderEpoch(batch);
  }

  /** @returns the segment; its last batch must be the run's */
  finish(): FinishedSegment {
    assert(this.#log.nextOffset === this.#after.nextOffset, 'the last batch of the run is missing');
    return finishSegment(this.#log, this.#transactionIndex, this.#after);
  }
}
