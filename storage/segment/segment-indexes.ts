/**
 * The indexes of a stored segment, for answering Fetch and ListOffsets below the broker's log
 * start. Everything that the file claims is checked once, when it is opened; lookups are binary
 * searches then. It holds no more than the bytes that it was opened with.
 */
import { parseLeaderEpochs } from './leader-epochs.ts';
import { OffsetIndex } from './offset-index.ts';
import type { PositionRange } from './offset-index.ts';
import { parseProducerSnapshot } from './producer-snapshot.ts';
import { segmentCorrupt } from './segment-error.ts';
import type { IndexPlace, SegmentManifest } from './segment-manifest.ts';
import type { SegmentState } from './segment-state.ts';
import { TimeIndex } from './time-index.ts';
import { TransactionIndex } from './transaction-index.ts';
import type { AbortedTransaction } from './transaction-index.ts';

export class SegmentIndexes {
  readonly #manifest: SegmentManifest;
  readonly #bytes: Buffer;
  readonly #offsets: OffsetIndex;
  readonly #times: TimeIndex;
  readonly #transactions: TransactionIndex | undefined;

  /**
   * @param manifest the segment's
   * @param bytes its whole `.indexes` object, not copied
   * @throws `STORAGE_SEGMENT_CORRUPT` unless all of them are there and make sense
   */
  constructor(manifest: SegmentManifest, bytes: Buffer) {
    this.#manifest = manifest;
    this.#bytes = bytes;
    const { startOffset, endOffset, logBytes, indexes } = manifest;
    const { offset, timestamp, transaction } = indexes;
    this.#offsets = new OffsetIndex(this.#at(offset), startOffset, logBytes);
    this.#times = new TimeIndex(this.#at(timestamp), startOffset, endOffset);
    this.#transactions =
      transaction === null
        ? undefined
        : new TransactionIndex(this.#at(transaction), startOffset, endOffset);
  }

  /**
   * @returns between which positions of the `.log` the first batch begins whose last offset is
   *   `offset` or higher (`LogSegment.translateOffset`); `seekOffset` finds it there. Undefined if
   *   the offset is not the segment's.
   */
  rangeOfOffset(offset: bigint): PositionRange | undefined {
    const { startOffset, endOffset } = this.#manifest;
    if (offset < startOffset || offset > endOffset) return undefined;
    return this.#offsets.rangeOf(offset);
  }

  /**
   * The first step of `LogSegment.findOffsetByTimestamp`.
   *
   * @param timestamp milliseconds
   * @param fromOffset batches that end below it do not count: the partition's logical start
   * @returns between which positions of the `.log` the first batch begins that reaches both;
   *   `seekTimestamp` finds it there, or finds that there is none up to `to`. Undefined if the
   *   segment has none.
   */
  rangeOfTimestamp(timestamp: bigint, fromOffset: bigint): PositionRange | undefined {
    const { startOffset, endOffset, logBytes } = this.#manifest;
    const ends = this.#times.rangeOf(timestamp);
    if (ends === undefined || fromOffset > endOffset) return undefined;
    const from = fromOffset > ends.from ? fromOffset : ends.from;
    return {
      from: this.#offsets.rangeOf(from > startOffset ? from : startOffset).from,
      // The batch that the time index promises may end too early: then it is any one after it.
      to: ends.to >= fromOffset ? this.#offsets.rangeOf(ends.to).to : logBytes,
    };
  }

  /** @returns the aborted transactions whose marker is in the segment: for an `AbortedSearch` */
  aborted(): Iterable<AbortedTransaction> {
    return this.#transactions?.entries() ?? [];
  }

  /**
   * @returns what the segment after this one begins with
   * @throws `STORAGE_SEGMENT_CORRUPT` if producer snapshot or leader epochs are damaged
   */
  state(): SegmentState {
    const { producerSnapshot, leaderEpoch } = this.#manifest.indexes;
    return {
      nextOffset: this.#manifest.endOffset + 1n,
      producers: parseProducerSnapshot(this.#at(producerSnapshot)),
      leaderEpochs: parseLeaderEpochs(this.#at(leaderEpoch)),
    };
  }

  #at({ position, size }: IndexPlace): Buffer {
    const end = position + size;
    if (end <= this.#bytes.length) return this.#bytes.subarray(position, end);
    throw segmentCorrupt('An indexes object', 'it is shorter than its manifest says', {
      indexesBytes: this.#bytes.length,
      end,
    });
  }
}
