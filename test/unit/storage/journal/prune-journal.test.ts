/** Old entries go, and nobody who knows or learns of the journal is misled, however late. */
import { expect, test } from 'vitest';
import {
  entryKey,
  Journal,
  mayGoOnAfter,
  prunedTo,
  pruneJournal,
  SNAPSHOTS_KEPT,
  snapshotKey,
} from '../../../../storage/index.ts';
import type { Change, ObjectStore, PruneOptions } from '../../../../storage/index.ts';
import { PRUNE_ALL } from '../../../support/prune-all.ts';
import { outcomeCode } from '../object-store-suite.ts';
import { FirstEntries } from './first-entries.ts';
import { CLUSTER_ID, fileOf, GROUP, journalOptions, MERGE } from './journal-samples.ts';
import { partitionOf, range } from './journal-samples.ts';
import { TroubledStore } from './troubled-store.ts';

const EVERY = 2;
const PLACE = { clusterId: CLUSTER_ID, group: GROUP };

class Site {
  nowMs = 0;
  readonly bucket = new FirstEntries(() => this.nowMs);

  open(store: ObjectStore = this.bucket): Promise<Journal> {
    return Journal.open(journalOptions(store, { snapshotEveryEntries: EVERY }));
  }

  prune(overrides: Partial<PruneOptions> = {}): Promise<number> {
    return pruneJournal({
      ...PRUNE_ALL,
      ...PLACE,
      store: this.bucket,
      snapshotEveryEntries: EVERY,
      ...overrides,
    });
  }

  numbers(prefix: 'journal/' | 'snapshot/'): number[] {
    const keys = [...this.bucket.objects.keys()].filter((key) => key.startsWith(prefix));
    return keys.map((key) => Number(key.split('/').at(-1))).sort((a, b) => a - b);
  }

  loseSnapshots(): void {
    for (const number of this.numbers('snapshot/')) {
      this.bucket.objects.delete(snapshotKey(GROUP, number));
    }
  }
}

function startAt(offset: number): Change {
  return { kind: 'start-moved', offsets: [{ ...partitionOf(0), offset: BigInt(offset) }] };
}

/** Commits entries that differ, up to that number. */
async function commitTo(journal: Journal, last: number): Promise<void> {
  while (journal.state.number < last) {
    const next = journal.state.number + 1;
    expect(await journal.commit(startAt(next))).toEqual({ kind: 'committed', number: next });
  }
}

/** A site with a journal of so many entries. */
async function siteOf(last: number): Promise<{ site: Site; journal: Journal }> {
  const site = new Site();
  const journal = await site.open();
  await commitTo(journal, last);
  return { site, journal };
}

test('old entries go behind the oldest of four snapshots, and the journal is what it was', async () => {
  const { site, journal } = await siteOf(20);
  expect(await site.prune()).toBe(14);
  expect(site.numbers('journal/')).toEqual([0, 15, 16, 17, 18, 19, 20]);
  expect(site.numbers('snapshot/')).toEqual([14, 16, 18, 20]);
  expect((await site.open()).state).toEqual(journal.state);
  for (const damaged of [20, 18, 16]) {
    site.bucket.objects.set(snapshotKey(GROUP, damaged), Buffer.from('damaged'));
    expect((await site.open()).state).toEqual(journal.state);
  }
  await commitTo(journal, 30);
  expect(await site.prune()).toBe(10);
  expect((await site.open()).state).toEqual(journal.state);
});

test('the number of objects levels off', async () => {
  const { site, journal } = await siteOf(1);
  for (let last = 20; last <= 200; last += 20) {
    await commitTo(journal, last);
    await site.prune();
    expect(site.bucket.objects.size).toBe(1 + SNAPSHOTS_KEPT + EVERY * (SNAPSHOTS_KEPT - 1));
  }
});

test('young entries stay, and so many go at once as may', async () => {
  const site = new Site();
  const journal = await site.open();
  await commitTo(journal, 5);
  site.nowMs = 1;
  await commitTo(journal, 20);
  const isOld = (modifiedMs: number): boolean => modifiedMs === 0;
  expect(await site.prune({ isOld, entriesMax: 3 })).toBe(3);
  expect(await site.prune({ isOld, entriesMax: 3 })).toBe(2);
  expect(await site.prune({ isOld })).toBe(0);
  expect(site.numbers('journal/')).toEqual([0, ...Array.from({ length: 15 }, (_, i) => i + 6)]);
  expect((await site.open()).state).toEqual(journal.state);
});

