import { pino } from 'pino';
import { expect, test } from 'vitest';
import {
  entryKey,
  Journal,
  MergedFileBuilder,
  partitionKey,
  readMergedFooter,
  snapshotKey,
  SNAPSHOTS_KEPT,
} from '../../../../storage/index.ts';
import type { Change } from '../../../../storage/index.ts';
import { SlowStore } from '../../../support/slow-store.ts';
import { MemoryStore } from '../memory-store.ts';
import { outcomeCode } from '../object-store-suite.ts';
import {
  CLUSTER_ID,
  fileOf,
  GROUP,
  idOf,
  journalOptions,
  MERGE,
  partitionOf,
  range,
} from './journal-samples.ts';

function stores(): { memory: MemoryStore; store: SlowStore } {
  const memory = new MemoryStore();
  return { memory, store: new SlowStore(memory) };
}

function startAt(offset: number): Change {
  return { kind: 'start-moved', offsets: [{ ...partitionOf(0), offset: BigInt(offset) }] };
}

/** Commits that many entries that differ. */
async function commitMany(journal: Journal, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const next = journal.state.number + 1;
    expect(await journal.commit(startAt(next))).toEqual({ kind: 'committed', number: next });
  }
}

test('a merge and its file are one put, and whoever opens the journal finds both', async () => {
  const { store } = stores();
  const options = journalOptions(store);
  const journal = await Journal.open(options);
  const puts = store.calls('put') + store.calls('putIfAbsent');
  const committed = await journal.commit(MERGE, fileOf([range(0, 10, 20), range(1, 0, 5)]));
  expect(committed).toEqual({ kind: 'committed', number: 1 });
  expect(store.calls('put') + store.calls('putIfAbsent')).toBe(puts + 1);
  const other = await Journal.open(options);
  expect(other.state).toEqual(journal.state);
  const [extent] = other.state.partitions.get(partitionKey(partitionOf(0)))?.extents ?? [];
  const footer = await readMergedFooter(store, entryKey(GROUP, extent?.file ?? 0));
  expect(footer?.extents[0]).toMatchObject({ position: extent?.position, startOffset: 10n });
});

test('of two workers that commit at once one wins, and the other knows by whom it lost', async () => {
  const options = journalOptions(stores().store);
  const workers = [await Journal.open(options), await Journal.open(options)];
  const outcomes = await Promise.all(
    workers.map(async (worker, i) => await worker.commit(MERGE, fileOf([range(i, 0, 5)]))),
  );
  expect(outcomes.map(({ kind }) => kind).sort()).toEqual(['committed', 'lost']);
  expect(workers[0]?.state).toEqual(workers[1]?.state);
  const loser = workers.find((_, i) => outcomes[i]?.kind === 'lost');
  expect(await loser?.commit(startAt(1))).toEqual({ kind: 'committed', number: 2 });
});

test('what is refused is not written', async () => {
  const { memory, store } = stores();
  const journal = await Journal.open(journalOptions(store));
  await journal.commit(MERGE, fileOf([range(0, 0, 5)]));
  const outcome = await journal.commit(MERGE, fileOf([range(0, 6, 9)]));
  const partition = partitionKey(partitionOf(0));
  expect(outcome).toEqual({ kind: 'refused', reason: 'gap', partition });
  expect(memory.objects.size).toBe(1);
});

test('work that rests on a state that is gone is not committed, though it would fit', async () => {
  const { memory, store } = stores();
  const journal = await Journal.open(journalOptions(store));
  await commitMany(journal, 3);
  const onlyIf = (state: { readonly number: number }): boolean => state.number === 2;
  const outcome = await journal.commit(startAt(9), undefined, { onlyIf });
  expect(outcome).toEqual({ kind: 'refused', reason: 'outdated' });
  expect(memory.objects.size).toBe(3);
  const holds = await journal.commit(startAt(9), undefined, { onlyIf: () => true });
  expect(holds).toEqual({ kind: 'committed', number: 4 });
});

test('an entry whose answer was lost is found to be ours, and is there once', async () => {
  const { memory, store } = stores();
  const journal = await Journal.open(journalOptions(store));
  store.loseNextAnswer('putIfAbsent');
  store.failNext('getRange');
  expect(await journal.commit(startAt(1))).toEqual({ kind: 'committed', number: 1 });
  expect(memory.objects.size).toBe(1);
});

