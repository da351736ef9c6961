/** The merge of a partition group against logs, a bucket and a journal in memory. */
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { baseOffset, BATCH_FIELD, partitionLeaderEpoch } from '../../../../kafka/index.ts';
import { walKey } from '../../../../storage/index.ts';
import { createMergeJob } from '../../../../workers/merge/merge-job.ts';
import type { MergeReport } from '../../../../workers/merge/merge-run.ts';
import { WalFiles } from '../../../../workers/wal/wal-files.ts';
import { batchOf, MergeSite } from '../../../support/merge-site.ts';

const OPTIONS = { intervalMs: 30_000, fileBytes: 1 << 20 };

/** What no broker changes: everything from the attributes on. */
function content(batches: readonly Buffer[]): string[] {
  return batches.map((batch) => batch.subarray(BATCH_FIELD.attributes).toString('hex'));
}

test('placeholders, real and control batches end up in one extent, with the offsets of the log', async () => {
  const site = new MergeSite();
  site.createTopic('orders');
  const batches = [batchOf(['a', 'b']), batchOf(['c']), batchOf(['d', 'e', 'f'])];
  const [first, second, third] = batches.map((batch) => ({ topic: 'orders', batch }));
  if (first === undefined || second === undefined || third === undefined) throw new Error();
  site.produce(first);
  site.produceReal(second);
  site.log.partition('orders').elect();
  site.produce(third);
  const worker = await site.openWorker();
  await worker.run(createMergeJob(OPTIONS));
  const merged = await site.readExtents('orders');
  expect(content(merged)).toEqual(content(batches));
  expect(merged.map((batch) => baseOffset(batch))).toEqual([0n, 2n, 3n]);
  expect(merged.map((batch) => partitionLeaderEpoch(batch))).toEqual([0, 0, 1]);
  const state = await site.stateOf('orders');
  expect(state).toMatchObject({ cursor: 6n, asOf: 2, leaderEpoch: 1 });
  expect(state?.extents).toHaveLength(1);
  expect(worker.memory.bytesHeld).toBe(0);
});

/** @returns a site with a topic, and what produces to it and merges it */
function siteWithTopic(partitionCount = 1) {
  const site = new MergeSite();
  site.createTopic('orders', partitionCount);
  const produce = (...values: string[]): bigint => {
    return site.produce({ topic: 'orders', batch: batchOf(values) });
  };
  const merge = async (): Promise<MergeReport | undefined> => {
    let reported: MergeReport | undefined;
    const onReport = (_group: number, report: MergeReport): void => {
      reported = report;
    };
    const worker = await site.openWorker();
    await worker.run(createMergeJob({ ...OPTIONS, onReport }));
    return reported;
  };
  return { site, produce, merge, log: site.log.partition('orders') };
}

test('a second run goes on where the first has ended, and an idle one writes nothing', async () => {
  const { site, produce, merge } = siteWithTopic();
  produce('a');
  await merge();
  produce('b');
  produce('c');
  await merge();
  const objects = site.store.objects.size;
  expect(await merge()).toMatchObject({ isCommitted: true, batches: 0 });
  expect(site.store.objects.size).toBe(objects);
  expect((await site.readExtents('orders')).map((batch) => baseOffset(batch))).toEqual([
    0n,
    1n,
    2n,
  ]);
  expect((await site.stateOf('orders'))?.extents).toHaveLength(2);
});

test('nothing above the high watermark is merged, and no sample is committed until it is', async () => {
  const { site, produce, merge, log } = siteWithTopic();
  produce('a');
  log.stopFollowers();
  produce('b');
  await merge();
  expect(await site.stateOf('orders')).toMatchObject({ cursor: 1n, asOf: null });
  log.followersLag = false;
  await merge();
  expect(await site.stateOf('orders')).toMatchObject({ cursor: 2n, asOf: 2 });
});

test('a sample waits for its cursor, and is worth nothing under another leader', async () => {
  const { site, produce, log } = siteWithTopic();
  const worker = await site.openWorker();
  const job = createMergeJob(OPTIONS);
  produce('a');
  log.stopFollowers();
  produce('b');
  await worker.run(job);
  produce('c');
  log.followersLag = false;
  await worker.run(job);
  // The first sample, of two settled files, was kept, and reached.
  expect(await site.stateOf('orders')).toMatchObject({ cursor: 3n, asOf: 2 });
  produce('d');
  log.stopFollowers();
  produce('e');
  await worker.run(job);
  log.elect();
  log.followersLag = false;
  produce('f');
  await worker.run(job);
  expect(await site.stateOf('orders')).toMatchObject({ cursor: 6n, asOf: 6 });
});