test('merged files that nobody swept stay, and what dates a quarantine', async () => {
  const site = new Site();
  const journal = await site.open();
  await journal.commit(MERGE, fileOf([range(0, 0, 5)]));
  await journal.commit(MERGE, fileOf([range(1, 0, 5)]));
  const offsets = [{ ...partitionOf(1), offset: 2n }];
  await journal.commit({ kind: 'quarantine', offsets, reason: 'a test' });
  await journal.commit({ kind: 're-merge' }, fileOf([range(0, 0, 5)]));
  await commitTo(journal, 20);
  expect(await site.prune()).toBe(10);
  expect(site.numbers('journal/').slice(0, 6)).toEqual([0, 1, 2, 3, 4, 15]);
  await journal.hollowOut(1);
  const sweep = { kind: 'sweep', segments: [], topics: [] } as const;
  await journal.commit({ ...sweep, files: [1], quarantines: [3] });
  await commitTo(journal, 30);
  await site.prune();
  expect(site.numbers('journal/').slice(0, 4)).toEqual([0, 2, 4, 25]);
  expect((await site.open()).state).toEqual(journal.state);
});

test('nothing goes behind fewer than four snapshots, or one that nobody could begin with', async () => {
  const few = await siteOf(7);
  expect(await few.site.prune()).toBe(0);
  expect(few.site.numbers('journal/')).toEqual([1, 2, 3, 4, 5, 6, 7]);
  const { site, journal } = await siteOf(20);
  site.bucket.objects.set(snapshotKey(GROUP, 14), Buffer.from('damaged'));
  expect(await site.prune()).toBe(0);
  await commitTo(journal, 22);
  expect(await site.prune()).toBe(16);
});

test('no entry goes before the snapshots that it stands behind', async () => {
  const { site } = await siteOf(20);
  const late = snapshotKey(GROUP, 6);
  site.bucket.objects.set(late, Buffer.from('of a worker that slept'));
  const store = new TroubledStore(site.bucket);
  store.failNext('delete', 'STORAGE_UNAVAILABLE');
  expect(await outcomeCode(site.prune({ store }))).toBe('STORAGE_UNAVAILABLE');
  expect(site.numbers('journal/')).toHaveLength(20);
  await site.prune();
  expect(site.bucket.objects.has(late)).toBe(false);
});

test('a snapshot that comes too late for the listing goes before the entries all the same', async () => {
  const { site } = await siteOf(20);
  const store = new TroubledStore(site.bucket);
  const asleep = store.sleepAt(0, true);
  const pruning = site.prune({ store });
  await asleep;
  site.bucket.objects.set(snapshotKey(GROUP, 6), Buffer.from('of a worker that slept'));
  store.wake();
  expect(await pruning).toBe(14);
  expect(site.numbers('snapshot/')).toEqual([14, 16, 18, 20]);
});

test('a worker that dies between the steps has harmed nothing, and another one goes on', async () => {
  for (const step of ['beforeMark', 'beforeDelete'] as const) {
    const { site, journal } = await siteOf(20);
    const dies = async (): Promise<void> => {
      throw new Error('killed');
    };
    await expect(site.prune({ [step]: dies })).rejects.toThrow('killed');
    expect(site.numbers('journal/').includes(0)).toBe(step === 'beforeDelete');
    expect((await site.open()).state).toEqual(journal.state);
    expect(await site.prune()).toBe(14);
  }
});

test('a journal whose snapshots are lost is not taken for a new one', async () => {
  const { site, journal } = await siteOf(20);
  await site.prune();
  site.loseSnapshots();
  const before = new Map(site.bucket.objects);
  expect(await outcomeCode(site.open())).toBe('STORAGE_JOURNAL_CORRUPT');
  expect(await outcomeCode(journal.catchUp())).toBe('STORAGE_JOURNAL_CORRUPT');
  // A listing that shows nothing of it makes no difference.
  const store = new TroubledStore(site.bucket);
  store.listed = [];
  await expect(site.open(store)).rejects.toThrow('entries that only they have are gone');
  expect(site.bucket.objects).toEqual(before);
});

test('a journal that ends before its newest snapshot is refused', async () => {
  const { site } = await siteOf(20);
  site.bucket.objects.set(snapshotKey(GROUP, 20), Buffer.from('damaged'));
  site.bucket.objects.delete(entryKey(GROUP, 19));
  site.bucket.objects.delete(entryKey(GROUP, 20));
  await expect(site.open()).rejects.toThrow('it is missing, while entry 20 is there');
});

test('entries that a snapshot has are not asked for: a file that is lost stops nobody', async () => {
  const { site, journal } = await siteOf(20);
  for (const lost of [1, 8, 16]) site.bucket.objects.delete(entryKey(GROUP, lost));
  expect((await site.open()).state).toEqual(journal.state);
});

test('a worker that slept commits nothing under a number that is free again', async () => {
  const { site, journal } = await siteOf(5);
  const sleeper = await site.open();
  await commitTo(journal, 20);
  await site.prune();
  expect(await outcomeCode(sleeper.commit(startAt(99)))).toBe('STORAGE_JOURNAL_UNRESOLVED');
  expect(site.bucket.strays).toBe(1);
  expect(await outcomeCode(sleeper.commit(startAt(98)))).toBe('STORAGE_JOURNAL_UNRESOLVED');
  expect((await site.open()).state).toEqual(journal.state);
  expect(await sleeper.catchUp()).toBe(15);
  expect(sleeper.state).toEqual(journal.state);
  expect(await sleeper.commit(startAt(99))).toEqual({ kind: 'committed', number: 21 });
  expect(await site.prune()).toBe(1);
  expect(site.bucket.objects.has(entryKey(GROUP, 6))).toBe(false);
});