test('an entry that nobody has seen yet is put again until it is there', async () => {
  const { memory, store } = stores();
  const journal = await Journal.open(journalOptions(store));
  memory.delayNext(2);
  expect(await journal.commit(startAt(1))).toEqual({ kind: 'committed', number: 1 });
  memory.arrive();
  const again = await Journal.open(journalOptions(store));
  expect(again.state).toEqual(journal.state);
});

test('what arrives after its writer gave up is an entry like any other', async () => {
  const { memory, store } = stores();
  const journal = await Journal.open(journalOptions(store));
  memory.delayNext(99);
  expect(await outcomeCode(journal.commit(startAt(1)))).toBe('STORAGE_JOURNAL_UNRESOLVED');
  memory.delayNext(0);
  memory.arrive();
  const outcome = await journal.commit(startAt(5));
  expect(outcome).toMatchObject({ kind: 'lost', by: { number: 1, change: startAt(1) } });
  expect(await journal.commit(startAt(5))).toEqual({ kind: 'committed', number: 2 });
});

test('a store that says no has not written, and the journal may go on', async () => {
  const { memory, store } = stores();
  const journal = await Journal.open(journalOptions(store));
  store.failNext('putIfAbsent', 1, 'STORAGE_DENIED');
  expect(await outcomeCode(journal.commit(startAt(1)))).toBe('STORAGE_DENIED');
  expect(memory.objects.size).toBe(0);
  expect(await journal.commit(startAt(1))).toEqual({ kind: 'committed', number: 1 });
});

test('a snapshot bounds what is replayed, and the end is found without reading it all', async () => {
  const { store } = stores();
  const options = journalOptions(store, { snapshotEveryEntries: 10 });
  const journal = await Journal.open(options);
  await commitMany(journal, 137);
  const before = { reads: store.calls('getRange'), heads: store.calls('head') };
  const again = await Journal.open(options);
  expect(again.state).toEqual(journal.state);
  expect(store.calls('getRange') - before.reads).toBe(8);
  expect(store.calls('head') - before.heads).toBeLessThanOrEqual(2 * Math.ceil(Math.log2(138)));
});

test('only the newest snapshots are kept, and no commit deletes an entry', async () => {
  const { memory, store } = stores();
  const journal = await Journal.open(journalOptions(store, { snapshotEveryEntries: 2 }));
  await commitMany(journal, 20);
  const keys = [...memory.objects.keys()];
  expect(keys.filter((key) => key.startsWith('snapshot/'))).toHaveLength(SNAPSHOTS_KEPT);
  expect(keys.filter((key) => key.startsWith('journal/'))).toHaveLength(20);
});

test('a snapshot that is lost, damaged or could not be written costs nothing but time', async () => {
  const { memory, store } = stores();
  const lines: string[] = [];
  const logger = pino({ level: 'warn' }, { write: (line: string) => lines.push(line) });
  const options = journalOptions(store, { snapshotEveryEntries: 4, logger });
  const journal = await Journal.open(options);
  store.failNext('put');
  await commitMany(journal, 17);
  expect(lines).toHaveLength(1);
  const newest = memory.objects.get(snapshotKey(GROUP, 16));
  newest?.writeUInt8(newest.readUInt8(20) ^ 1, 20);
  memory.objects.delete(snapshotKey(GROUP, 12));
  const again = await Journal.open(options);
  expect(again.state).toEqual(journal.state);
  expect(lines).toHaveLength(2);
  for (const key of memory.objects.keys()) {
    if (key.startsWith('snapshot/')) memory.objects.delete(key);
  }
  expect((await Journal.open(options)).state).toEqual(journal.state);
});

test('a journal that was opened for reading catches up, and never writes', async () => {
  const { memory, store } = stores();
  const options = journalOptions(store, { snapshotEveryEntries: 4 });
  const journal = await Journal.open(options);
  await commitMany(journal, 3);
  const reader = await Journal.open({ ...options, readOnly: true });
  await commitMany(journal, 6);
  for (const key of memory.objects.keys()) {
    if (key.startsWith('snapshot/')) memory.objects.delete(key);
  }
  expect(await reader.catchUp()).toBe(6);
  expect(reader.state).toEqual(journal.state);
  expect([...memory.objects.keys()].filter((key) => key.startsWith('snapshot/'))).toEqual([]);
  await expect(reader.commit(startAt(99))).rejects.toThrow('for reading');
  await expect(reader.hollowOut(1)).rejects.toThrow('for reading');
});

