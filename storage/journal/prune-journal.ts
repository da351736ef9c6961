/**
 * Deletes the old entries of a journal, as KRaft deletes the segments of its metadata log that are
 * behind a snapshot (KIP-630), and knows which of them may be gone. It promises: **a snapshot that
 * is there means that every entry behind it is there**, also to readers that began before and to
 * workers that wake up afterwards; entries whose object is needed by its own right stay.
 *
 * It must not know: how old an entry has to be, nor what holds the group.
 */
import type { Logger } from 'pino';
import { hasCode } from '../../kafka/index.ts';
import type { CallOptions, ObjectStore } from '../object-store.ts';
import { EntryStore } from './entry-store.ts';
import type { GroupState } from './group-state.ts';
import { SNAPSHOT_EVERY_ENTRIES, SNAPSHOTS_KEPT } from './journal.ts';

/** Of one journal. */
export interface JournalPlace {
  readonly store: ObjectStore;
  /** The Kafka cluster's id. */
  readonly clusterId: string;
  readonly group: number;
}

export interface PruneOptions extends JournalPlace, CallOptions {
  /** Whether what was written at that time, by the store's clock, is old enough. */
  readonly isOld: (modifiedMs: number) => boolean;
  /** So many entries are deleted at most; more wait for the next call. */
  readonly entriesMax: number;
  /** Before it is noted that entries may be gone, and before they go. */
  readonly beforeMark: () => Promise<void>;
  readonly beforeDelete: () => Promise<void>;
  readonly logger: Logger;
  readonly snapshotEveryEntries?: number;
}

/**
 * Deletes snapshots that newer ones have made superfluous, and entries that the oldest one of the
 * others has. Any number of workers may do so at once, and each may die or sleep at any step.
 *
 * The order is what keeps the promise. A worker that wrote a snapshot looks afterwards whether the
 * one it goes back to, its anchor, is there; here anchors go before snapshots of workers that slept
 * are looked for, by name. So either the worker misses its anchor, or its snapshot goes.
 *
 * @returns how many entries were deleted
 * @throws what the store throws
 */
export async function pruneJournal(options: PruneOptions): Promise<number> {
  const call = { signal: options.signal };
  const entries = new EntryStore(options.store, options);
  const snapshots = await entries.listSnapshots(call);
  const superfluous = snapshots.slice(0, -SNAPSHOTS_KEPT);
  if (superfluous.length > 0) await entries.deleteSnapshots(superfluous, call);
  const [floor, ...others] = snapshots.slice(-SNAPSHOTS_KEPT);
  if (floor === undefined || others.length + 1 < SNAPSHOTS_KEPT) return 0;
  const base = await readable(entries, floor, options);
  if (base === undefined) return 0;
  const { lowest, dead } = await deadEntries(entries, base, options);
  if (dead.length === 0) return 0;
  await options.beforeMark();
  await entries.mark(call);
  const late = snapshotNumbers(lowest - 1, floor, options.snapshotEveryEntries);
  if (late.length > 0) await entries.deleteSnapshots(late, call);
  await options.beforeDelete();
  await entries.deleteEntries(dead, call);
  return dead.length;
}

/**
 * @returns up to which number entries may be gone, and nothing is lost; infinite if that cannot be
 *   known because there is no snapshot
 */
export async function prunedTo(
  { store, ...owner }: JournalPlace,
  call?: CallOptions,
): Promise<number> {
  const entries = new EntryStore(store, owner);
  if (!(await entries.isMarked(call))) return 0;
  const snapshots = await entries.listSnapshots(call);
  return snapshots.slice(-SNAPSHOTS_KEPT)[0] ?? Number.POSITIVE_INFINITY;
}

/**
 * @param number of an entry that was committed, or 0
 * @returns whether there may be entries behind it, as of after the call: true also if it is so old
 *   that they may have been deleted
 */
export async function mayGoOnAfter(
  { store, ...owner }: JournalPlace,
  number: number,
  call?: CallOptions,
): Promise<boolean> {
  const entries = new EntryStore(store, owner);
  if (await entries.has(number + 1, call)) return true;
  return !(await entries.isAnchored(number - (number % SNAPSHOT_EVERY_ENTRIES), call));
}

/**
 * @param base has them: what it does not know any more, no later state does
 * @returns `lowest` of all that there are, needed or not
 */
async function deadEntries(
  entries: EntryStore,
  base: GroupState,
  { isOld, entriesMax, signal }: PruneOptions,
): Promise<{ readonly lowest: number; readonly dead: readonly number[] }> {
  const needed = neededEntries(base);
  const dead: number[] = [];
  let lowest = base.number;
  for await (const { number, modifiedMs } of entries.listAfter(0, { signal })) {
    if (number > base.number || dead.length >= entriesMax) break;
    lowest = Math.min(lowest, number);
    if (!needed.has(number) && isOld(modifiedMs)) dead.push(number);
  }
  return { lowest, dead };
}

/** Whose objects are needed as such: merged files, and the dates of quarantines. */
function neededEntries({ files, partitions }: GroupState): ReadonlySet<number> {
  const needed = new Set(files.keys());
  for (const { quarantined } of partitions.values()) {
    for (const { by } of quarantined) needed.add(by);
  }
  return needed;
}

/** Nothing is deleted behind a snapshot that nobody could begin with. */
async function readable(
  entries: EntryStore,
  number: number,
  { signal, logger }: PruneOptions,
): Promise<GroupState | undefined> {
  try {
    return await entries.readSnapshot(number, { signal });
  } catch (error) {
    if (!hasCode(error, 'STORAGE_JOURNAL_CORRUPT')) throw error;
    logger.warn({ err: error }, 'a snapshot is damaged: entries stay until newer ones replaced it');
    return undefined;
  }
}

/** @returns where snapshots may be, from the last one up to `from` to the last one below `to` */
function snapshotNumbers(from: number, to: number, every = SNAPSHOT_EVERY_ENTRIES): number[] {
  const numbers: number[] = [];
  const first = Math.max(every, from - (from % every));
  for (let number = first; number < to; number += every) numbers.push(number);
  return numbers;
}
