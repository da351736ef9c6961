import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { baseOffset, buildRecordBatch } from '../../../../kafka/index.ts';
import { createConsolidateJob } from '../../../../workers/consolidate/consolidate-job.ts';
import { workerError } from '../../../../workers/errors.ts';
import { createTrimJob } from '../../../../workers/trim/trim-job.ts';
import type { FakePartition } from '../../../support/fake-cluster-log.ts';
import { appendLog, JobWorld } from '../../../support/job-world.ts';
import { markerBatch, randomLogs } from '../../storage/segment/random-log.ts';

const DAY_MS = 86_400_000;
const consolidate = createConsolidateJob({
  intervalMs: 60_000,
  segmentBytesMax: 1024 * 1024,
  backfillBytesPerSecond: null,
});
const OPTIONS = { intervalMs: 60_000, keepMs: DAY_MS };

interface Room {
  readonly world: JobWorld;
  readonly orders: FakePartition;
}

function mark({ world, orders }: Room, diskless = true): void {
  const { topicId, topic: name } = orders.id;
  world.records.set(topicId, {
    topicId,
    name,
    diskless,
    configs: {},
    updatedAtMs: 0,
    version: 1,
  });
}

function plain(timestampMs = -1): Buffer {
  const header = { baseTimestamp: BigInt(timestampMs) };
  return buildRecordBatch(header, [{ value: Buffer.alloc(900) }]);
}

async function emptyRoom(): Promise<Room> {
  const world = new JobWorld();
  const [orders] = world.log.createTopic('orders');
  if (orders === undefined) throw new Error('a topic has a partition');
  world.settings.set('orders', { segmentBytes: 5_000 });
  await world.start();
  mark({ world, orders });
  return { world, orders };
}

/** Twelve batches, ten of them in segments that end at 5 and 10. */
async function consolidated(timestampMs = -1): Promise<Room> {
  const room = await emptyRoom();
  for (let i = 0; i < 12; i++) room.orders.append(plain(timestampMs));
  await room.world.merge([room.orders]);
  await room.world.run(consolidate);
  return room;
}

function starts({ world, orders }: Room): (number | null)[] {
  const { logicalStart, trimIntent } = world.partition(orders);
  return [logicalStart, trimIntent, orders.logStartOffset].map((offset) =>
    offset === null ? null : Number(offset),
  );
}

test('segments are trimmed once they, and what is in them, are old enough', async () => {
  const room = await consolidated();
  const { world } = room;
  const trim = createTrimJob(OPTIONS);
  await world.run(trim);
  expect(starts(room)).toEqual([null, null, 0]);
  await world.clock.advance(DAY_MS + 1);
  await world.run(trim);
  expect(starts(room)).toEqual([0, 10, 10]);
  const { number } = world.state;
  await world.run(trim);
  expect(world.state.number).toBe(number);
  const young = await consolidated(world.clock.wallMs() + 5_000);
  await young.world.clock.advance(DAY_MS + 1);
  await young.world.run(trim);
  expect(starts(young)).toEqual([null, null, 0]);
});

test('the last stable offset itself is never the start of the log', async () => {
  const room = await emptyRoom();
  const { world, orders } = room;
  for (let i = 0; i < 10; i++) orders.append(plain());
  const header = { producerId: 7n, producerEpoch: 0, baseSequence: 0, transactional: true };
  orders.append(buildRecordBatch(header, [{ value: Buffer.alloc(10) }]));
  await world.merge([orders]);
  await world.run(consolidate);
  await world.clock.advance(2 * DAY_MS);
  expect(orders.lastStableOffset).toBe(10n);
  await world.run(createTrimJob(OPTIONS));
  expect(starts(room)).toEqual([0, 5, 5]);
});

test('a transaction whose marker is in no segment yet keeps its beginning in the broker', async () => {
  const room = await emptyRoom();
  const { world, orders } = room;
  for (let i = 0; i < 6; i++) orders.append(plain());
  const header = { producerId: 7n, producerEpoch: 0, baseSequence: 0, transactional: true };
  orders.append(buildRecordBatch(header, [{ value: Buffer.alloc(900) }]));
  for (let i = 0; i < 4; i++) orders.append(plain());
  orders.append(markerBatch('abort', { baseOffset: 0n, producerId: 7n, producerEpoch: 0 }));
  await world.merge([orders]);
  await world.run(consolidate);
  expect(world.partition(orders).consolidatedTo).toBe(10n);
  await world.clock.advance(2 * DAY_MS);
  await world.run(createTrimJob(OPTIONS));
  expect(starts(room)).toEqual([0, 5, 5]);
  for (let i = 0; i < 6; i++) orders.append(plain(world.clock.wallMs()));
  await world.merge([orders]);
  await world.run(consolidate);
  await world.run(createTrimJob(OPTIONS));
  expect(starts(room)).toEqual([0, 10, 10]);
});

