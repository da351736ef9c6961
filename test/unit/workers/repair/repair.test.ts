/** What is lost is given up exactly, what is left anywhere is kept, and all is sound afterwards. */
import { randomBytes } from 'node:crypto';
import { pino } from 'pino';
import { beforeEach, expect, test } from 'vitest';
import { recordCount } from '../../../../kafka/index.ts';
import { entryKey, partitionKey, TopicRecordStore, walKey } from '../../../../storage/index.ts';
import type { PartitionState, SegmentKeys } from '../../../../storage/index.ts';
import { StoredBatches } from '../../../../workers/extents/stored-batches.ts';
import { repair, type RepairOptions } from '../../../../workers/repair/repair.ts';
import type { Repaired } from '../../../../workers/repair/tally.ts';
import { verify } from '../../../../workers/verify/verify.ts';
import { CLUSTER_ID, GROUP, Site } from '../verify/site.ts';

const OFFSET_END = 2n ** 63n;
const PARTITION = 1;
let site: Site;

beforeEach(async () => {
  site = await Site.open();
});

async function run(overrides: Partial<RepairOptions> = {}): Promise<readonly Repaired[]> {
  return await repair({
    journal: site.journal,
    group: GROUP,
    clusterId: CLUSTER_ID,
    store: site.store,
    log: site.log,
    keyRing: site.keyRing,
    records: new TopicRecordStore(site.store),
    clock: site.clock,
    random: randomBytes,
    topic: 'orders',
    partition: PARTITION,
    isDeep: false,
    isDryRun: false,
    ...overrides,
  });
}

function state(): PartitionState {
  const found = site.journal.state.partitions.get(partitionKey(site.partition(PARTITION).id));
  if (found === undefined) throw new Error('the partition is not merged');
  return found;
}

/** Base offset, last offset and number of records of everything that is stored. */
async function stored(): Promise<(readonly [bigint, bigint, number])[]> {
  const batches: [bigint, bigint, number][] = [];
  const reader = new StoredBatches({ store: site.store, group: GROUP });
  for await (const { baseOffset, lastOffset, bytes } of reader.batches(state(), 0n, OFFSET_END)) {
    batches.push([baseOffset, lastOffset, recordCount(bytes)]);
  }
  return batches;
}

/** Kinds of what verify finds, the waste apart that a loss leaves behind. */
async function lossesFound(): Promise<string[]> {
  const kinds: string[] = [];
  await verify({
    store: site.store,
    clusterId: CLUSTER_ID,
    openCoordinator: undefined,
    log: site.log,
    clock: site.clock,
    random: (byteCount) => Buffer.alloc(byteCount),
    logger: pino({ level: 'silent' }),
    isDeep: true,
    sample: { partitionsMax: Infinity, bytesMax: Infinity },
    graceMs: 0,
    listener: {
      onFinding: ({ kind, severity }) => severity !== 'waste' && kinds.push(kind),
      onUnchecked: ({ reason }) => kinds.push(reason),
    },
    onGroup: () => {},
  });
  return kinds;
}

function lose(key: string): void {
  if (!site.store.objects.delete(key)) throw new Error(`${key} is not there`);
}

/** Entries in a snapshot, so that the journal is whole without the file that one of them is. */
async function loseMergedFile(): Promise<void> {
  // The journal looks for its end at entry 1, among others, and would not open without it.
  const { id } = site.partition(1);
  await site.commit({ kind: 'start-moved', offsets: [{ ...id, offset: 0n }] });
  await site.merge();
  const file = site.journal.state.number;
  await site.fillToSnapshot();
  lose(entryKey(GROUP, file));
}

test('where nothing is lost nothing is done', async () => {
  await site.produce(0, 1);
  await site.merge();
  await site.produce(0, 1);
  expect(await run()).toEqual([]);
  expect(site.journal.state.number).toBe(1);
});

test('merging goes on behind a WAL file that is gone', async () => {
  await site.produce(1);
  await site.produce(1);
  site.produceReal(1);
  await site.produce(1);
  lose(walKey(site.walFiles[1] ?? 0n));
  const [done, ...others] = await run();
  expect(others).toEqual([]);
  expect(done).toMatchObject({ what: 'unmerged', givenUp: [{ startOffset: 3n, endOffset: 6n }] });
  expect(state().cursor).toBe(6n);
  await site.merge();
  expect(await stored()).toEqual([
    [0n, 2n, 3],
    [3n, 5n, 0],
    [6n, 6n, 1],
    [7n, 9n, 3],
  ]);
  expect(await lossesFound()).toEqual([]);
});

test('what was there before the topic was marked is left to the broker', async () => {
  for (let count = 0; count < 4; count++) site.produceReal(1);
  await site.produce(1);
  lose(walKey(site.walFiles[0] ?? 0n));
  const records = new TopicRecordStore(site.store);
  const record = await records.get(site.partition(1).id.topicId);
  if (record === undefined) throw new Error('no record');
  await records.put({ ...record, startOffsets: [0, 3] });
  expect(await run()).toMatchObject([
    { startOffset: 3n, endOffset: 7n, givenUp: [{ startOffset: 4n, endOffset: 7n }] },
  ]);
});

