/**
 * The names of all keys. Those of one Kafka cluster share a hash tag with the cluster's id in it:
 * on a Redis Cluster they are in one slot, as scripts need, and data of another cluster, say in a
 * Redis restored from the wrong snapshot, is never read as this one's.
 */

/** Keys that scripts and readers use; each is explained in the scripts. */
export interface CoordinatorKeys {
  /** Names the Kafka cluster that the namespace belongs to; outside the hash tag. */
  readonly owner: string;
  readonly members: string;
  readonly memberDeadlines: string;
  readonly memberClock: string;
  readonly topics: string;
  readonly topicsRemoved: string;
  readonly topicsLoaded: string;
  /** Held by whoever copies the topics from the bucket; expires. */
  readonly topicsLease: string;
  readonly files: string;
  readonly filesUnsettled: string;
  readonly filesSettled: string;
  readonly settled: string;
  readonly changes: string;
  readonly changesCount: string;
  /** Workers that live. */
  readonly workers: string;
  /** Partitions whose log ends merges are asked to sample. */
  readonly samples: string;
  /** Held by whoever has the lease of that name; expires. */
  lease(name: string): string;
  /** Redis' copy of a partition group. */
  group(group: number): string;
  /** A copy that is being written; expires unless it takes the other's place. */
  groupLoad(group: number, token: string): string;
}

/**
 * @param namespace what several Kafka clusters on one Redis are told apart by
 * @param clusterId the Kafka cluster's id
 */
export function coordinatorKeys(namespace: string, clusterId: string): CoordinatorKeys {
  const prefix = `{${namespace}:${clusterId}}:`;
  return {
    owner: `${namespace}:owner`,
    members: `${prefix}members`,
    memberDeadlines: `${prefix}members:deadlines`,
    memberClock: `${prefix}members:clock`,
    topics: `${prefix}topics`,
    topicsRemoved: `${prefix}topics:removed`,
    topicsLoaded: `${prefix}topics:loaded`,
    topicsLease: `${prefix}topics:lease`,
    files: `${prefix}files`,
    filesUnsettled: `${prefix}files:unsettled`,
    filesSettled: `${prefix}files:settled`,
    settled: `${prefix}settled`,
    changes: `${prefix}changes`,
    changesCount: `${prefix}changes:count`,
    workers: `${prefix}workers`,
    samples: `${prefix}samples`,
    lease: (name) => `${prefix}lease:${name}`,
    group: (group) => `${prefix}group:${group}`,
    groupLoad: (group, token) => `${prefix}group:${group}:load:${token}`,
  };
}
