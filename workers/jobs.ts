/**
 * The jobs there are. Each is made from its own part of the options; nothing else knows them all.
 */
import { createClassicAgainJob } from './classic-again/classic-again-job.ts';
import type { ClusterJob } from './cluster-job.ts';
import { createCompactJob } from './compact/compact-job.ts';
import { createConsolidateJob } from './consolidate/consolidate-job.ts';
import type { GroupJob } from './group-job.ts';
import { createMergeJob } from './merge/merge-job.ts';
import type { MergeReport } from './merge/merge-run.ts';
import { createRetainJob } from './retain/retain-job.ts';
import { ABSENT_MS } from './sweep/deleted-topics.ts';
import { createSweepGroupJob } from './sweep/sweep-group-job.ts';
import { createSweepWalJob } from './sweep/sweep-wal-job.ts';
import { createTrimJob } from './trim/trim-job.ts';
import type { JobOptions } from './worker-options.ts';

/** Listings are slow and cost requests, and what they find does no harm meanwhile. */
const SWEEP_TIMES = { absentMs: ABSENT_MS, orphansEveryMs: 6 * 3_600_000 };

/** Who is told of what jobs find. */
export interface JobWatch {
  readonly onMerge: (group: number, report: MergeReport) => void;
}

/** @returns the jobs of every partition group */
export function createGroupJobs(options: JobOptions, watch: JobWatch): readonly GroupJob[] {
  const { sweep } = options;
  return [
    createMergeJob({ ...options.merge, onReport: watch.onMerge }),
    createConsolidateJob(options.consolidate),
    createTrimJob(options.trim),
    createRetainJob(options.retain),
    createCompactJob(options.compact),
    createSweepGroupJob({ ...sweep, keepMs: sweep.unsettledMs, ...SWEEP_TIMES }),
  ];
}

/** @returns the jobs of the whole cluster */
export function createClusterJobs(options: JobOptions): readonly ClusterJob[] {
  return [
    createSweepWalJob({ ...options.sweep, ...SWEEP_TIMES }),
    createClassicAgainJob(options.retain.intervalMs),
  ];
}
