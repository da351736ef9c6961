import * as fc from 'fast-check';
import { beforeEach, expect, test } from 'vitest';
import { baseOffset, buildRecordBatch, lastOffset } from '../../../../kafka/index.ts';
import { entryKey, SEGMENT_PREFIX } from '../../../../storage/index.ts';
import type { AbortedTransaction } from '../../../../storage/index.ts';
import { createConsolidateJob } from '../../../../workers/consolidate/consolidate-job.ts';
import type { GroupJob } from '../../../../workers/group-job.ts';
import { openSegment } from '../../../../workers/extents/segment-log.ts';
import type { FakePartition } from '../../../support/fake-cluster-log.ts';
import { appendLog, JobWorld } from '../../../support/job-world.ts';
import { makeSegments } from '../../storage/segment/make-segments.ts';
import { markerBatch, randomLogs } from '../../storage/segment/random-log.ts';

const OPTIONS = {
  intervalMs: 60_000,
  segmentBytesMax: 1024 * 1024,
  backfillBytesPerSecond: null,
};
let job: GroupJob;

beforeEach(() => {
  job = createConsolidateJob(OPTIONS);
});
const DAY_MS = 86_400_000;

function plain(valueBytes = 900, baseTimestamp = BigInt(Date.UTC(2027, 0, 1))): Buffer {
  return buildRecordBatch({ baseTimestamp }, [{ value: Buffer.alloc(valueBytes) }]);
}

function transactional(producerId: bigint, baseSequence = 0): Buffer {
  const header = { producerId, producerEpoch: 0, baseSequence, transactional: true };
  return buildRecordBatch(header, [{ value: Buffer.alloc(900) }]);
}

function marker(type: 'abort' | 'commit', producerId: bigint): Buffer {
  return markerBatch(type, { baseOffset: 0n, producerId, producerEpoch: 0 });
}

/** A world with one partition that consolidates every 5,000 bytes. */
async function worldOf(): Promise<{ world: JobWorld; orders: FakePartition }> {
  const world = new JobWorld();
  const [orders] = world.log.createTopic('orders');
  if (orders === undefined) throw new Error('a topic has a partition');
  world.settings.set('orders', { segmentBytes: 5_000 });
  await world.start();
  return { world, orders };
}

function hexOf(batches: readonly Buffer[]): string[] {
  return batches.map((batch) => batch.toString('hex'));
}

function ends(world: JobWorld, partition: FakePartition): number[] {
  return world.partition(partition).segments.map(({ endOffset }) => Number(endOffset));
}

async function abortedIn(world: JobWorld, partition: FakePartition): Promise<string[]> {
  const { segments } = world.partition(partition);
  const opened = segments.map(
    async (segment) => await openSegment(world.memory, partition.id, segment),
  );
  return (await Promise.all(opened)).flatMap(({ indexes }) => describeAll(indexes.aborted()));
}

function describeAll(aborted: Iterable<AbortedTransaction>): string[] {
  return [...aborted].map((one) => [one.producerId, one.firstOffset, one.lastOffset].join());
}

test('what fills a segment becomes one, and the rest waits', async () => {
  const { world, orders } = await worldOf();
  for (let i = 0; i < 12; i++) orders.append(plain());
  await world.merge([orders]);
  await world.run(job);
  const { segments, extents, consolidatedTo } = world.partition(orders);
  expect(ends(world, orders)).toEqual([5, 10]);
  expect(consolidatedTo).toBe(10n);
  expect(extents).toHaveLength(1);
  expect(segments[0]).toMatchObject({
    baseOffset: 0n,
    bytes: 5 * plain().length,
    createdMs: world.clock.wallMs(),
  });
  expect(hexOf(await world.readAll(orders))).toEqual(hexOf(orders.batches));
  expect(world.progress.records).toBe(10);
  await world.run(job);
  expect(ends(world, orders)).toEqual([5, 10]);
});

