/** The jobs there are. Each is made from its own part of the options; nothing else knows them all. */
import type { ClusterJob } from './cluster-job.ts';
import type { GroupJob } from './group-job.ts';
import { createMergeJob } from './merge/merge-job.ts';
import type { MergeReport } from './merge/merge-run.ts';
import type { JobOptions } from './worker-options.ts';

/** Who is told of what jobs find. */
export interface JobWatch {
  readonly onMerge: (group: number, report: MergeReport) => void;
}

/** @returns the jobs of every partition group */
export function createGroupJobs({ merge }: JobOptions, watch: JobWatch): readonly GroupJob[] {
  return [createMergeJob({ ...merge, onReport: watch.onMerge })];
}

/** @returns the jobs of the whole cluster */
export function createClusterJobs(_options: JobOptions): readonly ClusterJob[] {
  return [];
}
