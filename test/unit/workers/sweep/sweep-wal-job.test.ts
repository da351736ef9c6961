import { pino } from 'pino';
import { expect, test } from 'vitest';
import { walKey } from '../../../../storage/index.ts';
import { batchOf } from '../../../support/merge-site.ts';
import { DAY_MS, HOUR_MS, killedAt, SweepSite, unlessKilled } from '../../../support/sweep-site.ts';

function siteWithTopics(...names: readonly string[]): SweepSite {
  const site = new SweepSite();
  for (const name of names) site.createTopic(name);
  return site;
}

function produce(site: SweepSite, topic: string, value = 'a'): bigint {
  return site.produce({ topic, batch: batchOf([value]) });
}

test('a file goes when it is merged and the margin over, and Redis forgets it', async () => {
  const site = siteWithTopics('orders');
  const fileId = produce(site, 'orders');
  await site.merge();
  await site.sweep();
  expect(site.walFiles()).toHaveLength(1);
  await site.clock.advance(HOUR_MS);
  await site.sweep();
  expect(site.walFiles()).toEqual([]);
  expect(await site.coordinator.knownFiles([fileId])).toEqual(new Set());
  expect(await site.readExtents('orders')).toHaveLength(1);
});

test('a file that is not merged stays, and a sample of its partition is asked for', async () => {
  const site = siteWithTopics('orders');
  produce(site, 'orders');
  await site.clock.advance(HOUR_MS);
  await site.sweep();
  expect(site.walFiles()).toHaveLength(1);
  const asked = await site.coordinator.requestedSamples();
  expect(asked).toEqual([{ topic: 'orders', partition: 0 }]);
  await site.merge();
  await site.sweep();
  expect(site.walFiles()).toEqual([]);
});

test('a file of two partitions stays while one of them is not merged', async () => {
  const site = siteWithTopics('orders', 'slow');
  site.log.partition('slow').isNamedByAll = false;
  site.produce(
    { topic: 'orders', batch: batchOf(['a']) },
    { topic: 'slow', batch: batchOf(['b']) },
  );
  await site.merge();
  await site.clock.advance(HOUR_MS);
  await site.sweep();
  expect(site.walFiles()).toHaveLength(1);
  site.log.partition('slow').isNamedByAll = true;
  await site.merge();
  await site.sweep();
  expect(site.walFiles()).toEqual([]);
});

test('what was never settled is kept for a week, and a late append is not lost', async () => {
  const site = siteWithTopics('orders');
  const { append } = site.upload([{ topic: 'orders', batch: batchOf(['late']) }]);
  await site.clock.advance(6 * DAY_MS);
  await site.merge();
  await site.sweep();
  expect(site.walFiles()).toHaveLength(1);
  append();
  await site.clock.advance(DAY_MS + 1);
  await site.sweep();
  expect(site.walFiles()).toHaveLength(1);
  await site.merge();
  await site.sweep();
  await site.merge();
  await site.sweep();
  expect(site.walFiles()).toEqual([]);
  expect(await site.readExtents('orders')).toHaveLength(1);
});

test('a file that Redis forgot is found by a listing, and goes in the end', async () => {
  const site = siteWithTopics('orders');
  produce(site, 'orders');
  site.coordinator.wipe();
  await site.clock.advance(8 * DAY_MS);
  await site.sweep();
  expect(site.walFiles()).toHaveLength(1);
  await site.sweep();
  await site.merge();
  await site.sweep();
  expect(site.walFiles()).toEqual([]);
});

test('a clock that jumps gives nothing up', async () => {
  const site = siteWithTopics('orders');
  const { fileId } = site.upload([{ topic: 'orders', batch: batchOf(['slow']) }]);
  site.skewMs = 30 * DAY_MS;
  for (let run = 0; run < 3; run++) {
    await site.sweep();
    await site.merge();
  }
  expect(site.walFiles()).toHaveLength(1);
  expect(await site.coordinator.settledFiles(0, 10)).toEqual([]);
  expect(site.store.objects.has(walKey(fileId))).toBe(true);
});