test('nothing at or above the last stable offset is in a segment', async () => {
  const { world, orders } = await worldOf();
  for (let i = 0; i < 3; i++) orders.append(plain());
  orders.append(transactional(7n));
  for (let i = 0; i < 20; i++) orders.append(plain());
  await world.merge([orders]);
  await world.run(job);
  expect(ends(world, orders)).toEqual([3]);
  orders.append(marker('abort', 7n));
  await world.merge([orders]);
  await world.run(job);
  expect(world.partition(orders).consolidatedTo).toBeGreaterThan(20n);
  expect(hexOf(await world.readAll(orders))).toEqual(hexOf(orders.batches));
});

test('a transaction that crosses segments is known in the one that has its marker', async () => {
  const { world, orders } = await worldOf();
  orders.append(transactional(7n));
  for (let i = 0; i < 10; i++) orders.append(plain());
  orders.append(marker('abort', 7n));
  for (let i = 0; i < 4; i++) orders.append(plain());
  await world.merge([orders]);
  await world.run(job);
  expect(ends(world, orders)).toEqual([5, 10, 16]);
  expect(await abortedIn(world, orders)).toEqual(['7,0,11']);
});

test('a small partition is consolidated once its first record is as old as segment.ms', async () => {
  const { world, orders } = await worldOf();
  world.settings.set('orders', { segmentMs: DAY_MS });
  orders.append(plain(10, BigInt(world.clock.wallMs())));
  await world.merge([orders]);
  await world.run(job);
  expect(ends(world, orders)).toEqual([]);
  await world.clock.advance(DAY_MS);
  await world.run(job);
  expect(ends(world, orders)).toEqual([1]);
});

test('data that claims to be old does not make a segment at each run', async () => {
  const { world, orders } = await worldOf();
  for (let i = 0; i < 3; i++) {
    orders.append(plain(10, -1n));
    await world.merge([orders]);
    await world.run(job);
  }
  expect(ends(world, orders)).toEqual([1]);
  await world.clock.advance(7 * DAY_MS);
  await world.run(job);
  expect(ends(world, orders)).toEqual([1, 3]);
});

test('a lost or damaged file stops its partition, and no other', async () => {
  const { world, orders } = await worldOf();
  const [others] = world.log.createTopic('others');
  if (others === undefined) throw new Error('a topic has a partition');
  world.settings.set('others', { segmentBytes: 5_000 });
  for (let i = 0; i < 6; i++) for (const partition of [orders, others]) partition.append(plain());
  await world.merge([orders]);
  world.memory.objects.delete(entryKey(0, 1));
  await world.merge([others]);
  await world.run(job);
  expect(ends(world, orders)).toEqual([]);
  expect(ends(world, others)).toEqual([5]);
  expect(world.troubles).toHaveLength(1);
  expect(world.troubles[0]).toMatch(/WORKER_OBJECT_MISSING.*"topic":"orders"/);
  await world.run(job);
  expect(world.troubles).toHaveLength(1);
  await world.clock.advance(600_000);
  await world.run(job);
  expect(world.troubles).toHaveLength(2);
});

test('a topic that was made anew, or has no leader, is left alone', async () => {
  const { world, orders } = await worldOf();
  for (let i = 0; i < 6; i++) orders.append(plain());
  await world.merge([orders]);
  orders.hasLeader = false;
  await world.run(job);
  orders.hasLeader = true;
  world.log.createTopic('orders');
  await world.run(job);
  expect(ends(world, orders)).toEqual([]);
});

test('what was cut back while a segment was made of it is in no segment', async () => {
  const { world, orders } = await worldOf();
  for (let i = 0; i < 6; i++) orders.append(plain());
  await world.merge([orders]);
  world.meanwhile = async (name) => {
    if (name !== 'consolidate:before-commit') return;
    world.meanwhile = async () => undefined;
    orders.electUnclean(3n);
    const offsets = [{ ...orders.id, offset: 3n }];
    await world.commit({ kind: 'quarantine', offsets, reason: 'a test' });
    for (let i = 0; i < 6; i++) orders.append(plain(901));
    await world.merge([orders]);
  };
  await world.run(job);
  expect(ends(world, orders)).toEqual([]);
  await world.run(job);
  expect(ends(world, orders)).toEqual([5]);
  expect(hexOf(await world.readAll(orders))).toEqual(hexOf(orders.batches));
});