test('a partition that nobody has written to is sampled if that is asked for', async () => {
  const { site, merge } = siteWithTopic(2);
  const { fileId } = site.upload([{ topic: 'orders', partition: 1, batch: batchOf(['lost']) }]);
  site.coordinator.settle(fileId);
  await site.coordinator.requestSamples([{ topic: 'orders', partition: 1 }]);
  await merge();
  expect(await site.stateOf('orders', 0)).toBeUndefined();
  expect(await site.stateOf('orders', 1)).toMatchObject({ cursor: 0n, asOf: 1, extents: [] });
});

test('an idle partition is sampled again if that is asked for', async () => {
  const { site, produce, merge } = siteWithTopic();
  produce('a');
  await merge();
  const orphan = site.upload([{ topic: 'orders', batch: batchOf(['never appended']) }]);
  site.coordinator.settle(orphan.fileId);
  await merge();
  expect(await site.stateOf('orders')).toMatchObject({ asOf: 1 });
  await site.coordinator.requestSamples([{ topic: 'orders', partition: 0 }]);
  await merge();
  expect(await site.stateOf('orders')).toMatchObject({ asOf: 2 });
});

test('a sample that says what the journal says already makes way for the next', async () => {
  const { site, produce } = siteWithTopic();
  const worker = await site.openWorker();
  const job = createMergeJob(OPTIONS);
  await site.coordinator.requestSamples([{ topic: 'orders', partition: 0 }]);
  produce('a');
  await worker.run(job);
  // Asked for once more, while nothing has been settled.
  await worker.run(job);
  const orphan = site.upload([{ topic: 'orders', batch: batchOf(['never appended']) }]);
  site.coordinator.settle(orphan.fileId);
  await worker.run(job);
  expect(await site.stateOf('orders')).toMatchObject({ cursor: 1n, asOf: 2 });
});

test('while a majority of the brokers names another leader nothing is sampled or merged', async () => {
  const { site, produce, merge, log } = siteWithTopic();
  produce('a');
  log.isAgreed = false;
  await merge();
  expect(await site.stateOf('orders')).toBeUndefined();
});

test('while one broker does not name the leader it is merged, but as of nothing', async () => {
  const { site, produce, merge, log } = siteWithTopic();
  produce('a');
  log.isNamedByAll = false;
  await merge();
  expect(await site.stateOf('orders')).toMatchObject({ cursor: 1n, asOf: null });
  log.isNamedByAll = true;
  await site.coordinator.requestSamples([{ topic: 'orders', partition: 0 }]);
  await merge();
  expect(await site.stateOf('orders')).toMatchObject({ cursor: 1n, asOf: 1 });
});

test('a lost file stops its partition, with one alarm, and no other', async () => {
  const { site, produce } = siteWithTopic(2);
  const lines: string[] = [];
  const logger = pino({ level: 'fatal' }, { write: (line) => lines.push(line) });
  produce('a');
  const lost = produce('b');
  produce('c');
  site.produce({ topic: 'orders', partition: 1, batch: batchOf(['x']) });
  const bytes = site.store.objects.get(walKey(lost));
  site.store.objects.delete(walKey(lost));
  const worker = await site.openWorker({ logger });
  const reports: MergeReport[] = [];
  const job = createMergeJob({ ...OPTIONS, onReport: (_group, report) => reports.push(report) });
  await worker.run(job);
  await worker.run(job);
  expect(await site.stateOf('orders', 0)).toMatchObject({ cursor: 1n, asOf: null });
  expect(await site.stateOf('orders', 1)).toMatchObject({ cursor: 1n });
  expect(lines).toHaveLength(1);
  expect(lines[0]).toContain('WORKER_OBJECT_MISSING');
  expect(reports[1]?.oldestUnmergedMs).toBe(site.clock.wallMs());
  site.store.objects.set(walKey(lost), bytes ?? Buffer.alloc(0));
  await worker.run(job);
  expect(await site.stateOf('orders', 0)).toMatchObject({ cursor: 3n });
  expect(reports[2]?.oldestUnmergedMs).toBeUndefined();
});

test('a damaged file stops its partition too', async () => {
  const { site, produce, merge } = siteWithTopic();
  const file = site.store.objects.get(walKey(produce('a')));
  file?.writeUInt8(0xff, file.length - 40);
  expect((await merge())?.stopped).toMatchObject([{ error: { code: 'WORKER_OBJECT_CORRUPT' } }]);
  expect(await site.stateOf('orders')).toBeUndefined();
});

test('a log start that was moved by others moves cursor and logical start', async () => {
  const { site, produce, merge, log } = siteWithTopic();
  for (const value of ['a', 'b', 'c']) produce(value);
  await merge();
  log.deleteBelow(2n);
  await merge();
  expect(await site.stateOf('orders')).toMatchObject({ logicalStart: 2n, cursor: 3n });
  produce('d', 'e');
  produce('f');
  log.deleteBelow(4n);
  await merge();
  expect(await site.stateOf('orders')).toMatchObject({ logicalStart: 4n, cursor: 6n });
  // The log's first batch begins below its start.
  expect((await site.readExtents('orders')).map((batch) => baseOffset(batch))).toEqual([3n, 5n]);
});

