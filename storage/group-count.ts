/**
 * Into how many groups the partitions of a bucket are shared out. It is fixed by the first worker
 * that starts on the bucket: with another number partitions would change their journals.
 */
import { z } from 'zod';
import { OutriggerError } from '../kafka/index.ts';
import { storageError } from './errors.ts';
import { GROUP_MAX } from './journal/journal-keys.ts';
import { jsonRecord, parseJsonRecord } from './json-record.ts';
import type { ObjectStore } from './object-store.ts';

const GROUPS_KEY = 'groups.json';
const groupsSchema = z.object({
  groupCount: z
    .int()
    .min(1)
    .max(GROUP_MAX + 1),
});

/**
 * @returns the bucket's number of groups, undefined while no worker has ever started on it
 * @throws `STORAGE_RECORD_CORRUPT`, or what the store throws
 */
export async function readGroupCount(store: ObjectStore): Promise<number | undefined> {
  const outcome = await store.get(GROUPS_KEY);
  if (outcome.kind === 'missing') return undefined;
  const where = `${GROUPS_KEY} in ${store.location}`;
  return parseJsonRecord(outcome.bytes, groupsSchema, where).groupCount;
}

/**
 * @param wanted used if the bucket has none yet
 * @returns the bucket's number of groups
 * @throws as `readGroupCount`
 */
export async function openGroupCount(store: ObjectStore, wanted: number): Promise<number> {
  const known = await readGroupCount(store);
  if (known !== undefined) return known;
  try {
    await store.putIfAbsent(GROUPS_KEY, jsonRecord({ groupCount: wanted }));
  } catch (error) {
    // Whose number was stored does not matter: what is there is read next.
    if (!(error instanceof OutriggerError) || error.details['ambiguous'] !== true) throw error;
  }
  const groupCount = await readGroupCount(store);
  if (groupCount !== undefined) return groupCount;
  const message = `${store.location} does not have ${GROUPS_KEY} after it was stored there`;
  throw storageError('STORAGE_INCONSISTENT', message);
}
