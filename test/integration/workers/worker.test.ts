/**
 * Workers as processes: they share the groups out, take over from one that was killed, go on when
 * Redis comes back empty, and give everything back when they are stopped. Clients notice nothing.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, onTestFailed, test, vi } from 'vitest';
import { runDir } from '../../../docker/local/cache.ts';
import { type Outrigger, startOutrigger } from '../../../docker/local/outrigger.ts';
import { type Redis, startRedis } from '../../../docker/local/redis.ts';
import { startWorker, type Worker } from '../../../docker/local/worker.ts';
import { createTopic, LEVEL_ERROR, logOf } from '../../faults/support/site.ts';
import { Workload } from '../../faults/support/workload.ts';

const GROUPS = 4;
const PATIENCE = { timeout: 60_000, interval: 200 } as const;

let redis: Redis;
let storeDir = '';
let member: Outrigger;
let workers: Worker[] = [];

beforeAll(async () => {
  redis = await startRedis();
  storeDir = await runDir('store');
  const site = {
    kafkaBootstrap: inject('kafka').bootstrap,
    redisUrl: redis.url,
    storeUrl: `file://${storeDir}`,
  };
  member = await startOutrigger({ ...site, configs: { 'wal.linger.ms': 50 } });
  const configs = { 'worker.groups': GROUPS, 'merge.interval.ms': 500, 'sweep.interval.ms': 1_000 };
  workers = await Promise.all([0, 1].map(async () => startWorker({ ...site, configs })));
});

afterAll(async () => {
  await Promise.all(workers.map(async (worker) => worker.stop()));
  await member.stop();
  await redis.stop();
});

test('workers that are killed, stopped, or lose Redis are noticed by no client', async () => {
  const topic = await createTopic(member.bootstrap, { partitions: 3 });
  const workload = Workload.start({ bootstrap: member.bootstrap, topic });
  onTestFailed(() => console.log(workload.history.summary(), workload.history.complaints));
  const [first, second] = workers;
  if (first === undefined || second === undefined) throw new Error('two workers run');
  await vi.waitFor(async () => expect(await groupsHeld(first)).toBe(GROUPS / 2), PATIENCE);
  await vi.waitFor(async () => expect(await groupsHeld(second)).toBe(GROUPS / 2), PATIENCE);
  await workload.reads(30);
  await mergesGoOn();

  await first.kill();
  await vi.waitFor(async () => expect(await groupsHeld(second)).toBe(GROUPS), PATIENCE);
  await mergesGoOn();

  await redis.kill();
  await vi.waitFor(async () => expect(await groupsHeld(second)).toBe(0), PATIENCE);
  expect((await fetch(`${second.httpOrigin}/livez`)).status).toBe(200);
  expect((await fetch(`${second.httpOrigin}/readyz`)).status).toBe(503);
  await workload.acks(30);
  await redis.start();
  await vi.waitFor(async () => expect(await groupsHeld(second)).toBe(GROUPS), PATIENCE);
  await mergesGoOn();

  await first.start();
  await vi.waitFor(async () => expect(await groupsHeld(first)).toBe(GROUPS / 2), PATIENCE);
  await second.stop();
  await vi.waitFor(async () => expect(await groupsHeld(first)).toBe(GROUPS), PATIENCE);
  await mergesGoOn();
  await workload.finish();
  await mergesGoOn(0);

  const { history } = workload;
  const again = await workload.readAgain();
  expect(again.faults()).toEqual([]);
  expect(history.faults()).toEqual([]);
  expect(history.failures).toEqual([]);
  expect(history.complaints).toEqual([]);
  const outages = (await logOf(second)).filter(({ level }) => level >= LEVEL_ERROR);
  expect(outages.map(({ msg }) => msg)).toEqual([expect.stringContaining('Redis')]);
});

/** @returns the value of a metric, all labels added up */
async function metric(worker: Worker, name: string): Promise<number> {
  const page = await (await fetch(`${worker.httpOrigin}/metrics`)).text();
  const values = [...page.matchAll(new RegExp(`^${name}(?:\\{.*\\})? ([\\d.e+-]+)$`, 'gm'))];
  return values.reduce((sum, [, value]) => sum + Number(value), 0);
}

async function groupsHeld(worker: Worker): Promise<number> {
  return metric(worker, 'outrigger_groups_held');
}

/** Waits until the journals have grown, all of them together, by so many entries. */
async function mergesGoOn(entries = 3): Promise<void> {
  const before = await entryCount();
  await vi.waitFor(
    async () => expect(await entryCount()).toBeGreaterThanOrEqual(before + entries),
    PATIENCE,
  );
}

async function entryCount(): Promise<number> {
  const files = await readdir(join(storeDir, 'journal'), { recursive: true, withFileTypes: true });
  return files.filter((file) => file.isFile()).length;
}
