/** Every kind of finding is planted in a sound installation and found, and nothing else is. */
import { beforeEach, expect, test } from 'vitest';
import { buildRecordBatch } from '../../../../kafka/index.ts';
import { coordinatorError } from '../../../../coordinator/index.ts';
import {
  entryKey,
  newFileId,
  parseMergedFile,
  partitionKey,
  snapshotKey,
  walKey,
} from '../../../../storage/index.ts';
import type { PartitionState, SegmentKeys } from '../../../../storage/index.ts';
import { hollowMergedFile } from '../../../../storage/merged-file.ts';
import { encodeSnapshot } from '../../../../storage/journal/snapshot.ts';
import type { VerifyOptions } from '../../../../workers/verify/verify.ts';
import { CLUSTER_ID, GROUP, Site } from './site.ts';
import { type Verified, verified } from './verified.ts';

const HOUR_MS = 3_600_000;
let site: Site;
let segment: SegmentKeys;

/** Both partitions merged twice, the first one consolidated, and one batch more in each. */
beforeEach(async () => {
  site = await Site.open();
  await site.produce(0, 1);
  site.produceReal(1);
  await site.merge();
  segment = await site.consolidate(0);
  await site.produce(0, 1);
  await site.merge();
  await site.produce(0, 1);
  await site.clock.advance(2 * HOUR_MS);
});

async function run(overrides: Partial<VerifyOptions> = {}): Promise<Verified> {
  return await verified(site, overrides);
}

async function kindsFound(overrides: Partial<VerifyOptions> = {}): Promise<string[]> {
  const { findings } = await run(overrides);
  return [...new Set(findings.map(({ kind }) => kind))].sort();
}

function flip(key: string, at: number): void {
  const bytes = site.store.objects.get(key);
  if (bytes === undefined) throw new Error(`${key} is not there`);
  bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
}

test('a sound installation gives no finding, however hard one looks', async () => {
  for (const isDeep of [false, true]) {
    expect(await run({ isDeep })).toEqual({ outcome: 'clean', findings: [], unchecked: [] });
  }
});

test('nothing is changed, not even a snapshot is written', async () => {
  const before = new Map(site.store.objects);
  await run({ isDeep: true });
  expect(site.store.objects).toEqual(before);
});

test('a bucket that was never used cannot be checked', async () => {
  site.store.objects.clear();
  expect(await run()).toMatchObject({ outcome: 'unchecked', findings: [] });
});

test('an entry that is missing in the middle is found although the journal opens', async () => {
  site.store.objects.delete(entryKey(GROUP, 2));
  const kinds = await kindsFound();
  expect(kinds).toContain('journal-corrupt');
  expect(kinds).toContain('journal-hole');
});

test('a journal entry that is damaged is found', async () => {
  flip(entryKey(GROUP, 2), 3);
  expect(await kindsFound()).toEqual(['journal-corrupt']);
});

test("another cluster's bucket is found", async () => {
  expect(await kindsFound({ clusterId: 'other' })).toEqual(['foreign-cluster']);
});

test('a topic record that is damaged is found', async () => {
  flip(`topics/${site.partition(0).id.topicId}.json`, 0);
  expect(await kindsFound()).toEqual(['topic-record-corrupt']);
});

/** As an entry that a snapshot has made superfluous, whose file is still referred to. */
async function fileBelowSnapshot(): Promise<string> {
  await site.merge();
  const { number } = site.journal.state;
  await site.fillToSnapshot();
  return entryKey(GROUP, number);
}

test('a merged file that is gone is found, with the offsets that were in it', async () => {
  const object = await fileBelowSnapshot();
  site.store.objects.delete(object);
  const { findings, outcome } = await run();
  expect(outcome).toBe('findings');
  expect(findings.map(({ kind }) => kind)).toEqual([
    'journal-hole',
    'object-missing',
    'object-missing',
  ]);
  expect(findings[1]).toMatchObject({
    severity: 'loss',
    topic: 'orders',
    partition: 0,
    startOffset: 6n,
    endOffset: 9n,
    object,
  });
});

test('a merged file whose data was deleted although it is referred to is found', async () => {
  const object = await fileBelowSnapshot();
  const footer = parseMergedFile(site.store.objects.get(object) ?? Buffer.alloc(0));
  site.store.objects.set(object, hollowMergedFile(footer));
  expect(await kindsFound()).toEqual(['object-hollow']);
});

