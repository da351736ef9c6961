/**
 * What the segments' indexes tell that compaction has to know: which transactions were aborted,
 * how far all of them are decided, who the producers are. Each segment's indexes are read once.
 */
import assert from 'node:assert/strict';
import { AbortedSearch } from '../../storage/index.ts';
import type {
  AbortedTransaction,
  CallOptions,
  PartitionState,
  ProducerState,
  Segment,
} from '../../storage/index.ts';
import { workerError } from '../errors.ts';
import type { StoredBatches } from '../extents/stored-batches.ts';

/** About 100 MB of them. */
const ABORTED_MAX = 500_000;

export class PartitionHistory {
  /** As of the newest segment. */
  readonly producers: readonly ProducerState[];
  /** Exclusive: what is above may belong to a transaction whose end is not in the segments. */
  readonly decidedTo: bigint;
  readonly #aborted: ReadonlyMap<string, readonly AbortedTransaction[]>;
  readonly #segments: readonly Segment[];

  private constructor(
    segments: readonly Segment[],
    aborted: ReadonlyMap<string, readonly AbortedTransaction[]>,
    producers: readonly ProducerState[],
    decidedTo: bigint,
  ) {
    this.#segments = segments;
    this.#aborted = aborted;
    this.producers = producers;
    this.decidedTo = decidedTo;
  }

  /**
   * @param partition has segments
   * @throws `WORKER_COMPACTION_TOO_LARGE` for more aborted transactions than fit into memory, and
   *   as `StoredBatches.openSegment`
   */
  static async read(
    stored: StoredBatches,
    partition: PartitionState,
    call: CallOptions,
  ): Promise<PartitionHistory> {
    const aborted = new Map<string, readonly AbortedTransaction[]>();
    let count = 0;
    let producers: readonly ProducerState[] = [];
    let decidedTo = partition.consolidatedTo;
    for (const segment of partition.segments) {
      const { manifest, indexes } = await stored.openSegment(partition, segment, call);
      const own = [...indexes.aborted()];
      count += own.length;
      if (count > ABORTED_MAX) throw tooMany(partition, count);
      aborted.set(segment.id, own);
      ({ producers } = indexes.state());
      // Where another history was cut off, its end says nothing of how transactions ended.
      if (manifest.endOffset >= segment.endOffset)
        decidedTo = lower(decidedTo, segment.startOffset);
    }
    for (const { transactionFirstOffset: first } of producers) {
      if (first !== undefined) decidedTo = lower(decidedTo, first);
    }
    return new PartitionHistory(partition.segments, aborted, producers, decidedTo);
  }

  /** @returns the aborted transactions with data between the offsets */
  abortedIn(from: bigint, to: bigint): readonly AbortedTransaction[] {
    assert(to <= this.decidedTo, 'not all of them are known');
    const search = new AbortedSearch(from, to);
    for (const { id, endOffset } of this.#segments) {
      if (endOffset <= from) continue;
      if (search.add(this.#aborted.get(id) ?? [])) break;
    }
    return search.result();
  }
}

function lower(left: bigint, right: bigint): bigint {
  return left < right ? left : right;
}

function tooMany({ topic, partition }: PartitionState, count: number): Error {
  return workerError(
    'WORKER_COMPACTION_TOO_LARGE',
    `The partition ${topic}-${partition} has more than ${ABORTED_MAX} aborted transactions in its ` +
      'segments and is not compacted.',
    { details: { topic, partition, count } },
  );
}
