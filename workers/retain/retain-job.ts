/**
 * The retain job of a partition group: applies `retention.ms`, `retention.bytes` and users'
 * DeleteRecords to what is stored, and sees to it that what was given up really goes.
 */
import type { GroupJob } from '../group-job.ts';
import { deleteUpstream } from './delete-upstream.ts';
import { moveStarts } from './move-starts.ts';
import { rewriteWasted } from './rewrite-wasted.ts';
import type { WasteLimits } from './wasted-files.ts';

export interface RetainJobOptions extends WasteLimits {
  readonly intervalMs: number;
}

/** @returns the job, one for all groups of a process */
export function createRetainJob({ intervalMs, ...limits }: RetainJobOptions): GroupJob {
  /** Bounded by the partitions that there are; forgotten with the process, and asked for anew. */
  const doneAt = new Map<number, Map<string, bigint>>();
  return {
    name: 'retain',
    intervalMs,
    run: async (context) => {
      await moveStarts(context);
      const { number } = context.group;
      const ofGroup = doneAt.get(number) ?? new Map<string, bigint>();
      doneAt.set(number, ofGroup);
      await deleteUpstream(context, ofGroup);
      await rewriteWasted(context, limits);
    },
  };
}
