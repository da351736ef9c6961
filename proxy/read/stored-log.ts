/**
 * A partition's log below the offset up to which workers trimmed the broker's: read from segments,
 * which hold all of it, without a look at the broker.
 *
 * It promises: batches in order, none left out, each whole and sound; and of aborted transactions
 * exactly those that the rules of `AbortedSearch` name.
 */
import assert from 'node:assert/strict';
import { baseOffset } from '../../kafka/index.ts';
import { nextTurn } from '../../runtime/index.ts';
import { AbortedSearch } from '../../storage/index.ts';
import { Pace } from '../pace.ts';
import type { ExtentReader } from './extent-reader.ts';
import { expectFound } from './lookup.ts';
import type { OpenTransaction, SegmentReader } from './segment-reader.ts';
import type { StoredBatches } from './stored-batches.ts';
import { segmentsFrom, type StoredPartition } from './stored-partition.ts';
import { decideByMarkers } from './transaction-markers.ts';

export interface AbortedData {
  readonly producerId: bigint;
  readonly firstOffset: bigint;
}

export interface AbortedList {
  /** By their first offset. */
  readonly aborted: readonly AbortedData[];
  /** Transactions with data in the range whose markers are in the broker's log only. */
  readonly undecided: readonly OpenTransaction[];
}

export interface StoredLogParts {
  readonly segments: SegmentReader;
  readonly extents: ExtentReader;
  readonly batches: Pick<StoredBatches, 'giveBack'>;
}

export class StoredLog {
  readonly #segments: SegmentReader;
  readonly #extents: ExtentReader;
  readonly #batches: Pick<StoredBatches, 'giveBack'>;

  constructor({ segments, extents, batches }: StoredLogParts) {
    this.#segments = segments;
    this.#extents = extents;
    this.#batches = batches;
  }

  /**
   * @param from one of the partition's offsets in segments
   * @param to no batch that begins there or later is read
   * @param bytesMax the first batch is read whatever its size
   * @returns batches from the one that has the offset on, views of shared memory until `giveBack`
   * @throws `PROXY_FILL_UNAVAILABLE` (retriable), `PROXY_OBJECT_MISSING`, `PROXY_OBJECT_CORRUPT`
   */
  async read(
    partition: StoredPartition,
    from: bigint,
    to: bigint,
    bytesMax: number,
  ): Promise<readonly Buffer[]> {
    const batches: Buffer[] = [];
    const pace = new Pace();
    let bytes = 0;
    for (const piece of segmentsFrom(partition, from)) {
      if (piece.segment.startOffset >= to) break;
      const start = piece.segment.startOffset > from ? piece.segment.startOffset : from;
      let placed = await expectFound(piece.key, () => this.#segments.batchAt(piece, start));
      while (placed !== undefined) {
        const { batch, position } = placed;
        const isFull = batches.length > 0 && bytes + batch.length > bytesMax;
        if (isFull || baseOffset(batch) >= to) {
          this.giveBack([batch]);
          return batches;
        }
        batches.push(batch);
        bytes += batch.length;
        if (pace.isDue(batch.length)) await nextTurn();
        const next = position + batch.length;
        placed = await expectFound(piece.key, () => this.#segments.batchFrom(piece, next));
      }
    }
    return batches;
  }

  /** To be called with what `read` gave, when it is not looked at any more. */
  giveBack(batches: Iterable<Buffer>): void {
    for (const batch of batches) this.#batches.giveBack(batch);
  }

  /**
   * @param from what the consumer asked for
   * @param to the offset after the last that it is given
   * @throws as `read`
   */
  async aborted(partition: StoredPartition, from: bigint, to: bigint): Promise<AbortedList> {
    const search = new AbortedSearch(from, to);
    let undecided: readonly OpenTransaction[] = [];
    for (const piece of segmentsFrom(partition, from)) {
      const indexes = await expectFound(piece.key, () => this.#segments.indexesOf(piece));
      assert(indexes !== undefined, 'a segment has indexes');
      if (search.add(indexes.aborted())) {
        undecided = [];
        break;
      }
      const end = await expectFound(piece.key, () => this.#segments.endOf(piece));
      assert(end !== undefined, 'a segment has an end');
      undecided = end.openTransactions.filter(({ firstOffset }) => firstOffset < to);
      // Whatever has data in the range is decided by now, or open at the end of the segment.
      if (piece.segment.endOffset >= to && undecided.length === 0) break;
    }
    const aborted = search.result();
    if (undecided.length === 0) return { aborted, undecided };
    const decided = await decideByMarkers(this.#extents, partition, undecided);
    const all = [...aborted, ...decided.aborted].sort(byFirstOffset);
    return { aborted: all, undecided: decided.undecided };
  }
}

/** kafkajs does not sort them itself. */
function byFirstOffset(left: AbortedData, right: AbortedData): number {
  return Number(left.firstOffset - right.firstOffset);
}
