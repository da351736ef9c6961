import { beforeEach, expect, test } from 'vitest';
import { EMPTY_STATE, partitionKey, TopicRecordStore } from '../../../../storage/index.ts';
import type { GroupState, TopicRecord } from '../../../../storage/index.ts';
import { backfillProgress, wishBackfill } from '../../../../workers/backfill/backfill.ts';
import { Site } from '../verify/site.ts';

let site: Site;
let records: TopicRecordStore;
let published: TopicRecord[];

beforeEach(async () => {
  site = await Site.open();
  records = new TopicRecordStore(site.store);
  published = [];
});

async function wish(what: 'request' | 'cancel', topic = 'orders'): Promise<TopicRecord> {
  const coordinator = { publishTopic: (record: TopicRecord) => void published.push(record) };
  return await wishBackfill(
    { log: site.log, records, coordinator, clock: site.clock },
    topic,
    what,
  );
}

test('a wish is in the record, and members hear of it', async () => {
  const { topicId } = site.partition(0).id;
  const before = await records.get(topicId);
  const asked = await wish('request');
  expect(asked.backfill).toEqual({ requestedAtMs: site.clock.wallMs() });
  expect(asked.version).toBe((before?.version ?? 0) + 1);
  expect(await records.get(topicId)).toEqual(asked);
  await site.clock.advance(1_000);
  const { requestedAtMs } = asked.backfill ?? {};
  const cancelled = await wish('cancel');
  expect(cancelled.backfill).toEqual({ requestedAtMs, cancelledAtMs: site.clock.wallMs() });
  const again = await wish('request');
  expect(again.backfill).toEqual({ requestedAtMs });
  expect(published).toEqual([asked, cancelled, again]);
});

test('a topic that is classic, or not there, is refused', async () => {
  site.log.createTopic('classic');
  await expect(wish('request', 'classic')).rejects.toMatchObject({
    code: 'WORKER_TOPIC_NOT_DISKLESS',
  });
  await expect(wish('request', 'none')).rejects.toMatchObject({ code: 'WORKER_PARTITION_UNKNOWN' });
});

/** The first partition as the journal has it once it got that far. */
async function progressAt(
  change: Partial<{ consolidatedTo: bigint; hasSegment: boolean }>,
): Promise<unknown> {
  const { state } = site.journal;
  const key = partitionKey(site.partition(0).id);
  const partition = state.partitions.get(key);
  if (partition === undefined) throw new Error('not merged');
  const { consolidatedTo = 6n, hasSegment = false } = change;
  const segment = {
    id: 'A'.repeat(22),
    baseOffset: 0n,
    startOffset: 0n,
    endOffset: consolidatedTo,
    bytes: 1,
    maxTimestampMs: 0n,
    createdMs: 0,
  };
  const extents = partition.extents.slice(1);
  const moved = { ...partition, consolidatedTo, extents, segments: hasSegment ? [segment] : [] };
  const changed: GroupState = { ...state, partitions: new Map([[key, moved]]) };
  const [progress] = await backfillProgress(site.log, [EMPTY_STATE, changed], 'orders');
  return progress;
}

test('progress is told from the journals', async () => {
  const waiting = { partition: 0, state: 'waiting', startOffset: 0n, movedTo: 0n, endOffset: 0n };
  expect(await backfillProgress(site.log, [EMPTY_STATE], 'orders')).toEqual([
    waiting,
    { ...waiting, partition: 1 },
  ]);
  for (let file = 0; file < 3; file++) {
    await site.produce(0);
    await site.merge();
  }
  const offsets = { partition: 0, startOffset: 0n, endOffset: 3n };
  // As if the first extent were data that was never merged.
  expect(await progressAt({ consolidatedTo: 3n })).toEqual({
    ...offsets,
    state: 'waiting',
    movedTo: 0n,
  });
  expect(await progressAt({ consolidatedTo: 0n })).toEqual({
    ...offsets,
    state: 'moving',
    movedTo: 0n,
  });
  expect(await progressAt({ consolidatedTo: 2n, hasSegment: true })).toEqual({
    ...offsets,
    state: 'moving',
    movedTo: 2n,
  });
  expect(await progressAt({ consolidatedTo: 6n, hasSegment: true })).toEqual({
    ...offsets,
    state: 'done',
    movedTo: 3n,
  });
});
