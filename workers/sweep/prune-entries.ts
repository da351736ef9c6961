/** Deletes entries of the group's journal that are old and that its snapshots have. */
import { pruneJournal } from '../../storage/index.ts';
import type { JobContext } from '../group-job.ts';
import { isOlder, type TwoClocks } from './store-clock.ts';

/** In one run; more wait for the next. */
const ENTRIES_MAX = 10_000;

/**
 * @param retentionMs how old an entry becomes at least
 * @returns whether there may be more
 */
export async function pruneEntries(
  { group, clusterId, store, signal, failpoint, logger }: JobContext,
  now: TwoClocks,
  retentionMs: number,
): Promise<boolean> {
  const entries = await pruneJournal({
    store,
    clusterId,
    group: group.number,
    isOld: (modifiedMs) => isOlder(modifiedMs, retentionMs, now),
    entriesMax: ENTRIES_MAX,
    beforeMark: async () => failpoint('sweep:before-mark'),
    beforeDelete: async () => failpoint('sweep:before-prune'),
    signal,
    logger,
  });
  if (entries > 0) logger.info({ entries }, 'old journal entries are deleted');
  return entries === ENTRIES_MAX;
}