test('a dry run says the same and changes nothing', async () => {
  await site.produce(1);
  await site.produce(1);
  lose(walKey(site.walFiles[0] ?? 0n));
  const before = new Map(site.store.objects);
  const said = await run({ isDryRun: true });
  expect(site.store.objects).toEqual(before);
  expect(await run()).toEqual(said);
});

test('a merged file that is gone is made again out of WAL files that are left', async () => {
  await site.produce(0, 1);
  site.produceReal(1);
  await site.produce(1);
  await loseMergedFile();
  lose(walKey(site.walFiles[1] ?? 0n));
  const [done, ...others] = await run();
  expect(others).toEqual([]);
  expect(done).toMatchObject({
    what: 'extent',
    savedBatches: 2,
    givenUp: [{ startOffset: 4n, endOffset: 7n }],
  });
  expect(await stored()).toEqual([
    [0n, 2n, 3],
    [3n, 3n, 1],
    [4n, 6n, 0],
  ]);
  // The other partition's extent is in the file too, and nobody has asked for that.
  expect(new Set(await lossesFound())).toEqual(new Set(['journal-hole', 'object-missing']));
  await run({ partition: 0 });
  expect(await lossesFound()).toEqual(['journal-hole']);
});

test('of a merged file that is damaged only the damaged batch is given up', async () => {
  await site.produce(1);
  await site.produce(1);
  await site.produce(1);
  await loseNothingBut(1);
  for (const fileId of site.walFiles) lose(walKey(fileId));
  expect(await run()).toEqual([]);
  const [done] = await run({ isDeep: true });
  expect(done).toMatchObject({ savedBatches: 2, givenUp: [{ startOffset: 3n, endOffset: 6n }] });
  expect(await lossesFound()).toEqual([]);
});

/** Flips a bit in one batch of the merged file. */
async function loseNothingBut(row: number): Promise<void> {
  await site.merge();
  const [extent] = state().extents;
  if (extent === undefined) throw new Error('no extent');
  const index = await new StoredBatches({ store: site.store, group: GROUP }).index(extent);
  const bytes = site.store.objects.get(entryKey(GROUP, extent.file)) ?? Buffer.alloc(0);
  bytes.writeUInt8(bytes.readUInt8(index.at(row).position + 70) ^ 1, index.at(row).position + 70);
}

interface Consolidated {
  readonly keys: SegmentKeys;
}

async function consolidated(): Promise<Consolidated> {
  await site.produce(1);
  site.produceReal(1);
  await site.produce(1);
  await site.merge();
  return { keys: await site.consolidate(1) };
}

test('a segment whose .log is gone is made again out of the log and WAL files', async () => {
  const { keys } = await consolidated();
  lose(keys.log);
  const [done] = await run();
  expect(done).toMatchObject({ what: 'segment', givenUp: [], savedBatches: 3 });
  expect(await stored()).toEqual([
    [0n, 2n, 3],
    [3n, 3n, 1],
    [4n, 6n, 3],
  ]);
  expect(await lossesFound()).toEqual([]);
});

test('a segment whose indexes are gone loses nothing', async () => {
  const { keys } = await consolidated();
  for (const fileId of site.walFiles) lose(walKey(fileId));
  lose(keys.indexes);
  expect(await run()).toMatchObject([{ what: 'segment', givenUp: [], savedBatches: 3 }]);
  expect(await lossesFound()).toEqual([]);
});

test('what the broker has deleted too is one empty batch that covers the offsets', async () => {
  const { keys } = await consolidated();
  const { id } = site.partition(1);
  await site.commit({ kind: 'start-moved', offsets: [{ ...id, offset: 0n }] });
  await site.commit({ kind: 'trim', offsets: [{ ...id, offset: 4n }] });
  site.partition(1).deleteBelow(4n);
  lose(keys.log);
  const [done] = await run();
  expect(done).toMatchObject({ givenUp: [{ startOffset: 0n, endOffset: 4n }], savedBatches: 1 });
  expect(await stored()).toEqual([
    [0n, 3n, 0],
    [4n, 6n, 3],
  ]);
  expect(await lossesFound()).toEqual([]);
});

test('a worker that commits meanwhile is not in the way', async () => {
  await site.produce(1);
  await loseMergedFile();
  const other = await Site.reopen(site);
  let overtaking = true;
  const getRange = site.store.getRange.bind(site.store);
  site.store.getRange = async (key, position, length) => {
    if (overtaking && key.startsWith('wal/')) {
      overtaking = false;
      await other.commit({ kind: 'merge', samples: [{ ...site.partition(1).id, count: 99 }] });
    }
    return await getRange(key, position, length);
  };
  expect(await run()).toMatchObject([{ what: 'extent', givenUp: [], savedBatches: 1 }]);
  expect(overtaking).toBe(false);
  expect(state().asOf).toBe(99);
});

test('while the log cannot be read nothing is given up', async () => {
  await site.produce(1);
  lose(walKey(site.walFiles[0] ?? 0n));
  site.partition(1).hasLeader = false;
  await expect(run()).rejects.toMatchObject({ code: 'WORKER_PARTITION_UNKNOWN' });
  await expect(run({ topic: 'others' })).rejects.toMatchObject({
    code: 'WORKER_PARTITION_UNKNOWN',
  });
  expect(site.journal.state.number).toBe(0);
});
