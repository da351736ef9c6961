import { setImmediate } from 'node:timers/promises';
import * as fc from 'fast-check';
import { beforeEach, expect, test } from 'vitest';
import {
  baseOffset,
  buildPlaceholder,
  buildRecordBatch,
  KeyRing,
  lastOffset,
} from '../../../../kafka/index.ts';
import { createConsolidateJob } from '../../../../workers/consolidate/consolidate-job.ts';
import type { GroupJob } from '../../../../workers/group-job.ts';
import type { FakePartition } from '../../../support/fake-cluster-log.ts';
import { appendLog, JobWorld } from '../../../support/job-world.ts';
import { randomLogs } from '../../storage/segment/random-log.ts';

const OPTIONS = {
  intervalMs: 60_000,
  segmentBytesMax: 1024 * 1024,
  backfillBytesPerSecond: null,
};
let job: GroupJob;

beforeEach(() => {
  job = createConsolidateJob(OPTIONS);
});
const BATCH_BYTES = 980;

function plain(): Buffer {
  return buildRecordBatch({}, [{ value: Buffer.alloc(900) }]);
}

interface Room {
  readonly world: JobWorld;
  readonly orders: FakePartition;
}

/** A topic that had batches before it was marked at `startOffset`, and whose backfill is asked for. */
async function marked(batches: readonly Buffer[], cancelledAtMs?: number): Promise<Room> {
  const world = new JobWorld();
  const [orders] = world.log.createTopic('orders');
  if (orders === undefined) throw new Error('a topic has a partition');
  world.settings.set('orders', { segmentBytes: 5_000 });
  const [first] = batches;
  orders.logStartOffset = first === undefined ? 0n : baseOffset(first);
  appendLog(orders, batches);
  ask({ world, orders }, Number(orders.endOffset), cancelledAtMs);
  await world.start();
  return { world, orders };
}

function ask({ world, orders }: Room, startOffset: number, cancelledAtMs?: number): void {
  const { topicId, topic } = orders.id;
  world.records.set(topicId, {
    topicId,
    name: topic,
    diskless: true,
    configs: {},
    startOffsets: [startOffset],
    backfill: { requestedAtMs: 1, ...(cancelledAtMs === undefined ? {} : { cancelledAtMs }) },
    updatedAtMs: 0,
    version: 1,
  });
}

function numbered(count: number): Buffer[] {
  return Array.from({ length: count }, (_, index) => {
    return buildRecordBatch({ baseOffset: BigInt(index) }, [{ value: Buffer.alloc(900) }]);
  });
}

function ends({ world, orders }: Room): number[] {
  return world.partition(orders).segments.map(({ endOffset }) => Number(endOffset));
}

function hexOf(batches: readonly Buffer[]): string[] {
  return batches.map((batch) => batch.toString('hex'));
}

test('what a topic had before it was marked moves to segments, and what is merged follows', async () => {
  const room = await marked(numbered(12));
  const { world, orders } = room;
  await world.run(job);
  expect(ends(room)).toEqual([5, 10, 12]);
  for (let i = 0; i < 7; i++) orders.append(plain());
  await world.merge([orders]);
  await world.run(job);
  expect(ends(room)).toEqual([5, 10, 12, 17]);
  expect(hexOf(await world.readAll(orders))).toEqual(hexOf(orders.batches));
  const { number } = world.state;
  await world.run(job);
  expect(world.state.number).toBe(number);
});

test('a backfill begins where the broker, and the logical start, do', async () => {
  const room = await marked(numbered(12));
  const { world, orders } = room;
  orders.deleteBelow(3n);
  await world.run(job);
  expect(world.partition(orders).segments[0]?.startOffset).toBe(3n);
  const other = await marked(numbered(12));
  other.orders.append(plain());
  await other.world.merge([other.orders]);
  // As after quarantines: the journal has a start of its own, and nothing of what is below.
  await other.world.commit({
    kind: 'backfill',
    offsets: [{ ...other.orders.id, offset: 6n, cursor: 0n }],
  });
  await other.world.commit({ kind: 'start-moved', offsets: [{ ...other.orders.id, offset: 4n }] });
  await other.world.run(job);
  expect(other.world.partition(other.orders).segments[0]?.startOffset).toBe(4n);
});

