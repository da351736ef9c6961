/**
 * A `MergeSite` that is swept: merges and both sweep jobs, by workers that come and go, and what
 * consumers could read of it at any time.
 */
import type { Logger } from 'pino';
import { entryKey, partitionKey, walKey, type GroupState } from '../../storage/index.ts';
import type { ClusterJobContext } from '../../workers/cluster-job.ts';
import { readLogBatch } from '../../workers/merge/log-batch.ts';
import { createMergeJob } from '../../workers/merge/merge-job.ts';
import { createSweepGroupJob } from '../../workers/sweep/sweep-group-job.ts';
import { createSweepWalJob } from '../../workers/sweep/sweep-wal-job.ts';
import type { FakePartition } from './fake-cluster-log.ts';
import { MergeSite, readExtent, type SiteWorker, type WorkerSettings } from './merge-site.ts';

export const HOUR_MS = 3_600_000;
export const DAY_MS = 24 * HOUR_MS;
export const SWEEP = {
  intervalMs: 60_000,
  marginMs: HOUR_MS,
  unsettledMs: 7 * DAY_MS,
  keepMs: 7 * DAY_MS,
  absentMs: DAY_MS,
  journalRetentionMs: DAY_MS,
  vanishedPercentMax: 50,
  orphansEveryMs: 0,
};

export class SweepSite extends MergeSite {
  /** How far the workers' clock is ahead of the store's. */
  skewMs = 0;

  /** Merges what is in the logs, with a worker that starts anew. */
  async merge(settings: Partial<WorkerSettings> = {}): Promise<void> {
    const worker = await this.openWorker(settings);
    await worker.run(createMergeJob({ intervalMs: 1_000, fileBytes: 1_000_000 }));
  }

  /** Sweeps WAL files. */
  async sweep(settings: Partial<WorkerSettings> = {}, options: Partial<typeof SWEEP> = {}) {
    const worker = await this.openWorker(settings);
    await createSweepWalJob({ ...SWEEP, ...options }).run(this.clusterContext(worker));
  }

  /** Sweeps what the groups have. */
  async sweepGroups(settings: Partial<WorkerSettings> = {}): Promise<void> {
    const worker = await this.openWorker(settings);
    await worker.run(createSweepGroupJob(SWEEP));
  }

  clusterContext(worker: SiteWorker): ClusterJobContext {
    const [first] = worker.groups;
    if (first === undefined) throw new Error('there is no group');
    const { group: _group, ...context } = worker.context(first);
    const { clock } = this;
    return {
      ...context,
      clock: {
        wallMs: () => clock.wallMs() + this.skewMs,
        monotonicMs: () => clock.monotonicMs(),
        after: (delayMs, callback) => clock.after(delayMs, callback),
      },
      groups: { groupCount: this.groupCount, states: async () => this.states() },
    };
  }

  /** @returns the keys of all WAL files */
  walFiles(): string[] {
    return [...this.store.objects.keys()].filter((key) => key.startsWith('wal/')).sort();
  }

  /** @returns what a consumer of the partition cannot get, for people */
  async lost(partition: FakePartition): Promise<string[]> {
    const merged = await this.#mergedAt(partition);
    return partition.batches.flatMap((bytes) => {
      const reading = readLogBatch(bytes, partition.id, this.keyRing);
      if (reading.kind !== 'batch') return ['unreadable'];
      const { origin, baseOffset } = reading.batch;
      if (origin.kind === 'real' || this.store.objects.has(walKey(origin.fileId))) return [];
      const { topic, partition: number } = partition.id;
      return merged.has(baseOffset) ? [] : [`${topic}-${number} at ${baseOffset}`];
    });
  }

  async #mergedAt({ id }: FakePartition): Promise<ReadonlySet<bigint>> {
    const offsets = new Set<bigint>();
    for (const [group, { partitions }] of (await this.states()).entries()) {
      for (const extent of partitions.get(partitionKey(id))?.extents ?? []) {
        const batches = await readExtent(this.store, group, extent);
        for (const batch of batches) offsets.add(batch.readBigInt64BE(0));
      }
    }
    return offsets;
  }

  /** @returns bytes of the merged file, 0 if it is gone */
  mergedBytes(group: number, file: number): number {
    return this.store.objects.get(entryKey(group, file))?.length ?? 0;
  }

  async state(): Promise<GroupState> {
    const [state] = await this.states();
    if (state === undefined) throw new Error('there is no group');
    return state;
  }
}

/** What a worker throws that is killed at a failpoint. */
export class Killed extends Error {}

/** @returns settings of a worker that is killed at the n-th failpoint it comes to, from 0 */
export function killedAt(nth: number, logger?: Logger): Partial<WorkerSettings> {
  let passed = 0;
  const failpoint = async (name: string): Promise<void> => {
    passed += 1;
    if (passed > nth) throw new Killed(name);
  };
  return logger === undefined ? { failpoint } : { failpoint, logger };
}

/** @returns once the work is done, or its worker killed */
export async function unlessKilled(work: Promise<void>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (!(error instanceof Killed)) throw error;
  }
}