test('merging begins where the logs ended when the topic was marked', async () => {
  const site = new MergeSite();
  site.log.createTopic('orders', 2);
  for (const value of ['old', 'older']) {
    site.produceReal({ topic: 'orders', batch: batchOf([value]) });
  }
  site.mark('orders', { startOffsets: [2] });
  for (const partition of [0, 1]) {
    site.produce({ topic: 'orders', partition, batch: batchOf(['new']) });
  }
  const worker = await site.openWorker();
  await worker.run(createMergeJob(OPTIONS));
  expect(await site.stateOf('orders', 0)).toMatchObject({ cursor: 3n, consolidatedTo: 2n });
  expect(await site.stateOf('orders', 1)).toMatchObject({ cursor: 1n, consolidatedTo: 0n });
});

test('another history is cut out where it begins, and what took its place is merged', async () => {
  const { site, produce, merge, log } = siteWithTopic();
  for (const value of ['a', 'b']) produce(value);
  await merge();
  for (const value of ['c', 'd', 'e']) produce(value);
  await merge();
  log.electUnclean(3n);
  for (const value of ['C', 'D', 'E', 'F']) produce(value);
  await merge();
  const cut = await site.stateOf('orders');
  expect(cut).toMatchObject({ cursor: 3n, asOf: null });
  expect(cut?.quarantined).toMatchObject([{ extents: [{ startOffset: 3n, endOffset: 5n }] }]);
  await merge();
  expect(content(await site.readExtents('orders'))).toEqual(
    content(['a', 'b', 'c', 'C', 'D', 'E', 'F'].map((value) => batchOf([value]))),
  );
});

test.for([1n, 2n])('a log that ends below the cursor, at %s, is another history', async (end) => {
  const { site, produce, merge, log } = siteWithTopic();
  for (const value of ['a', 'b', 'c']) produce(value);
  await merge();
  log.electUnclean(end);
  await merge();
  expect(await site.stateOf('orders')).toMatchObject({ cursor: end });
});

test('a restored broker with the same epochs is found out by what it has at the last batch', async () => {
  const { site, produce, merge, log } = siteWithTopic();
  for (const value of ['a', 'b', 'c']) produce(value);
  await merge();
  log.electUnclean(2n);
  log.epochs.splice(0, log.epochs.length, { epoch: 0, startOffset: 0n });
  for (const value of ['C', 'D']) produce(value);
  await merge();
  await merge();
  expect(content(await site.readExtents('orders'))).toEqual(
    content(['a', 'b', 'C', 'D'].map((value) => batchOf([value]))),
  );
});

test('a cluster whose epochs were reset, with the same batches, is merged on', async () => {
  const { site, produce, log } = siteWithTopic();
  log.elect();
  for (const value of ['a', 'b']) produce(value);
  const worker = await site.openWorker();
  const job = createMergeJob(OPTIONS);
  await worker.run(job);
  log.epochs.splice(0, log.epochs.length, { epoch: 0, startOffset: 0n });
  produce('c');
  await worker.run(job);
  await worker.run(job);
  expect(await site.stateOf('orders')).toMatchObject({ cursor: 3n, quarantined: [] });
});

test('each WAL file is read once, whatever the number of groups, chunks and partitions', async () => {
  const site = new MergeSite(3);
  site.createTopic('orders', 12);
  const value = 'x'.repeat(2_000);
  for (let file = 0; file < 20; file++) {
    site.produce(
      ...Array.from({ length: 12 }, (_, partition) => {
        return { topic: 'orders', partition, batch: batchOf([`${file}-${partition}`, value]) };
      }),
    );
  }
  let reads = 0;
  const { store } = site;
  const getRange = store.getRange.bind(store);
  store.getRange = async (key, ...rest) => {
    if (key.startsWith('wal/')) reads += 1;
    return await getRange(key, ...rest);
  };
  const worker = await site.openWorker();
  const walFiles = new WalFiles(15 * 26_000);
  const job = createMergeJob({ ...OPTIONS, fileBytes: 50_000, walFiles });
  // The groups of a process run at about the same time.
  await Promise.all(worker.groups.map(async (group) => job.run(worker.context(group))));
  expect(reads).toBe(20);
  for (let partition = 0; partition < 12; partition++) {
    expect(await site.readExtents('orders', partition)).toHaveLength(20);
  }
  const files = worker.groups.map(({ state }) => state.number);
  expect(Math.min(...files)).toBeGreaterThan(1);
});
