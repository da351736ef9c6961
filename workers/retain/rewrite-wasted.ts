/**
 * Copies what is left of merged files with much waste into new ones (entry `re-merge`), so that the
 * old ones die, and the sweep deletes the bytes that were given up.
 */
import type { JobContext } from '../group-job.ts';
import { reMergeRuns } from '../merge/re-merge.ts';
import { concernsPartition } from '../partition-errors.ts';
import { planRewrites } from './wasted-files.ts';
import type { WasteLimits } from './wasted-files.ts';

/** Merges wait meanwhile, so what is left comes with the next run. */
const REWRITES_MAX = 4;

/** @throws what the store or the journal throw for a while; what is damaged is logged */
export async function rewriteWasted(context: JobContext, limits: WasteLimits): Promise<void> {
  const { group, clock, signal, logger } = context;
  const rewrites = await planRewrites(group.state, limits, clock.wallMs());
  for (const rewrite of rewrites.slice(0, REWRITES_MAX)) {
    signal.throwIfAborted();
    try {
      if (!(await reMergeRuns(context, rewrite))) return;
    } catch (error) {
      if (!concernsPartition(error)) throw error;
      logger.error({ err: error }, 'a wasted file stays: it cannot be read back');
    }
  }
}