test('a merged file that a worker sweeps while others are looked at is no finding', async () => {
  const object = await fileBelowSnapshot();
  const footer = parseMergedFile(site.store.objects.get(object) ?? Buffer.alloc(0));
  const list = site.store.list.bind(site.store);
  let isOver = false;
  site.store.list = async function* (prefix, options) {
    if (prefix.startsWith('journal/') && !isOver) {
      isOver = true;
      site.store.objects.set(object, hollowMergedFile(footer));
      const offsets = [0, 1].map((number) => ({ ...site.partition(number).id, offset: 100n }));
      await site.commit({ kind: 'start-moved', offsets });
    }
    yield* list(prefix, options);
  };
  expect(await kindsFound({ log: undefined })).toEqual([]);
  expect(isOver).toBe(true);
});

test('a bit that was flipped in a merged batch is found by reading everything', async () => {
  const object = await fileBelowSnapshot();
  const extent = [...site.journal.state.partitions.values()][0]?.extents.at(-1);
  flip(object, (extent?.position ?? 0) + 80);
  expect(await kindsFound({ isDeep: false })).toEqual([]);
  const { findings } = await run({ isDeep: true });
  expect(findings.map(({ kind }) => kind)).toEqual(['object-damaged']);
  expect(findings[0]).toMatchObject({ partition: 0, startOffset: 6n, endOffset: 9n, object });
});

test('a bit that was flipped in the index of an extent is found by reading everything', async () => {
  const object = await fileBelowSnapshot();
  const extent = [...site.journal.state.partitions.values()][0]?.extents.at(-1);
  flip(object, (extent?.position ?? 0) + (extent?.bytes ?? 0) + 10);
  expect(await kindsFound({ isDeep: true })).toEqual(['object-damaged']);
});

test('an object of a segment that is gone is found', async () => {
  for (const key of Object.values(segment)) {
    const bytes = site.store.objects.get(key) ?? Buffer.alloc(0);
    site.store.objects.delete(key);
    const { findings } = await run({ isDeep: true });
    expect(findings).toMatchObject([{ kind: 'object-missing', object: key, partition: 0 }]);
    site.store.objects.set(key, bytes);
  }
});

test('a segment that is cut short, or damaged, is found', async () => {
  const log = site.store.objects.get(segment.log) ?? Buffer.alloc(0);
  site.store.objects.set(segment.log, log.subarray(0, -1));
  expect(await kindsFound()).toEqual(['object-damaged']);
  site.store.objects.set(segment.log, log);
  flip(segment.log, 70);
  expect(await kindsFound()).toEqual([]);
  expect(await kindsFound({ isDeep: true })).toEqual(['object-damaged']);
  flip(segment.log, 70);
  flip(segment.manifest, 0);
  expect(await kindsFound({ isDeep: true })).toEqual(['object-damaged']);
});

test('an object below the prefix of segments that no journal knows is waste', async () => {
  const stray = segment.log.replace(/-[^-]{22}\.log$/, `-${'x'.repeat(22)}.log`);
  site.store.objects.set(stray, Buffer.alloc(1));
  site.store.objects.set('segments/what', Buffer.alloc(1));
  const { findings } = await run();
  expect(findings.map(({ kind, severity, object }) => [kind, severity, object])).toEqual([
    ['segment-orphan', 'waste', stray],
    ['segment-orphan', 'waste', 'segments/what'],
  ]);
});

/** Puts a state into the snapshot that entries could not make. */
async function tamper(change: (partition: PartitionState) => PartitionState): Promise<void> {
  await site.fillToSnapshot();
  const { state } = site.journal;
  const partitions = new Map(state.partitions);
  const key = partitionKey({ ...site.partition(1).id });
  const partition = partitions.get(key);
  if (partition === undefined) throw new Error('not merged');
  partitions.set(key, change(partition));
  const tampered = { ...state, partitions };
  const owner = { clusterId: CLUSTER_ID, group: GROUP };
  site.store.objects.set(snapshotKey(GROUP, state.number), await encodeSnapshot(owner, tampered));
  site.copies.load(GROUP, tampered);
}

test('offsets that no extent covers are found', async () => {
  await tamper((partition) => {
    const [first, second] = partition.extents;
    if (first === undefined || second === undefined) throw new Error('two extents');
    return { ...partition, extents: [{ ...first, endOffset: 2n }, second] };
  });
  const { findings } = await run();
  expect(findings).toMatchObject([
    { kind: 'offsets-gap', severity: 'loss', partition: 1, startOffset: 2n, endOffset: 4n },
  ]);
});

test('offsets that two extents cover are found', async () => {
  await tamper((partition) => {
    const [first, second] = partition.extents;
    if (first === undefined || second === undefined) throw new Error('two extents');
    return { ...partition, extents: [first, { ...second, startOffset: 3n }] };
  });
  expect(await kindsFound()).toContain('offsets-overlap');
});

