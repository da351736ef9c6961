/**
 * Samples of log ends that wait for their cursor, of one partition group. A sample says: the
 * settled count was n, then the leader of this epoch was asked where its log ends. Once the cursor
 * has come that far under the same epoch, every placeholder of the first n settled files is merged
 * (the sweep rule). Kept in memory only: a lost sample is taken anew.
 */
import { partitionKey, type PartitionState } from '../../storage/index.ts';
import type { LogEnd, PartitionLeader } from '../log/cluster-log.ts';
import { provesAsOf } from '../sweep/sample-rule.ts';

export interface Sample {
  readonly topicId: string;
  readonly topic: string;
  readonly partition: number;
  readonly count: number;
  /** Where the partition begins, if nothing was merged of it yet. */
  readonly cursor?: bigint;
}

interface Pending extends LogEnd {
  readonly count: number;
}

export class Samples {
  readonly #pending = new Map<string, Pending>();

  /**
   * An older sample of the same leader is kept, since it is reached first. What not every broker
   * has confirmed is no sample: the leader may have been deposed.
   *
   * @param count the settled count before the ends were asked for
   * @param ends of all partitions that may have something to merge
   */
  note(ends: ReadonlyMap<string, LogEnd>, count: number): void {
    for (const [key, known] of this.#pending) {
      const end = ends.get(key);
      if (end === undefined || !isSameLeader(known, end)) this.#pending.delete(key);
    }
    for (const [key, end] of ends) {
      if (!end.isNamedByAll || this.#pending.has(key)) continue;
      this.#pending.set(key, { ...end, count });
    }
  }

  /**
   * @param state what the journal says of the partition, as far as it is known there
   * @param cursor up to where the log was read from this leader
   * @returns what may be committed with it
   */
  reached(
    leader: PartitionLeader,
    state: PartitionState | undefined,
    cursor: bigint,
  ): Sample | undefined {
    const key = partitionKey(leader);
    const pending = this.#pending.get(key);
    if (pending === undefined || !isSameLeader(pending, leader)) return undefined;
    const asOf = state?.asOf ?? null;
    if (asOf !== null && pending.count <= asOf) {
      // The journal says as much already: kept, it would stand in the way of the next one.
      this.drop(key);
      return undefined;
    }
    const { leaderEpoch } = leader;
    if (!provesAsOf(pending, { cursor, leaderEpoch }, asOf)) return undefined;
    const { topicId, topic, partition } = leader;
    return { topicId, topic, partition, count: pending.count };
  }

  /** Forgets what is committed, or proves nothing any more. */
  drop(key: string): void {
    this.#pending.delete(key);
  }
}

function isSameLeader(left: PartitionLeader, right: PartitionLeader): boolean {
  return left.brokerId === right.brokerId && left.leaderEpoch === right.leaderEpoch;
}
