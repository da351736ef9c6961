/**
 * Workers killed at every step of every job that has a name, with another worker beside them, with
 * Redis wiped and set back meanwhile, under load all the time. In the end everything is read from
 * the beginning, from merged files and segments alone: the WAL files are removed.
 */
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { afterEach, expect, onTestFailed, test, vi } from 'vitest';
import { runDir } from '../../docker/local/cache.ts';
import { type Kafka, startKafka } from '../../docker/local/kafka.ts';
import { type Outrigger, startOutrigger } from '../../docker/local/outrigger.ts';
import { type Redis, startRedis } from '../../docker/local/redis.ts';
import { startWorker, type Worker } from '../../docker/local/worker.ts';
import { FsObjectStore } from '../../storage/index.ts';
import { mergedOffsets } from '../bench/merged-offsets.ts';
import { createTopic, LEVEL_ERROR, logOf, redisCommand } from './support/site.ts';
import { Workload } from './support/workload.ts';

const WORKERS = fileURLToPath(new URL('../../workers', import.meta.url));
const PARTITIONS = 6;
const RECORDS_BETWEEN = 20;
const KEYS = 50;
const PATIENCE = { timeout: 180_000, interval: 200 } as const;
/** Everything as soon as may be: what workers wait for in earnest is tried elsewhere. */
const WORKER_CONFIGS = {
  'worker.groups': 2,
  'worker.drain.timeout.ms': 5_000,
  'merge.interval.ms': 500,
  'consolidate.interval.ms': 1_000,
  'trim.interval.ms': 1_000,
  'trim.keep.ms': 0,
  'retain.interval.ms': 1_000,
  'retain.rewrite.ms': 60_000,
  'compact.interval.ms': 1_000,
  'sweep.interval.ms': 1_000,
  'sweep.margin.ms': 0,
  'sweep.grace.ms': 1_000,
  'sweep.unsettled.ms': 60_000,
  'journal.retention.ms': 60_000,
};
/** Steps that need another history of the log, or a topic that is gone for a day: unit tests. */
const ELSEWHERE = ['merge:before-cut', 'sweep:before-drop', 'sweep:before-give-up'];
/** Steps whose names the sources put together. */
const UPLOADS = ['log', 'indexes', 'manifest'].map((object) => `consolidate:after-${object}`);
/** Segments every second. */
const ROLLING = { 'segment.ms': '1000' };

interface Site {
  readonly kafka: Kafka;
  readonly redis: Redis;
  readonly storeDir: string;
  readonly member: Outrigger;
  readonly workers: readonly [Worker, Worker];
}

const silent = pino({ level: 'silent' });
const stops: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const stop of stops.splice(0).toReversed()) await stop();
});

/** @returns the names of all steps, as the jobs' sources have them */
function failpoints(): string[] {
  const sources = readdirSync(WORKERS, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => readFileSync(join(WORKERS, name), 'utf8'));
  const names = sources.flatMap((source) =>
    [...source.matchAll(/failpoint\('([a-z-]+:[a-z-]+)'\)/g)].map(([, name = '']) => name),
  );
  // Those of files that are given up, and of old entries, come last: that takes minutes.
  const tried = [...names, ...UPLOADS].filter((name) => !ELSEWHERE.includes(name));
  return [...new Set(tried)].sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
}

function rank(name: string): number {
  return /abandon|mark|prune/.test(name) ? 1 : 0;
}

async function startSite(): Promise<Site> {
  const [kafka, redis] = await Promise.all([startKafka(), startRedis()]);
  stops.push(
    async () => kafka.stop(),
    async () => redis.stop(),
  );
  const storeDir = await runDir('store');
  const servers = {
    kafkaBootstrap: kafka.bootstrap,
    redisUrl: redis.url,
    storeUrl: `file://${storeDir}`,
  };
  const member = await startOutrigger({ ...servers, configs: { 'wal.linger.ms': 50 } });
  stops.push(async () => member.stop());
  const start = async (): Promise<Worker> => {
    const worker = await startWorker({ ...servers, configs: WORKER_CONFIGS });
    stops.push(async () => worker.stop());
    return worker;
  };
  return { kafka, redis, storeDir, member, workers: [await start(), await start()] };
}

