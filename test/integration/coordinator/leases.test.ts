/** Leases and the count of workers, against a real Redis. Time of the holders is the test's. */
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import type { RedisSession } from '../../../coordinator/redis/session.ts';
import { coordinatorKeys } from '../../../coordinator/keys.ts';
import { startRedis } from '../../../docker/local/redis.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { eventually, openSession } from './support.ts';
import { WorkerCoordinators } from './worker-fixture.ts';

const EXPIRY_MS = 60_000;
const NAME = 'group-1';

let workers: WorkerCoordinators;
let session: RedisSession;
let key: string;
let clock: FakeClock;

beforeEach(async () => {
  const { url } = inject('redis');
  workers = new WorkerCoordinators(url);
  session = await openSession(url);
  key = coordinatorKeys(workers.clusterId, workers.clusterId).lease(NAME);
  clock = new FakeClock();
});
afterEach(async () => {
  await workers.closeAll();
  session.close();
});

async function start() {
  return await workers.start({ clock, tuning: { workerLeaseMs: EXPIRY_MS } });
}

async function leftMs(): Promise<number> {
  return Number(await session.call('PTTL', [key]));
}

test('a name has one holder, until that gives it back', async () => {
  const [one, two] = [await start(), await start()];
  const lease = await one.acquireLease(NAME);
  expect(lease?.name).toBe(NAME);
  expect(await two.acquireLease(NAME)).toBeUndefined();
  expect(await two.acquireLease('group-2')).toBeDefined();
  await lease?.release();
  expect(lease?.lost.aborted).toBe(false);
  const next = await two.acquireLease(NAME);
  expect(next).toBeDefined();
  // Late, and without effect on the next holder.
  await lease?.release();
  expect(await one.acquireLease(NAME)).toBeUndefined();
});

test('a lease is renewed for as long as it is held', async () => {
  const one = await start();
  const lease = await one.acquireLease(NAME);
  for (let round = 0; round < 5; round++) {
    await session.call('PEXPIRE', [key, 30_000]);
    await clock.advance(EXPIRY_MS / 3);
    await eventually(async () => expect(await leftMs()).toBeGreaterThan(30_000));
  }
  expect(lease?.lost.aborted).toBe(false);
  await lease?.release();
  expect(clock.timers).toBe(0);
});

test.each([
  ['forgot', async () => session.call('DEL', [key])],
  ['gave to another', async () => session.call('SET', [key, 'somebody'])],
])('a lease that Redis %s is lost at the next renewal', async (_, forget) => {
  const one = await start();
  const lease = await one.acquireLease(NAME);
  await forget();
  await clock.advance(EXPIRY_MS / 3);
  await eventually(() => expect(lease?.lost.aborted).toBe(true));
  await lease?.release();
  expect(clock.timers).toBe(0);
});

test('a lease is lost when its time is over and Redis could not be asked', async () => {
  const redis = await startRedis();
  const others = new WorkerCoordinators(redis.url);
  const one = await others.start({ clock, tuning: { workerLeaseMs: EXPIRY_MS } });
  const lease = await one.acquireLease(NAME);
  await redis.kill();
  await clock.advance(EXPIRY_MS - 1);
  expect(lease?.lost.aborted).toBe(false);
  await clock.advance(1);
  expect(lease?.lost.aborted).toBe(true);
  await others.closeAll();
});

test('leases are given back by a worker that closes', async () => {
  const [one, two] = [await start(), await start()];
  expect(await one.acquireLease(NAME)).toBeDefined();
  await one.close();
  expect(await two.acquireLease(NAME)).toBeDefined();
});

test('workers that live are counted, each with a place of its own', async () => {
  const all = [await start(), await start(), await start()];
  for (const worker of all) await worker.beat();
  const places = await Promise.all(all.map(async (worker) => worker.beat()));
  expect(places.map(({ count }) => count)).toEqual([3, 3, 3]);
  expect(places.map(({ rank }) => rank).sort((a, b) => a - b)).toEqual([0, 1, 2]);
  await all[0]?.close();
  expect((await all[1]?.beat())?.count).toBe(2);
});
