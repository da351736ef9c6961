/**
 * What workers ask of the state that proxies and workers share: leases, the settled count, the
 * files that proxies announced, and the copy of the partition groups' states that proxies read.
 *
 * Unlike a `Coordinator` it may fail: every call throws `COORDINATOR_…` while Redis cannot be
 * asked, and the job that called is tried again later. Nothing here is the only place of a fact.
 */
import type { GroupState, PartitionId, PartitionState } from '../storage/index.ts';
import type { FileAnnouncement } from './coordinator.ts';

/** A claim on a name that expires with its holder. It saves work; correctness never rests on it. */
export interface Lease {
  readonly name: string;
  /** Aborted as soon as the lease may be another's: it expired, or Redis forgot it. */
  readonly lost: AbortSignal;
  /** Gives it back at once. Never fails; without effect once it is lost. */
  release(): Promise<void>;
}

export interface SettledFile extends FileAnnouncement {
  /** What the settled count was when the file was settled: see the sweep rule in the design. */
  readonly settledNumber: number;
}

/** By name: a sweep and a file know partitions by the topic's name only. */
export interface NamedTopicPartition {
  readonly topic: string;
  readonly partition: number;
}

/** A worker among those that live. */
export interface WorkerPlace {
  /** How many workers live, this one included: at least 1. */
  readonly count: number;
  /** How many of them come before this one in the order of their ids, from 0. */
  readonly rank: number;
}

export interface WorkerCoordinator {
  /**
   * Tells that this worker lives; to be called several times within the expiry of a lease. A worker
   * that is not heard for so long, or closes, is no longer counted.
   */
  beat(): Promise<WorkerPlace>;

  /** @returns undefined while another holds the name; renewed until it is released or lost */
  acquireLease(name: string): Promise<Lease | undefined>;

  /**
   * @returns the number of the file settled last, in the range that is in force; undefined while
   *   Redis cannot vouch for it, because it was wiped, or has another replication id than when
   *   the range was claimed
   */
  settledCount(): Promise<number | undefined>;

  /**
   * Settled files by rising number, from the first one above `after`: fewer than the limit also
   * where they name very many partitions, none only if there are none.
   */
  settledFiles(after: number, limit: number): Promise<readonly SettledFile[]>;

  /** Files that were announced and not settled, oldest first; bounded as those that are settled. */
  unsettledFiles(createdBeforeMs: number, limit: number): Promise<readonly FileAnnouncement[]>;

  /** @returns of these files, those that Redis knows, settled or not */
  knownFiles(fileIds: readonly bigint[]): Promise<ReadonlySet<bigint>>;

  /**
   * Counts a file as settled from now on that nobody will settle any more, so that it has to pass
   * the same test as the others. A file that Redis does not know is announced by it.
   *
   * @returns its number
   */
  settleAbandoned(file: FileAnnouncement): Promise<number>;

  /** Forgets files that were deleted from the bucket. */
  forgetFiles(fileIds: readonly bigint[]): Promise<void>;

  /**
   * Asks merges to sample the log ends of these partitions although nothing new is in them.
   * Replaces what was asked before.
   */
  requestSamples(partitions: readonly NamedTopicPartition[]): Promise<void>;

  requestedSamples(): Promise<readonly NamedTopicPartition[]>;

  /** @returns up to which entry Redis has the group's state; 0 if it has none of it */
  appliedNumber(group: number): Promise<number>;

  /**
   * Brings the group's copy from one state to another, partition by partition. Idempotent: a step
   * that Redis has already, or that is not the next one, changes nothing.
   *
   * @param from the state that Redis should have: its number is checked
   * @returns `behind` if Redis has another number: read `appliedNumber` and call `loadGroup`
   */
  applyStates(group: number, from: GroupState, to: GroupState): Promise<'applied' | 'behind'>;

  /** Replaces the group's whole copy, whatever Redis had of it, unless that is newer. */
  loadGroup(group: number, state: GroupState): Promise<void>;

  /**
   * Redis' copy of a group as it is, a partition at a time, in no order: for whoever compares it.
   * While others write, a partition may come twice.
   */
  partitionViews(group: number): AsyncIterable<PartitionView>;

  close(): Promise<void>;
}

/** How a reader, proxy or command, learns what became of a partition's data. */
export interface PartitionStates {
  /**
   * @param isFresh whether the answer must be from after the call, for decisions about what brokers
   *   have deleted; otherwise it is at most seconds old
   * @returns what the journal says of the partition; undefined if it says nothing
   * @throws `COORDINATOR_…` or `STORAGE_…` while neither Redis nor the bucket can be asked
   */
  get(id: PartitionId, isFresh?: boolean): Promise<PartitionView | undefined>;
}

/** A partition's state as readers need it: without what only workers look at. */
export type PartitionView = Omit<PartitionState, 'quarantined' | 'asOf'> & {
  readonly group: number;
};
