/**
 * A job of the whole cluster: of all workers one runs it, whoever holds the lease of cluster jobs.
 * Like a group's it finds out by itself what there is to do and may be run again at any time; two
 * workers may run it at once when a lease changes hands. It reads every group's state and writes
 * no journal.
 */
import type { GroupState } from '../storage/index.ts';
import type { JobContext } from './group-job.ts';

export const CLUSTER_JOBS = ['sweep-wal', 'classic-again'] as const;
export type ClusterJobName = (typeof CLUSTER_JOBS)[number];

export interface AllGroups {
  readonly groupCount: number;
  /**
   * What the journals add up to, by the groups' numbers, each read to its end after the call began:
   * from the bucket, never from Redis' copy.
   *
   * @throws `STORAGE_…` if one of them cannot be read
   */
  states(): Promise<readonly GroupState[]>;
}

export type ClusterJobContext = Omit<JobContext, 'group'> & { readonly groups: AllGroups };

export interface ClusterJob {
  readonly name: ClusterJobName;
  readonly intervalMs: number;
  /** @throws what the brokers, the store or Redis threw: the job is tried again, later each time */
  run(context: ClusterJobContext): Promise<void>;
}