/** Alone, because the other one could be there first. */
async function dieAt(site: Site, failpoint: string): Promise<void> {
  const [first, second] = site.workers;
  await Promise.all([first.stop(), second.kill()]);
  // It may well be over before it says that it is ready.
  const started = await first.start(failpoint).then(
    () => 'ready',
    (error: unknown) => String(error),
  );
  expect(started).toMatch(/^ready$|SIGKILL/);
  await vi.waitFor(() => expect(first.pid()).toBeUndefined(), PATIENCE);
  expect(await first.ended()).toContain('SIGKILL');
  await Promise.all([first.start(), second.start()]);
}

test('workers that are killed at any step lose nothing and repeat nothing', async () => {
  const site = await startSite();
  const { member, redis, storeDir } = site;
  const { bootstrap } = member;
  const topic = await createTopic(bootstrap, { partitions: PARTITIONS, configs: ROLLING });
  const expiring = await createTopic(bootstrap, {
    configs: { ...ROLLING, 'retention.ms': '10000' },
  });
  const compacted = await createTopic(bootstrap, {
    configs: { ...ROLLING, 'cleanup.policy': 'compact', 'min.cleanable.dirty.ratio': '0.01' },
  });
  const workload = Workload.start({ bootstrap, topic, partitions: PARTITIONS });
  const aging = Workload.start({ bootstrap, topic: expiring, rate: 60 });
  const keyed = Workload.start({ bootstrap, topic: compacted, rate: 60, keys: KEYS });
  for (const each of [workload, aging, keyed]) stops.push(async () => each.abandon());
  onTestFailed(() => console.log(workload.history.summary(), workload.history.complaints));
  const names = failpoints();
  expect(names).toContain('merge:before-commit');
  for (const [index, name] of names.entries()) {
    console.log(`${index + 1} of ${names.length}: ${name}; ${workload.history.summary()}`);
    await dieAt(site, name);
    await workload.acks(RECORDS_BETWEEN);
    await workload.reads(RECORDS_BETWEEN);
    if (index % 5 === 2) await redisCommand(redis.port, 'FLUSHALL');
    if (index % 5 === 4) {
      await redis.kill();
      await workload.acks(RECORDS_BETWEEN);
      await redis.start();
    }
    // A member that dies leaves files that nobody settles.
    if (index === 3) {
      await member.kill();
      await member.start();
    }
  }
  const history = await workload.finish();
  await aging.finish();
  const { history: ofKeys } = keyed;
  await keyed.finish();
  // Nobody can read any of them that should not: Redis forgot many, which stay for days.
  const store = await FsObjectStore.open({ root: storeDir, now: Date.now, random: randomBytes });
  const mergedAll = async (): Promise<void> => {
    expect(await mergedOffsets(store, topic, silent)).toBe(history.logEnd());
    expect(await mergedOffsets(store, compacted, silent)).toBe(ofKeys.logEnd());
  };
  await vi.waitFor(mergedAll, PATIENCE);
  await member.stop();
  await rm(join(storeDir, 'wal'), { recursive: true });
  await member.start();
  const again = await workload.readAgain();
  expect(history.faults()).toEqual([]);
  expect(history.differences(again)).toEqual([]);
  for (const { failures } of [history, ofKeys, aging.history]) expect(failures).toEqual([]);
  // The last value of each key is there, whatever else compaction has left.
  const last = ofKeys.marks().map((count) => count - KEYS);
  expect(ofKeys.faultsSince(last, await keyed.readAgain())).toEqual([]);
  expect((await aging.readAgain()).consumerErrors).toEqual([]);
  for (const server of [member, ...site.workers]) {
    const alarms = (await logOf(server)).filter(({ level }) => level > LEVEL_ERROR);
    expect(alarms).toEqual([]);
  }
});