test('files of a deleted topic go after a day without it', async () => {
  const site = siteWithTopics('orders', 'others');
  produce(site, 'orders');
  site.log.deleteTopic('orders');
  await site.clock.advance(HOUR_MS);
  await site.sweep();
  await site.clock.advance(DAY_MS - 1);
  await site.sweep();
  expect(site.walFiles()).toHaveLength(1);
  await site.clock.advance(1);
  await site.sweep();
  expect(site.walFiles()).toEqual([]);
});

test('a file of a topic that was made again waits for the new one to be merged', async () => {
  const site = siteWithTopics('orders', 'others');
  produce(site, 'orders', 'old');
  await site.merge();
  site.log.deleteTopic('orders');
  site.createTopic('orders');
  produce(site, 'orders', 'new');
  await site.clock.advance(2 * DAY_MS);
  await site.sweep();
  expect(site.walFiles()).toHaveLength(2);
  await site.merge();
  await site.sweep();
  expect(site.walFiles()).toEqual([]);
  expect(await site.lost(site.log.partition('orders'))).toEqual([]);
});

test('a partition that no topic has counts as gone after a day', async () => {
  const site = siteWithTopics('orders');
  const { fileId } = site.upload([{ topic: 'orders', partition: 7, batch: batchOf(['a']) }]);
  site.coordinator.settle(fileId);
  await site.clock.advance(HOUR_MS);
  await site.sweep();
  expect(site.walFiles()).toHaveLength(1);
  await site.clock.advance(DAY_MS);
  await site.sweep();
  expect(site.walFiles()).toEqual([]);
});

test('nothing is deleted while too many topics are missing, and it is said', async () => {
  const site = siteWithTopics('a', 'b', 'c', 'd');
  produce(site, 'a');
  await site.merge();
  await site.clock.advance(HOUR_MS);
  for (const name of ['b', 'c', 'd']) site.log.deleteTopic(name);
  const lines: string[] = [];
  const logger = pino({ level: 'error' }, { write: (line) => lines.push(line) });
  await site.sweep({ logger });
  expect(site.walFiles()).toHaveLength(1);
  expect(lines.join()).toContain('the sweep has stopped');
  await site.sweep({}, { vanishedPercentMax: 75 });
  expect(site.walFiles()).toEqual([]);
});

test('the record of a deleted topic goes once nothing of it is left', async () => {
  const site = siteWithTopics('orders', 'others');
  const { topicId } = site.log.partition('orders').id;
  site.log.deleteTopic('orders');
  await site.sweep();
  expect(site.topics.has(topicId)).toBe(true);
  await site.clock.advance(DAY_MS);
  await site.sweep();
  expect(site.topics.has(topicId)).toBe(false);
});

test('a worker that dies anywhere leaves nothing that the next one does not finish', async () => {
  for (let nth = 0; nth < 6; nth++) {
    const site = siteWithTopics('orders');
    produce(site, 'orders');
    site.upload([{ topic: 'orders', batch: batchOf(['orphan']) }]);
    await site.merge();
    await site.clock.advance(8 * DAY_MS);
    await unlessKilled(site.sweep(killedAt(nth)));
    expect(await site.lost(site.log.partition('orders'))).toEqual([]);
    for (let run = 0; run < 3; run++) {
      await site.sweep();
      await site.merge();
    }
    expect(site.walFiles()).toEqual([]);
    expect(await site.coordinator.settledFiles(0, 10)).toEqual([]);
  }
});

test('probes that were left behind go after a day', async () => {
  const site = siteWithTopics();
  await site.store.put('health/7', Buffer.from('x'));
  await site.sweep();
  expect(site.store.objects.has('health/7')).toBe(true);
  await site.clock.advance(DAY_MS);
  await site.sweep();
  expect(site.store.objects.has('health/7')).toBe(false);
});