test('no share group loses a record', async () => {
  const room = await consolidated();
  const { world, orders } = room;
  await world.clock.advance(2 * DAY_MS);
  orders.shareGroupStart = 9n;
  const trim = createTrimJob(OPTIONS);
  await world.run(trim);
  expect(starts(room)).toEqual([0, 5, 5]);
  orders.shareGroupStart = 2n;
  await world.commit({ kind: 'trim', offsets: [{ ...orders.id, offset: 10n }] });
  await world.run(trim);
  expect(starts(room)).toEqual([0, 10, 5]);
  orders.shareGroupStart = 10n;
  await world.run(trim);
  expect(starts(room)).toEqual([0, 10, 10]);
});

test('what only the broker has is never trimmed, and what a user deleted is adopted first', async () => {
  const room = await emptyRoom();
  const { world, orders } = room;
  for (let i = 0; i < 12; i++) orders.append(plain());
  const offsets = [{ ...orders.id, offset: 2n, cursor: 3n }];
  await world.commit({ kind: 'backfill', offsets });
  await world.merge([orders]);
  await world.run(consolidate);
  mark(room);
  await world.clock.advance(2 * DAY_MS);
  const trim = createTrimJob(OPTIONS);
  await world.run(trim);
  expect(starts(room)).toEqual([null, null, 0]);
  orders.deleteBelow(4n);
  await world.run(trim);
  expect(starts(room)).toEqual([null, null, 4]);
});

test('a broker start above the intent is not ours: the logical start moves first', async () => {
  const room = await consolidated();
  const { world, orders } = room;
  const trim = createTrimJob(OPTIONS);
  await world.commit({ kind: 'start-moved', offsets: [{ ...orders.id, offset: 0n }] });
  await world.clock.advance(2 * DAY_MS);
  orders.deleteBelow(3n);
  await world.run(trim);
  expect(starts(room)).toEqual([0, null, 3]);
  await world.commit({ kind: 'start-moved', offsets: [{ ...orders.id, offset: 3n }] });
  await world.run(trim);
  expect(starts(room)).toEqual([3, 10, 10]);
});

test('what a user deletes while the intent is written stays deleted', async () => {
  const room = await consolidated();
  const { world, orders } = room;
  await world.clock.advance(2 * DAY_MS);
  world.meanwhile = async (name) => {
    if (name === 'trim:before-intent') orders.deleteBelow(7n);
  };
  await world.run(createTrimJob(OPTIONS));
  expect(starts(room)).toEqual([7, 10, 10]);
});

test('a topic that is classic again is not trimmed any further', async () => {
  const room = await consolidated();
  const { world } = room;
  await world.clock.advance(2 * DAY_MS);
  mark(room, false);
  await world.run(createTrimJob(OPTIONS));
  expect(starts(room)).toEqual([null, null, 0]);
});

test('a worker that dies between intent and broker is followed by one that asks the broker', async () => {
  const room = await consolidated();
  const { world } = room;
  await world.clock.advance(2 * DAY_MS);
  world.isKilledAt = (name) => name === 'trim:after-intent';
  expect(await world.run(createTrimJob(OPTIONS))).toBe('killed');
  expect(starts(room)).toEqual([0, 10, 0]);
  world.isKilledAt = () => false;
  await world.run(createTrimJob(OPTIONS));
  expect(starts(room)).toEqual([0, 10, 10]);
});

test('a broker whose start went back after a crash is asked again by the next worker', async () => {
  const room = await consolidated();
  const { world, orders } = room;
  await world.clock.advance(2 * DAY_MS);
  await world.run(createTrimJob(OPTIONS));
  orders.logStartOffset = 4n;
  await world.run(createTrimJob(OPTIONS));
  expect(starts(room)).toEqual([0, 10, 10]);
});

test('a log with another history is not trimmed', async () => {
  const room = await consolidated();
  const { world, orders } = room;
  await world.clock.advance(2 * DAY_MS);
  orders.electUnclean(7n);
  for (let i = 0; i < 9; i++) orders.append(plain());
  await world.run(createTrimJob(OPTIONS));
  expect(starts(room)).toEqual([null, null, 0]);
});

