import { expect, test } from 'vitest';
import { buildRecordBatch } from '../../../../kafka/index.ts';
import { partitionKey } from '../../../../storage/index.ts';
import { createConsolidateJob } from '../../../../workers/consolidate/consolidate-job.ts';
import { followLogStarts } from '../../../../workers/merge/log-starts.ts';
import { createTrimJob } from '../../../../workers/trim/trim-job.ts';
import { JobWorld } from '../../../support/job-world.ts';

const CONSOLIDATE = createConsolidateJob({
  intervalMs: 1,
  segmentBytesMax: 1024 * 1024,
  backfillBytesPerSecond: null,
});

test('a trim that comes while the leaders are asked is not taken for a deletion', async () => {
  const world = new JobWorld();
  const [orders] = world.log.createTopic('orders');
  if (orders === undefined) throw new Error('a topic has a partition');
  const { topicId, topic: name } = orders.id;
  const record = { topicId, name, diskless: true, configs: {}, updatedAtMs: 0, version: 1 };
  world.records.set(topicId, record);
  world.settings.set('orders', { segmentBytes: 5_000 });
  await world.start();
  for (let i = 0; i < 12; i++) orders.append(buildRecordBatch({}, [{ value: Buffer.alloc(900) }]));
  await world.merge([orders]);
  await world.run(CONSOLIDATE);
  await world.clock.advance(1_000);
  const { leader } = orders;
  const state = world.partition(orders);
  const watched = [{ leader, state, startOffset: null, isRequested: false, isLeft: false }];
  await world.run(createTrimJob({ intervalMs: 1, keepMs: 0 }));
  const starts = await world.log.logStarts([leader]);
  expect(starts.get(partitionKey(leader))).toBe(10n);
  await followLogStarts(world.context(), watched, starts);
  expect(world.partition(orders)).toMatchObject({ logicalStart: 0n, trimIntent: 10n });
  orders.deleteBelow(11n);
  await followLogStarts(world.context(), watched, await world.log.logStarts([leader]));
  expect(world.partition(orders)).toMatchObject({ logicalStart: 11n, trimIntent: 10n });
});
