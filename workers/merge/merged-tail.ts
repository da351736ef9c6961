/**
 * What a partition's journal says was merged, batch by batch: read from the indexes of its extents.
 * The batch merged last is remembered, so that a run need not ask the store for it.
 */
import { LRUCache } from 'lru-cache';
import {
  ExtentIndex,
  entryKey,
  partitionKey,
  type Extent,
  type LogBatch,
  type ObjectStore,
  type PartitionId,
  type PartitionState,
} from '../../storage/index.ts';
import { workerError } from '../errors.ts';

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
    const index = await readExtentIndex(extent, group, store);
    const last = index.find(extent.endOffset - 1n);
    if (last >= index.batchCount) return undefined;
    const tail = index.at(last);
    this.#tails.set(key, tail);
    return tail;
  }
}

/** @throws `WORKER_OBJECT_MISSING`, `STORAGE_MERGED_CORRUPT`, or what the store throws */
export async function readExtentIndex(
  extent: Extent,
  group: number,
  store: ObjectStore,
): Promise<ExtentIndex> {
  const key = entryKey(group, extent.file);
  const position = extent.position + extent.bytes;
  const outcome = await store.getRange(key, position, extent.indexBytes);
  if (outcome.kind === 'found') return new ExtentIndex(outcome.bytes, extent);
  const message = 'A merged file is gone that a journal refers to.';
  throw workerError('WORKER_OBJECT_MISSING', message, { details: { key } });
}