test('trimmed offsets that nothing covers are found', async () => {
  await tamper((partition) => ({ ...partition, logicalStart: 0n, trimIntent: 2n }));
  expect(await kindsFound()).toEqual(['offsets-gap']);
});

test('a count of references that does not fit the extents is found', async () => {
  await tamper((partition) => {
    const [first, second] = partition.extents;
    if (first === undefined || second === undefined) throw new Error('two extents');
    return { ...partition, extents: [{ ...first, file: second.file }, second] };
  });
  expect(await kindsFound()).toContain('references-wrong');
});

test('Redis that is behind, ahead, or says something else is found', async () => {
  site.copies.number--;
  expect(await kindsFound()).toEqual(['redis-behind']);
  site.copies.number += 2;
  expect(await kindsFound()).toEqual(['redis-ahead']);
  site.copies.number--;
  const [first, second] = site.copies.views;
  if (first === undefined || second === undefined) throw new Error('two partitions');
  for (const views of [
    [first],
    [first, second, { ...second, partition: 7 }],
    [first, { ...second, cursor: second.cursor + 1n }],
    [first, { ...second, extents: second.extents.slice(1) }],
  ]) {
    site.copies.views = views;
    expect(await kindsFound()).toEqual(['redis-differs']);
  }
  site.copies.views = [second, first, second];
  expect(await kindsFound()).toEqual([]);
});

test('Redis that cannot be asked is not taken for one that agrees', async () => {
  const openCoordinator = async (): Promise<never> => {
    throw coordinatorError('COORDINATOR_REDIS_UNAVAILABLE', 'Redis does not answer.');
  };
  expect(await run({ openCoordinator })).toMatchObject({ outcome: 'unchecked', findings: [] });
});

test("another cluster's Redis is found", async () => {
  const openCoordinator = async (): Promise<never> => {
    throw coordinatorError('COORDINATOR_FOREIGN_REDIS', 'Redis belongs to another cluster.');
  };
  expect(await kindsFound({ openCoordinator })).toEqual(['foreign-cluster']);
});

test('a WAL file that Redis does not know is waste, once it is old enough', async () => {
  const object = walKey(newFileId(site.clock.wallMs() - 2 * HOUR_MS, 4_711));
  site.store.objects.set(object, Buffer.alloc(1));
  const { findings } = await run();
  expect(findings).toMatchObject([{ kind: 'wal-file-orphan', severity: 'waste', object }]);
  expect(await kindsFound({ graceMs: 3 * HOUR_MS })).toEqual([]);
});

test('a WAL file that Redis keeps and that is gone is found', async () => {
  const [fileId = 0n] = site.walFiles;
  site.store.objects.delete(walKey(fileId));
  const { findings } = await run();
  expect(findings).toMatchObject([{ kind: 'wal-file-gone', object: walKey(fileId) }]);
});

test('a WAL file of unmerged data that is gone is found, with the offsets', async () => {
  const fileId = site.walFiles[2] ?? 0n;
  site.store.objects.delete(walKey(fileId));
  const { findings } = await run({ openCoordinator: undefined });
  expect(findings).toMatchObject([
    { kind: 'object-missing', partition: 0, startOffset: 6n, endOffset: 9n },
    { kind: 'object-missing', partition: 1, startOffset: 7n, endOffset: 10n },
  ]);
});

test('a cursor above the end of the log is found', async () => {
  site.partition(1).electUnclean(4n);
  const { findings } = await run();
  expect(findings).toMatchObject([
    { kind: 'cursor-above-log-end', partition: 1, startOffset: 4n, endOffset: 7n },
  ]);
});

test('a log that has another history below the cursor is found', async () => {
  site.partition(1).electUnclean(4n);
  const other = buildRecordBatch({}, [{}, {}, {}, {}]);
  site.partition(1).append(other);
  const { findings } = await run();
  expect(findings).toMatchObject([
    { kind: 'history-differs', partition: 1, startOffset: 4n, endOffset: 8n },
  ]);
});

test('a log whose leader nobody agrees on is not taken for one that fits', async () => {
  site.partition(1).isAgreed = false;
  expect(await run()).toMatchObject({ outcome: 'unchecked', findings: [] });
  site.partition(1).isAgreed = true;
  site.partition(1).hasLeader = false;
  expect(await run()).toMatchObject({ outcome: 'unchecked', findings: [] });
});

test('what the broker has deleted, and topics that are gone, are no findings', async () => {
  site.partition(1).deleteBelow(5n);
  expect(await kindsFound()).toEqual([]);
  site.log.deleteTopic('orders');
  expect(await kindsFound()).toEqual([]);
});