test('a log with another history is not consolidated before the merge has noticed', async () => {
  const { world, orders } = await worldOf();
  for (let i = 0; i < 6; i++) orders.append(plain());
  await world.merge([orders]);
  orders.electUnclean(3n);
  for (let i = 0; i < 9; i++) orders.append(plain());
  await world.run(job);
  expect(ends(world, orders)).toEqual([]);
});

test('after a cut within a segment the next one knows what was open at the cut', async () => {
  const { world, orders } = await worldOf();
  orders.append(plain());
  orders.append(transactional(7n));
  orders.append(plain());
  orders.append(marker('commit', 7n));
  for (let i = 0; i < 2; i++) orders.append(plain());
  await world.merge([orders]);
  await world.run(job);
  expect(ends(world, orders)).toEqual([6]);
  orders.electUnclean(3n);
  await world.commit({
    kind: 'quarantine',
    offsets: [{ ...orders.id, offset: 3n }],
    reason: 'a test',
  });
  orders.append(marker('abort', 7n));
  for (let i = 0; i < 6; i++) orders.append(plain());
  await world.merge([orders]);
  await world.run(job);
  expect(await abortedIn(world, orders)).toEqual(['7,1,3']);
  expect(hexOf(await world.readAll(orders))).toEqual(hexOf(orders.batches));
});

test('wherever a worker is killed, segments hold the log, each batch once and in order', async () => {
  const step = fc.record({
    appended: fc.nat({ max: 30 }),
    merges: fc.boolean(),
    /** At which failpoint the run ends, if it comes so far. */
    killedAt: fc.nat({ max: 12 }),
    isElected: fc.nat({ max: 5 }).map((roll) => roll === 0),
  });
  const scenario = fc.record({
    log: randomLogs,
    steps: fc.array(step, { maxLength: 8 }),
    segmentBytes: fc.constantFrom(300, 2_000, 8_000),
  });
  await fc.assert(
    fc.asyncProperty(scenario, async ({ log, steps, segmentBytes }) => {
      job = createConsolidateJob(OPTIONS);
      const { world, orders } = await worldOf();
      world.settings.set('orders', { segmentBytes });
      orders.logStartOffset = log.startOffset;
      const rest = [...log.batches];
      for (const { appended, merges, killedAt, isElected } of steps) {
        appendLog(orders, rest.splice(0, appended));
        if (isElected) orders.elect();
        if (merges) await world.merge([orders]);
        let failpoints = 0;
        world.isKilledAt = () => failpoints++ === killedAt;
        await world.run(job);
      }
      appendLog(orders, rest);
      await world.merge([orders]);
      world.isKilledAt = () => false;
      await world.run(job);
      expect(hexOf(await world.readAll(orders))).toEqual(hexOf(orders.batches));
      const { consolidatedTo } = world.partition(orders);
      expect(consolidatedTo).toBeLessThanOrEqual(orders.lastStableOffset);
      const below = orders.batches.filter((batch) => lastOffset(batch) < consolidatedTo);
      const [first] = below;
      const whole = first === undefined ? [] : makeSegments(baseOffset(first), below);
      const expected = whole.flatMap(({ indexes }) => describeAll(indexes.aborted()));
      expect(await abortedIn(world, orders)).toEqual(expected);
      const named = new Set(world.partition(orders).segments.map(({ id }) => id));
      const manifests = [...world.memory.objects.keys()].filter((key) =>
        key.startsWith(SEGMENT_PREFIX),
      );
      for (const id of named) {
        expect(manifests.filter((key) => key.includes(id))).toHaveLength(3);
      }
      expect(world.troubles).toEqual([]);
    }),
    { numRuns: 30 },
  );
});
