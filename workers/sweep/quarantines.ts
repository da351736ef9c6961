/** When what was set aside, because a log got another history, is given up. */
import { entryKey } from '../../storage/index.ts';
import type { JobContext } from '../group-job.ts';
import { isOlder, type TwoClocks } from './store-clock.ts';

/** Asked for one by one; more wait for the next run. */
const QUARANTINES_MAX = 1_000;

/**
 * The entry that set something aside has no data, so its object is as old as the quarantine.
 *
 * @returns numbers of the entries whose quarantines are old enough, by every clock
 */
export async function givenUpQuarantines(
  { group, store }: Pick<JobContext, 'group' | 'store'>,
  now: TwoClocks,
  keepMs: number,
): Promise<readonly number[]> {
  const entries = new Set(
    [...group.state.partitions.values()].flatMap(({ quarantined }) => {
      return quarantined.map(({ by }) => by);
    }),
  );
  const old: number[] = [];
  for (const by of [...entries].slice(0, QUARANTINES_MAX)) {
    const object = await store.head(entryKey(group.number, by));
    if (object.kind === 'found' && isOlder(object.modifiedMs, keepMs, now)) old.push(by);
  }
  return old;
}
