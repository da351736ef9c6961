/** What proxies learn of partitions: from Redis while it has them, else from the journals. */
import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  createPartitionStates,
  type OpenPartitionStates,
  type PartitionView,
} from '../../../coordinator/index.ts';
import { type Redis, startRedis } from '../../../docker/local/redis.ts';
import {
  EMPTY_STATE,
  Journal,
  openGroupCount,
  partitionGroup,
  type PartitionId,
  pruneJournal,
  SNAPSHOT_EVERY_ENTRIES,
  SNAPSHOTS_KEPT,
} from '../../../storage/index.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { PRUNE_ALL } from '../../support/prune-all.ts';
import { MemoryStore } from '../../unit/storage/memory-store.ts';
import { eventually, silent } from './support.ts';
import { idOf, WorkerCoordinators } from './worker-fixture.ts';

const GROUPS = 2;
const ID: PartitionId = { topicId: idOf(7), partition: 0 };
const GROUP = partitionGroup(ID, GROUPS);

let redis: Redis;
let store: MemoryStore;
let clock: FakeClock;
let workers: WorkerCoordinators;
let states: OpenPartitionStates;
let journal: Journal;

beforeEach(async () => {
  redis = await startRedis();
  store = new MemoryStore();
  clock = new FakeClock();
  workers = new WorkerCoordinators(redis.url);
  states = statesWith({
    endpoint: { kind: 'single', url: redis.url },
    namespace: workers.clusterId,
  });
  journal = await Journal.open({
    store,
    clusterId: workers.clusterId,
    group: GROUP,
    random: randomBytes,
    now: () => clock.wallMs(),
    logger: silent,
  });
});
afterEach(async () => {
  states.close();
  await workers.closeAll();
  await redis.stop();
});

function statesWith(redis: Parameters<typeof createPartitionStates>[0]['redis']) {
  const { clusterId } = workers;
  return createPartitionStates({ redis, store, clusterId, logger: silent, clock });
}

async function moveStart(offset: bigint): Promise<void> {
  const offsets = [{ ...ID, topic: 'orders', offset }];
  const outcome = await journal.commit({ kind: 'start-moved', offsets });
  expect(outcome.kind).toBe('committed');
}

async function startOf(from = states): Promise<PartitionView['logicalStart'] | undefined> {
  return (await from.get(ID))?.logicalStart;
}

test('before any worker has started there is nothing to know', async () => {
  expect(await states.get(ID)).toBeUndefined();
  await openGroupCount(store, GROUPS);
  await moveStart(5n);
  await clock.advance(10_000);
  expect(await startOf()).toBe(5n);
});

test('Redis is asked first, and the journal when Redis has no copy of the group', async () => {
  await openGroupCount(store, GROUPS);
  await moveStart(5n);
  expect(await startOf()).toBe(5n);
  const worker = await workers.start();
  await worker.loadGroup(GROUP, journal.state);
  store.objects.clear();
  await clock.advance(10_000);
  expect(await states.get(ID)).toMatchObject({ ...ID, group: GROUP, logicalStart: 5n });
  expect(await states.get({ ...ID, topicId: idOf(8), partition: 4 })).toBeUndefined();
});

test('a Redis that fell back in time is not believed', async () => {
  await openGroupCount(store, GROUPS);
  const worker = await workers.start();
  await moveStart(5n);
  const early = journal.state;
  await moveStart(6n);
  await worker.applyStates(GROUP, EMPTY_STATE, journal.state);
  expect(await startOf()).toBe(6n);
  await worker.close();
  await redis.kill();
  await redis.start();
  const next = await workers.start();
  await next.loadGroup(GROUP, early);
  await eventually(async () => {
    await clock.advance(2_000);
    expect(await startOf()).toBe(6n);
  });
});

test('a copy that lacks an entry is not believed by whoever has to know better', async () => {
  await openGroupCount(store, GROUPS);
  const worker = await workers.start();
  await moveStart(5n);
  await worker.loadGroup(GROUP, journal.state);
  expect((await states.get(ID, true))?.logicalStart).toBe(5n);
  await moveStart(6n);
  expect((await states.get(ID))?.logicalStart).toBe(5n);
  const fresh = await Promise.all([states.get(ID, true), states.get(ID, true)]);
  expect(fresh.map((view) => view?.logicalStart)).toEqual([6n, 6n]);
});

test('nor is one that is so old that the entries which it lacks were deleted', async () => {
  await openGroupCount(store, GROUPS);
  const worker = await workers.start();
  await moveStart(1n);
  await worker.loadGroup(GROUP, journal.state);
  const last = BigInt(SNAPSHOT_EVERY_ENTRIES * SNAPSHOTS_KEPT);
  for (let offset = 2n; offset <= last; offset++) await moveStart(offset);
  const { clusterId } = workers;
  const pruned = await pruneJournal({ ...PRUNE_ALL, store, clusterId, group: GROUP });
  expect(pruned).toBe(SNAPSHOT_EVERY_ENTRIES);
  expect((await states.get(ID))?.logicalStart).toBe(1n);
  expect((await states.get(ID, true))?.logicalStart).toBe(last);
});

test('without Redis the journals are read, and are at most seconds old', async () => {
  await openGroupCount(store, GROUPS);
  const worker = await workers.start();
  await moveStart(5n);
  await worker.loadGroup(GROUP, journal.state);
  const alone = statesWith(null);
  expect([await startOf(), await startOf(alone)]).toEqual([5n, 5n]);
  await redis.kill();
  await moveStart(6n);
  await clock.advance(2_000);
  expect([await startOf(), await startOf(alone)]).toEqual([6n, 6n]);
  await redis.start();
  const back = await workers.start();
  await moveStart(7n);
  await back.loadGroup(GROUP, journal.state);
  // From here on only Redis can know.
  store.objects.clear();
  await eventually(async () => {
    await clock.advance(5_000);
    expect(await startOf()).toBe(7n);
  });
});
