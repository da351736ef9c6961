/**
 * Where partitions begin for consumers (DESIGN §9): the journal's start, which may be below the
 * broker's, because workers trimmed what is in segments, or above it, because of retention. A start
 * of the broker's that is above what was trimmed is a user's doing, and counts.
 */
import { LRUCache } from 'lru-cache';
import { partitionKey, type PartitionId } from '../../storage/index.ts';
import type { StoredPartition } from './stored-partition.ts';

/** Starts that users asked for here, until the journal has them. */
const REQUESTED_MAX = 100_000;

export class LogicalStarts {
  readonly #requested = new LRUCache<string, bigint>({ max: REQUESTED_MAX });

  /** Counts from now on what a user has asked for, and workers will put into the journal. */
  request(id: PartitionId, offset: bigint): void {
    const key = partitionKey(id);
    this.#requested.set(key, larger(offset, this.#requested.get(key) ?? 0n));
  }

  /** @returns the start as far as it is known without the broker's: it may be higher */
  atLeast({ view }: StoredPartition): bigint {
    return larger(view.logicalStart ?? 0n, this.#requested.get(partitionKey(view)) ?? 0n);
  }

  /** @param brokerStart the log start that the broker has just told */
  of(partition: StoredPartition, brokerStart: bigint): bigint {
    const { logicalStart, trimIntent } = partition.view;
    const isOurs = logicalStart !== null && trimIntent !== null && brokerStart <= trimIntent;
    const atLeast = this.atLeast(partition);
    return isOurs ? atLeast : larger(atLeast, brokerStart);
  }
}

function larger(left: bigint, right: bigint): bigint {
  return left > right ? left : right;
}
