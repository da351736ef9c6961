/**
 * The compact job of a partition group: looks for partitions of compacted topics whose segments
 * are worth it (`LogCleanerManager.grabFilthiestCompactedLog`), dirtiest first.
 */
import { BATCH_HEADER_BYTES, maxTimestamp } from '../../kafka/index.ts';
import { partitionKey } from '../../storage/index.ts';
import type { PartitionState } from '../../storage/index.ts';
import { keysOf } from '../extents/segment-log.ts';
import type { GroupJob, JobContext } from '../group-job.ts';
import { concernsPartition } from '../partition-errors.ts';
import { compactPartition } from './compact-partition.ts';
import { planCompaction } from './compaction-plan.ts';
import type { CompactionPlan } from './compaction-plan.ts';

/** What is left then waits for the next run, so that other jobs of the group have their turn. */
const PASSES_MAX = 16;

export interface CompactJobOptions {
  readonly intervalMs: number;
  /** What the map of a partition's keys may take. */
  readonly mapBytes: number;
}

/** @returns the job, one for all groups of a process: they take turns, each holds much memory */
export function createCompactJob({ intervalMs, mapBytes }: CompactJobOptions): GroupJob {
  let isBusy = false;
  return {
    name: 'compact',
    intervalMs,
    run: async (context) => {
      if (isBusy) return;
      isBusy = true;
      try {
        await compactGroup(context, mapBytes);
      } finally {
        isBusy = false;
      }
    },
  };
}

async function compactGroup(context: JobContext, mapBytes: number): Promise<void> {
  const plans = await plansOf(context, [...context.group.state.partitions.values()]);
  for (const { partition: planned } of plans) {
    for (let pass = 0; pass < PASSES_MAX; pass++) {
      context.signal.throwIfAborted();
      const partition = context.group.state.partitions.get(partitionKey(planned));
      const [plan] = partition === undefined ? [] : await plansOf(context, [partition], pass > 0);
      if (plan === undefined) break;
      if ((await compactOne(context, plan, mapBytes)) !== 'partly') break;
    }
  }
}

async function compactOne(
  context: JobContext,
  plan: CompactionPlan,
  mapBytes: number,
): Promise<'clean' | 'partly' | 'dropped' | 'failed'> {
  const { topic, partition } = plan.partition;
  try {
    const outcome = await compactPartition(context, plan, mapBytes);
    context.logger.info({ topic, partition, outcome }, 'a partition was compacted');
    return outcome;
  } catch (error) {
    if (!concernsPartition(error)) throw error;
    context.logger.error({ err: error, topic, partition }, 'a partition is not compacted');
    return 'failed';
  }
}

/**
 * @param isBegun whether all of it is to be cleaned by now, however little is left
 * @returns what is worth it, the dirtiest first
 */
async function plansOf(
  context: JobContext,
  partitions: readonly PartitionState[],
  isBegun = false,
): Promise<CompactionPlan[]> {
  const candidates = partitions.filter(({ segments }) => segments.length > 0);
  const settings = await context.settings.get(candidates.map(({ topic }) => topic));
  const plans: CompactionPlan[] = [];
  for (const partition of candidates) {
    const ofTopic = settings.get(partition.topic);
    if (ofTopic?.cleanup.compact !== true) continue;
    const plan = planCompaction(partition, ofTopic, context.clock.wallMs());
    if (plan === undefined) continue;
    if (isBegun || (await isDue(context, plan))) plans.push(plan);
  }
  return plans.sort((a, b) => b.dirtyRatio - a.dirtyRatio);
}

async function isDue(context: JobContext, plan: CompactionPlan): Promise<boolean> {
  const { settings, dirtyRatio } = plan;
  if (dirtyRatio > settings.minCleanableDirtyRatio) return true;
  if (!Number.isFinite(settings.maxCompactionLagMs)) return false;
  const since = await firstTimestamp(context, plan);
  return since > 0 && since < context.clock.wallMs() - settings.maxCompactionLagMs;
}

/** @returns that of the first dirty segment's first batch, by which Kafka goes; -1 for none */
async function firstTimestamp(
  { store, signal }: JobContext,
  plan: CompactionPlan,
): Promise<number> {
  const dirty = plan.segments.find(({ endOffset }) => endOffset > plan.firstDirtyOffset);
  if (dirty === undefined) return -1;
  const key = keysOf(plan.partition, dirty).log;
  const outcome = await store.getRange(key, 0, BATCH_HEADER_BYTES, { signal });
  const isThere = outcome.kind === 'found' && outcome.bytes.length === BATCH_HEADER_BYTES;
  return isThere ? Number(maxTimestamp(outcome.bytes)) : -1;
}
