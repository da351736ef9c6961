/**
 * The batch of each partition that was merged last, as the log had it: remembered, so that a run
 * need not read it from the index of its extent.
 */
import { LRUCache } from 'lru-cache';
import {
  partitionKey,
  type LogBatch,
  type ObjectStore,
  type PartitionId,
  type PartitionState,
} from '../../storage/index.ts';
import { StoredBatches } from '../extents/stored-batches.ts';

/** Far above the partitions that a worker merges at once; a forgotten one costs a GET. */
const TAILS_MAX = 200_000;

export class MergedTails {
  readonly #tails = new LRUCache<string, LogBatch>({ max: TAILS_MAX });

  remember(id: PartitionId, tail: LogBatch): void {
    this.#tails.set(partitionKey(id), tail);
  }

  /**
   * @returns the last merged batch; undefined if none is in an extent, or the cursor has moved on
   *   without one
   * @throws as `StoredBatches.index`
   */
  async get(
    state: PartitionState,
    group: number,
    store: ObjectStore,
  ): Promise<LogBatch | undefined> {
    const key = partitionKey(state);
    const known = this.#tails.get(key);
    if (known !== undefined && known.lastOffset + 1n === state.cursor) return known;
    const extent = state.extents.at(-1);
    if (extent === undefined || extent.endOffset !== state.cursor) return undefined;
    const index = await new StoredBatches({ store, group }).index(extent);
    const last = index.find(extent.endOffset - 1n);
    if (last >= index.batchCount) return undefined;
    const tail = index.at(last);
    this.#tails.set(key, tail);
    return tail;
  }
}
