/**
 * The sweep of a partition group: merged files and segments that nothing refers to, what was set
 * aside and is given up, what is left of deleted topics, objects that no journal names, and old
 * entries of the journal itself. Deletes first and writes the entry then: both may be done twice.
 */
import type { GroupJob, JobContext } from '../group-job.ts';
import { Absences } from './absences.ts';
import { sweepDead } from './dead-objects.ts';
import { isDeleted } from './deleted-topics.ts';
import { sweepOrphanSegments } from './group-orphans.ts';
import { pruneEntries } from './prune-entries.ts';
import { givenUpQuarantines } from './quarantines.ts';
import { askClocks, type TwoClocks } from './store-clock.ts';

export interface SweepGroupOptions {
  readonly intervalMs: number;
  /** What is dead is kept so long for readers that have begun. */
  readonly marginMs: number;
  /**
   * What was set aside because the log has another history, what others than Outrigger deleted, and
   * objects that no journal names, are kept so long.
   */
  readonly keepMs: number;
  readonly absentMs: number;
  /** Journal entries that snapshots have are kept so long all the same. */
  readonly journalRetentionMs: number;
  /** Between two looks for objects that no journal names. */
  readonly orphansEveryMs: number;
}

/** How often entries are looked for in the time for which they are kept: it takes a listing. */
const PRUNES_PER_RETENTION = 8;

/** @returns the job, one for all groups of a process */
export function createSweepGroupJob(options: SweepGroupOptions): GroupJob {
  const orphansDueMs = new Map<number, number>();
  const pruneDueMs = new Map<number, number>();
  return {
    name: 'sweep',
    intervalMs: options.intervalMs,
    run: async (context) => {
      const { group, clock, store } = context;
      const now = await askClocks(store, clock.wallMs());
      const absences = await Absences.read(store, context.clusterId);
      if (absences.isStopped) return;
      await dropTopics(context, absences, now, options);
      await giveUp(context, now, options);
      await sweepDead(context, now, options);
      const nowMs = clock.monotonicMs();
      if (isDue(orphansDueMs, group.number, nowMs)) {
        await sweepOrphanSegments(context, now, options);
        orphansDueMs.set(group.number, nowMs + options.orphansEveryMs);
      }
      if (isDue(pruneDueMs, group.number, nowMs)) {
        const { journalRetentionMs } = options;
        const hasMore = await pruneEntries(context, now, journalRetentionMs);
        const waitMs = hasMore ? 0 : journalRetentionMs / PRUNES_PER_RETENTION;
        pruneDueMs.set(group.number, nowMs + waitMs);
      }
    },
  };
}

function isDue(dueMs: ReadonlyMap<number, number>, group: number, nowMs: number): boolean {
  return nowMs >= (dueMs.get(group) ?? Number.NEGATIVE_INFINITY);
}

/** The bytes of deleted topics die with this, and are deleted as others that are dead. */
async function dropTopics(
  { group, log, failpoint, logger }: JobContext,
  absences: Absences,
  now: TwoClocks,
  { absentMs }: SweepGroupOptions,
): Promise<void> {
  const known = new Set([...group.state.partitions.values()].map(({ topicId }) => topicId));
  const gone = [...known].filter((topicId) => isDeleted(topicId, absences, now, absentMs));
  if (gone.length === 0) return;
  // The record may be old: a topic that is there again was never gone.
  const presence = await log.topicPresence(gone);
  const topics = gone.filter((topicId) => presence.get(topicId) === 'absent');
  if (topics.length === 0) return;
  await failpoint('sweep:before-drop');
  const outcome = await group.commit({ ...NOTHING, topics });
  logger.info({ topics, outcome: outcome.kind }, 'partitions of deleted topics are dropped');
}

async function giveUp(
  context: JobContext,
  now: TwoClocks,
  { keepMs }: SweepGroupOptions,
): Promise<void> {
  const { group, failpoint, logger } = context;
  const quarantines = await givenUpQuarantines(context, now, keepMs);
  if (quarantines.length === 0) return;
  await failpoint('sweep:before-give-up');
  const outcome = await group.commit({ ...NOTHING, quarantines });
  logger.info({ quarantines, outcome: outcome.kind }, 'what other histories had left is given up');
}

const NOTHING = { kind: 'sweep', files: [], segments: [], quarantines: [], topics: [] } as const;