test('a cut that comes between intent and broker keeps the broker from deleting', async () => {
  const room = await consolidated();
  const { world, orders } = room;
  await world.clock.advance(2 * DAY_MS);
  world.meanwhile = async (name) => {
    if (name !== 'trim:after-intent') return;
    orders.electUnclean(7n);
    const offsets = [{ ...orders.id, offset: 7n }];
    await world.commit({ kind: 'quarantine', offsets, reason: 'a test' });
    for (let i = 0; i < 9; i++) orders.append(plain());
  };
  await world.run(createTrimJob(OPTIONS));
  expect(orders.logStartOffset).toBeLessThanOrEqual(7n);
  expect(world.partition(orders).consolidatedTo).toBe(7n);
});

test('a broker that cannot delete now is asked again, and others are not kept waiting', async () => {
  const { world, orders } = await consolidated();
  const [others] = world.log.createTopic('others');
  if (others === undefined) throw new Error('a topic has a partition');
  mark({ world, orders: others });
  world.settings.set('others', { segmentBytes: 5_000 });
  for (let i = 0; i < 12; i++) others.append(plain());
  await world.merge([others]);
  await world.run(consolidate);
  await world.clock.advance(2 * DAY_MS);
  const deleteRecords = world.log.deleteRecords.bind(world.log);
  world.log.deleteRecords = async (leader, offset) => {
    if (leader.topic !== 'orders') return await deleteRecords(leader, offset);
    throw workerError('WORKER_LOG_UNREADABLE', 'REQUEST_TIMED_OUT', { retriable: true });
  };
  const trim = createTrimJob(OPTIONS);
  await world.run(trim);
  expect([orders.logStartOffset, others.logStartOffset]).toEqual([0n, 10n]);
  expect(world.troubles).toHaveLength(1);
  world.log.deleteRecords = deleteRecords;
  await world.run(trim);
  expect(orders.logStartOffset).toBe(10n);
});

test('a segment that is lost keeps its log from being trimmed', async () => {
  const room = await consolidated();
  const { world } = room;
  await world.clock.advance(2 * DAY_MS);
  for (const key of world.memory.objects.keys()) {
    if (key.endsWith('.indexes')) world.memory.objects.delete(key);
  }
  await world.run(createTrimJob(OPTIONS));
  expect(starts(room)).toEqual([0, null, 0]);
  expect(world.troubles[0]).toMatch(/WORKER_OBJECT_MISSING.*"topic":"orders"/);
});

test('wherever workers are killed, segments have what a log has lost', async () => {
  const scenario = fc.record({
    log: randomLogs,
    rounds: fc.array(fc.record({ appended: fc.nat({ max: 30 }), killedAt: fc.nat({ max: 12 }) }), {
      maxLength: 8,
    }),
    segmentBytes: fc.constantFrom(300, 2_000),
  });
  await fc.assert(
    fc.asyncProperty(scenario, async ({ log, rounds, segmentBytes }) => {
      const room = await emptyRoom();
      const { world, orders } = room;
      world.settings.set('orders', { segmentBytes });
      const [first] = log.batches;
      orders.logStartOffset = first === undefined ? 0n : baseOffset(first);
      const rest = [...log.batches];
      const appended: string[] = [];
      for (const { appended: count, killedAt } of rounds) {
        const batches = rest.splice(0, count);
        appendLog(orders, batches);
        const first = orders.batches.length - batches.length;
        appended.push(...orders.batches.slice(first).map(hex));
        await world.merge([orders]);
        let failpoints = 0;
        world.isKilledAt = () => failpoints++ === killedAt;
        await world.run(consolidate);
        await world.clock.advance(2 * DAY_MS);
        await world.run(createTrimJob(OPTIONS));
      }
      if (world.state.partitions.size === 0) return;
      expect((await world.readAll(orders)).map(hex)).toEqual(appended);
      const { trimIntent, consolidatedTo } = world.partition(orders);
      if (trimIntent === null) return;
      expect(orders.logStartOffset).toBeLessThanOrEqual(trimIntent);
      expect(trimIntent).toBeLessThanOrEqual(consolidatedTo);
      expect(orders.logStartOffset).toBeLessThan(orders.lastStableOffset);
    }),
    { numRuns: 25 },
  );
});

function hex(batch: Buffer): string {
  return batch.toString('hex');
}