test('nor while it is not known whether the number was free', async () => {
  const { site } = await siteOf(5);
  const store = new TroubledStore(site.bucket);
  const journal = await site.open(store);
  store.failNext('head', 'STORAGE_UNAVAILABLE');
  expect(await outcomeCode(journal.commit(startAt(6)))).toBe('STORAGE_JOURNAL_UNRESOLVED');
  expect(await journal.catchUp()).toBe(1);
  expect(await journal.commit(startAt(7))).toEqual({ kind: 'committed', number: 7 });
});

test('who slept, and finds what another sleeper left, does not follow it', async () => {
  const { site, journal } = await siteOf(5);
  const [first, second] = [await site.open(), await site.open()];
  await commitTo(journal, 20);
  await site.prune();
  const other = await siteOf(5);
  await other.journal.commit(startAt(99));
  const key = entryKey(GROUP, 6);
  const stray = other.site.bucket.objects.get(key) ?? Buffer.alloc(0);
  site.bucket.objects.set(key, stray);
  await first.catchUp();
  expect(first.state).toEqual(journal.state);
  expect(await outcomeCode(second.commit(startAt(7)))).toBe('STORAGE_JOURNAL_UNRESOLVED');
  await second.catchUp();
  expect(second.state).toEqual(journal.state);
});

test('an entry that does not follow is no damage to who slept', async () => {
  const { site, journal } = await siteOf(6);
  const sleeper = await site.open();
  await commitTo(journal, 20);
  await site.prune();
  const other = new Site();
  const backwards = await other.open();
  while (backwards.state.number < 7) await backwards.commit(startAt(1));
  const stray = other.bucket.objects.get(entryKey(GROUP, 7)) ?? Buffer.alloc(0);
  site.bucket.objects.set(entryKey(GROUP, 7), stray);
  expect(await sleeper.catchUp()).toBe(14);
  expect(sleeper.state).toEqual(journal.state);
});

test('who reads while entries go begins anew, wherever it was', async () => {
  for (let calls = 0; calls < 8; calls++) {
    for (const isAfter of [false, true]) {
      const { site, journal } = await siteOf(calls % 2 === 0 ? 5 : 1);
      const store = new TroubledStore(site.bucket);
      const asleep = store.sleepAt(calls, isAfter);
      const opening = site.open(store);
      await Promise.race([asleep, opening]);
      await commitTo(journal, 20);
      await site.prune();
      store.wake();
      const opened = await opening;
      await opened.catchUp();
      expect(opened.state).toEqual(journal.state);
    }
  }
});

test('a snapshot of a worker that slept does not stay, and nobody begins there', async () => {
  const { site, journal } = await siteOf(5);
  const store = new TroubledStore(site.bucket);
  const sleeper = await site.open(store);
  // After the entry and the look at its anchor: at the put of the snapshot.
  const asleep = store.sleepAt(2, false);
  const committing = sleeper.commit(startAt(6));
  await asleep;
  await journal.catchUp();
  await commitTo(journal, 20);
  await site.prune();
  store.wake();
  expect(await committing).toEqual({ kind: 'committed', number: 6 });
  expect(site.numbers('snapshot/')).toEqual([14, 16, 18, 20]);
  expect(await outcomeCode(sleeper.commit(startAt(7)))).toBe('STORAGE_JOURNAL_UNRESOLVED');
  await sleeper.catchUp();
  expect(sleeper.state).toEqual(journal.state);
});

test('whoever knows a number learns whether the journal may go on after it', async () => {
  const site = new Site();
  const journal = await Journal.open(journalOptions(site.bucket));
  const mayGoOn = async (number: number): Promise<boolean> =>
    mayGoOnAfter({ ...PLACE, store: site.bucket }, number);
  expect(await mayGoOn(0)).toBe(false);
  await commitTo(journal, 70);
  expect(await mayGoOn(69)).toBe(true);
  expect(await mayGoOn(70)).toBe(false);
  await commitTo(journal, 400);
  await site.prune({ snapshotEveryEntries: 64 });
  for (const number of [0, 70, 190, 399]) expect(await mayGoOn(number)).toBe(true);
  expect(await mayGoOn(400)).toBe(false);
});

test('it is known how far entries may be gone', async () => {
  const { site } = await siteOf(20);
  const place = { ...PLACE, store: site.bucket };
  expect(await prunedTo(place)).toBe(0);
  await site.prune();
  expect(await prunedTo(place)).toBe(14);
  site.loseSnapshots();
  expect(await prunedTo(place)).toBe(Number.POSITIVE_INFINITY);
});
