/** The fake behaves as brokers do where workers rest on it. */
import { expect, test } from 'vitest';
import { baseOffset, buildRecordBatch, partitionLeaderEpoch } from '../../../../kafka/index.ts';
import { FakeClusterLog, type FakePartition } from '../../../support/fake-cluster-log.ts';

const batch = buildRecordBatch({}, [{ value: Buffer.from('a') }, { value: Buffer.from('b') }]);

function newPartition(): { log: FakeClusterLog; partition: FakePartition } {
  const log = new FakeClusterLog();
  log.createTopic('orders');
  return { log, partition: log.partition('orders') };
}

test('batches get offsets and epochs, and are read up to the high watermark', async () => {
  const { log, partition } = newPartition();
  partition.append(batch);
  partition.elect();
  partition.append(batch);
  partition.stopFollowers();
  partition.append(batch);
  const read = await log.read({
    leader: partition.leader,
    offset: 1n,
    lastFetchedEpoch: -1,
    bytesMax: 1_000_000,
  });
  expect(read).toMatchObject({ kind: 'read', highWatermark: 4n, logStartOffset: 0n });
  const batches = read.kind === 'read' ? read.batches : [];
  expect(batches.map((one) => baseOffset(one))).toEqual([0n, 2n]);
  expect(batches.map((one) => partitionLeaderEpoch(one))).toEqual([0, 1]);
  const ends = await log.logEnds([partition.leader]);
  expect([...ends.values()]).toMatchObject([{ endOffset: 6n }]);
});

test('another history is told by the epoch of what was fetched last', async () => {
  const { log, partition } = newPartition();
  partition.append(batch);
  partition.elect();
  partition.append(batch);
  partition.electUnclean(2n);
  partition.append(batch);
  partition.append(batch);
  const { leader } = partition;
  const request = { leader, offset: 4n, bytesMax: 1_000_000 };
  expect(await log.read({ ...request, lastFetchedEpoch: 1 })).toEqual({
    kind: 'diverged',
    epoch: 0,
    endOffset: 2n,
  });
  expect(await log.read({ ...request, lastFetchedEpoch: 2 })).toMatchObject({ kind: 'read' });
  expect(
    await log.read({ ...request, leader: { ...leader, leaderEpoch: 1 }, lastFetchedEpoch: 1 }),
  ).toEqual({ kind: 'not-leader' });
});

test('open transactions hold the last stable offset, and a trim moves the start', async () => {
  const { log, partition } = newPartition();
  const pid = { producerId: 7n, producerEpoch: 0, baseSequence: 0, transactional: true };
  partition.append(batch);
  partition.append(buildRecordBatch(pid, [{ value: Buffer.from('t') }]));
  expect(partition.lastStableOffset).toBe(2n);
  partition.append(buildRecordBatch({ ...pid, control: true }, [{ key: Buffer.alloc(4) }]));
  expect(partition.lastStableOffset).toBe(4n);
  expect(await log.deleteRecords(partition.leader, 2n)).toBe(2n);
  const request = { leader: partition.leader, lastFetchedEpoch: -1, bytesMax: 1 };
  expect(await log.read({ ...request, offset: 1n })).toEqual({ kind: 'out-of-range' });
  expect(await log.read({ ...request, offset: 5n })).toEqual({ kind: 'out-of-range' });
});