test('a worker that slept catches up', async () => {
  const options = journalOptions(stores().store, { snapshotEveryEntries: 4 });
  const sleeper = await Journal.open(options);
  const journal = await Journal.open(options);
  await commitMany(journal, 9);
  expect(await sleeper.catchUp()).toBe(9);
  expect(sleeper.state).toEqual(journal.state);
  expect(await sleeper.catchUp()).toBe(0);
});

test('a dead file is hollowed out and its entry stays, however often that is done', async () => {
  const { memory, store } = stores();
  const options = journalOptions(store);
  const journal = await Journal.open(options);
  await journal.commit(MERGE, fileOf([range(0, 0, 5)]));
  await expect(journal.hollowOut(1)).rejects.toThrow('not dead');
  await journal.commit({ kind: 're-merge' }, fileOf([range(0, 0, 5)]));
  const before = memory.objects.get(entryKey(GROUP, 1))?.length ?? 0;
  await journal.hollowOut(1);
  await journal.hollowOut(1);
  expect(memory.objects.get(entryKey(GROUP, 1))?.length).toBeLessThan(before);
  const sweep: Change = {
    kind: 'sweep',
    files: [1],
    segments: [],
    quarantines: [],
    topics: [],
  };
  expect(await journal.commit(sweep)).toEqual({ kind: 'committed', number: 3 });
  expect((await Journal.open(options)).state).toEqual(journal.state);
});

test('a journal whose beginning or middle is gone is not continued', async () => {
  for (const lost of [1, 3]) {
    const { memory, store } = stores();
    const options = journalOptions(store);
    await commitMany(await Journal.open(options), 9);
    memory.objects.delete(entryKey(GROUP, lost));
    expect(await outcomeCode(Journal.open(options))).toBe('STORAGE_JOURNAL_CORRUPT');
  }
});

test('objects that are not of this journal are refused', async () => {
  const { memory, store } = stores();
  const options = journalOptions(store);
  const journal = await Journal.open(options);
  await commitMany(journal, 2);
  const second = memory.objects.get(entryKey(GROUP, 2)) ?? Buffer.alloc(0);
  const { body } = new MergedFileBuilder({ clusterId: CLUSTER_ID, group: GROUP }, []).finish();
  for (const [group, number, bytes] of [
    [GROUP, 3, second],
    [GROUP, 3, Buffer.concat([...body])],
    [GROUP + 1, 1, memory.objects.get(entryKey(GROUP, 1)) ?? Buffer.alloc(0)],
  ] as const) {
    memory.objects.set(entryKey(group, number), bytes);
    const open = Journal.open({ ...options, group });
    expect(await outcomeCode(open)).toBe('STORAGE_JOURNAL_CORRUPT');
    memory.objects.delete(entryKey(group, number));
  }
  const foreign = Journal.open({ ...options, clusterId: 'another' });
  expect(await outcomeCode(foreign)).toBe('STORAGE_JOURNAL_CORRUPT');
  memory.objects.set(entryKey(GROUP, 3), Buffer.from('something else entirely'));
  expect(await outcomeCode(Journal.open(options))).toBe('STORAGE_MERGED_CORRUPT');
});

test('every kind of change comes back from the bucket as it went', async () => {
  const { store } = stores();
  const options = journalOptions(store);
  const journal = await Journal.open(options);
  const segment = {
    id: idOf(7),
    baseOffset: 0n,
    startOffset: 0n,
    endOffset: 5n,
    bytes: 9,
    maxTimestampMs: -(2n ** 60n),
    createdMs: 77,
  };
  const at = (offset: bigint) => [{ ...partitionOf(0), offset }];
  const sample = { kind: 'merge', samples: [{ ...partitionOf(0), count: 2 ** 40 }] } as const;
  await journal.commit(sample, fileOf([range(0, 0, 5), range(0, 5, 9)]));
  await journal.commit({ kind: 're-merge' }, fileOf([range(0, 0, 9)]));
  const backfill = [{ ...partitionOf(1), offset: 3n, cursor: 2n ** 60n }];
  await journal.commit({ kind: 'backfill', offsets: backfill });
  await journal.commit({ kind: 'consolidate', segments: [{ ...partitionOf(0), segment }] });
  await journal.commit({ kind: 'start-moved', offsets: at(2n) });
  await journal.commit({ kind: 'trim', offsets: at(4n) });
  await journal.commit({ kind: 'quarantine', offsets: at(3n), reason: 'a test' });
  const sweep = { kind: 'sweep', files: [1], segments: [], quarantines: [7], topics: [] } as const;
  await journal.commit(sweep);
  expect(journal.state.number).toBe(8);
  expect((await Journal.open(options)).state).toEqual(journal.state);
});