test('a backfill that rests goes on where it was, and nothing overtakes it', async () => {
  const room = await marked(numbered(12));
  const { world, orders } = room;
  world.meanwhile = async (name) => {
    if (name === 'consolidate:after-commit') world.isKilledAt = () => true;
  };
  await world.run(job);
  expect(ends(room)).toEqual([5]);
  world.meanwhile = async () => undefined;
  world.isKilledAt = () => false;
  ask(room, 12, 5);
  for (let i = 0; i < 7; i++) orders.append(plain());
  await world.merge([orders]);
  await world.run(job);
  expect(ends(room)).toEqual([5]);
  ask(room, 12);
  await world.run(job);
  expect(ends(room)).toEqual([5, 10, 12, 17]);
  expect(hexOf(await world.readAll(orders))).toEqual(hexOf(orders.batches));
});

test('a gap that compaction left before the first extent is no reason to wait', async () => {
  for (const kept of [[0n, 1n], []]) {
    const batches = kept.map((baseOffset) =>
      buildRecordBatch({ baseOffset }, [{ value: Buffer.alloc(900) }]),
    );
    const room = await marked(batches);
    const { world, orders } = room;
    orders.endOffset = 8n;
    ask(room, 8);
    await world.run(job);
    for (let i = 0; i < 7; i++) orders.append(plain());
    await world.merge([orders]);
    await world.run(job);
    expect(ends(room)).toEqual(kept.length === 0 ? [13] : [8, 13]);
    expect(hexOf(await world.readAll(orders))).toEqual(hexOf(orders.batches));
  }
});

test('a partition with segments, or that was marked from its start on, is left as it is', async () => {
  const room = await marked([]);
  const { world, orders } = room;
  for (let i = 0; i < 6; i++) orders.append(plain());
  await world.run(job);
  expect(world.state.number).toBe(0);
  await world.merge([orders]);
  await world.run(job);
  expect(ends(room)).toEqual([5]);
  expect(world.state.number).toBe(2);
});

test('a placeholder that cannot be read is never copied hollow', async () => {
  const room = await marked(numbered(6));
  const { world, orders } = room;
  const real = plain();
  const keyRing = new KeyRing({ id: 0, secret: Buffer.alloc(32) });
  const at = { fileId: 77n, position: 10, maxTimestamp: -1n, topic: 'orders', partition: 0 };
  orders.append(buildPlaceholder({ realBatch: real, ...at, keyRing, zstd: true }));
  ask(room, 7);
  await world.run(job);
  expect(ends(room)).toEqual([5]);
  expect(world.troubles[0]).toMatch(/WORKER_OBJECT_MISSING/);
});

test('a backfill reads from the brokers no faster than it may', async () => {
  const slow = createConsolidateJob({ ...OPTIONS, backfillBytesPerSecond: BATCH_BYTES });
  const room = await marked(numbered(6));
  const running = room.world.run(slow);
  for (let i = 0; i < 50; i++) await setImmediate();
  expect(room.world.clock.timers).toBe(1);
  expect(ends(room)).toEqual([]);
  let seconds = 0;
  for (; ends(room).at(-1) !== 6 && seconds < 100; seconds++) {
    await room.world.clock.advance(1_000);
    for (let i = 0; i < 50; i++) await setImmediate();
  }
  await running;
  expect(seconds).toBeGreaterThanOrEqual(6);
});

test('wherever workers are killed, a backfilled log is whole', async () => {
  const scenario = fc.record({
    log: randomLogs,
    markedAt: fc.nat({ max: 60 }),
    kills: fc.array(fc.nat({ max: 9 }), { maxLength: 6 }),
    segmentBytes: fc.constantFrom(300, 2_000),
  });
  await fc.assert(
    fc.asyncProperty(scenario, async ({ log, markedAt, kills, segmentBytes }) => {
      job = createConsolidateJob(OPTIONS);
      const before = log.batches.slice(0, markedAt);
      const room = await marked(before);
      const { world, orders } = room;
      world.settings.set('orders', { segmentBytes });
      appendLog(orders, log.batches.slice(markedAt));
      for (const killedAt of kills) {
        let failpoints = 0;
        world.isKilledAt = () => failpoints++ === killedAt;
        await world.run(job);
        await world.merge([orders]);
      }
      world.isKilledAt = () => false;
      await world.run(job);
      if (world.state.partitions.size === 0) return;
      const { cursor } = world.partition(orders);
      const stable = orders.lastStableOffset < cursor ? orders.lastStableOffset : cursor;
      const below = orders.batches.filter((batch) => lastOffset(batch) < stable);
      const found = hexOf(await world.readAll(orders));
      expect(found.slice(0, below.length)).toEqual(hexOf(below));
    }),
    { numRuns: 30 },
  );
});
