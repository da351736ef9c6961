/** The merge of a partition group against logs, a bucket and a journal in memory. */
import { expect, test } from 'vitest';
import { baseOffset, BATCH_FIELD, partitionLeaderEpoch } from '../../../../kafka/index.ts';
import { createMergeJob } from '../../../../workers/merge/merge-job.ts';
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
