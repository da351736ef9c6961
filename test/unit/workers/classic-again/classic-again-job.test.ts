/** When a topic that was made classic again is rid of its mark, and how long it is merged. */
import { expect, test } from 'vitest';
import { TopicRecordStore, type TopicRecord } from '../../../../storage/index.ts';
import {
  createClassicAgainJob,
  QUIET_MS,
} from '../../../../workers/classic-again/classic-again-job.ts';
import { createMergeJob } from '../../../../workers/merge/merge-job.ts';
import { batchOf, MergeSite } from '../../../support/merge-site.ts';

const NAME = 'orders';

/** A topic with two placeholders in one of its partitions, that is made classic again. */
async function switchedBack() {
  const site = new MergeSite();
  const [partition] = site.createTopic(NAME, 2);
  if (partition === undefined) throw new Error('it has no partition');
  const records = new TopicRecordStore(site.store);
  const { topicId } = partition.id;
  const produce = (value: string) => site.produce({ topic: NAME, batch: batchOf([value]) });
  produce('a');
  produce('b');
  const updatedAtMs = site.clock.wallMs();
  const fields = { diskless: false, placeholdersLeft: true, startOffsets: [0, 0] } as const;
  site.mark(NAME, { ...fields, updatedAtMs });
  await records.put(recordIn(site, topicId));
  const run = async (): Promise<TopicRecord> => {
    const worker = await site.openWorker();
    const [group] = worker.groups;
    if (group === undefined) throw new Error('there is no group');
    const groups = { groupCount: 1, states: async () => worker.groups.map(({ state }) => state) };
    await createClassicAgainJob(1).run({ ...worker.context(group), groups });
    return recordIn(site, topicId);
  };
  return { site, topicId, partition, records, produce, run };
}

function recordIn(site: MergeSite, topicId: string): TopicRecord {
  const record = site.topics.get(topicId);
  if (record === undefined) throw new Error('there is no record');
  return record;
}

test('the mark goes once the logs begin where the last placeholder can have been', async () => {
  const { site, topicId, partition, records, produce, run } = await switchedBack();
  expect(await run()).not.toHaveProperty('placeholdersEnd');
  // A member that had not heard of it yet.
  produce('c');
  await site.clock.advance(QUIET_MS);
  expect(await run()).toMatchObject({ placeholdersLeft: true, placeholdersEnd: [3, 0] });
  partition.deleteBelow(2n);
  expect(await run()).toMatchObject({ placeholdersLeft: true });
  partition.deleteBelow(3n);
  const cleared = await run();
  expect(cleared.diskless).toBe(false);
  for (const field of ['placeholdersLeft', 'placeholdersEnd', 'startOffsets']) {
    expect(cleared).not.toHaveProperty(field);
  }
  expect(await records.get(topicId)).toEqual(cleared);
});

test('a record that somebody else has changed meanwhile is left alone', async () => {
  const { site, topicId, records, run } = await switchedBack();
  await site.clock.advance(QUIET_MS);
  const record = recordIn(site, topicId);
  const newer = { ...record, diskless: true, version: record.version + 1 };
  await records.put(newer);
  await run();
  expect(await records.get(topicId)).toEqual(newer);
});

test('it is merged up to its last placeholder, then left, unless a sample is asked for', async () => {
  const { site, partition, run } = await switchedBack();
  await site.clock.advance(QUIET_MS);
  await run();
  const merge = createMergeJob({ intervalMs: 1, fileBytes: 1 << 20 });
  await (await site.openWorker()).run(merge);
  expect(await site.stateOf(NAME)).toMatchObject({ cursor: 2n });
  site.produceReal({ topic: NAME, batch: batchOf(['classic']) });
  await (await site.openWorker()).run(merge);
  expect(await site.stateOf(NAME)).toMatchObject({ cursor: 2n });
  await site.coordinator.requestSamples([{ topic: NAME, partition: 0 }]);
  await (await site.openWorker()).run(merge);
  expect(await site.stateOf(NAME)).toMatchObject({ cursor: partition.endOffset, asOf: 2 });
});
