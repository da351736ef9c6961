/**
 * The commands for operators, on an installation that worked: what was lost or damaged is found,
 * put right as far as it can be, and nothing is found in the end.
 */
import { readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Redis as RedisClient } from 'ioredis';
import { afterAll, beforeAll, expect, inject, test, vi } from 'vitest';
import { runDir } from '../../../docker/local/cache.ts';
import { type Outrigger, startOutrigger } from '../../../docker/local/outrigger.ts';
import { runCommand } from '../../../docker/local/process.ts';
import { type Redis, startRedis } from '../../../docker/local/redis.ts';
import { startWorker, type Worker } from '../../../docker/local/worker.ts';
import { createTopic } from '../../faults/support/site.ts';
import { kcatConsume, kcatProduce } from '../support/kcat.ts';

const COMMAND = fileURLToPath(new URL('../../../cli/outrigger.ts', import.meta.url));
const PATIENCE = { timeout: 60_000, interval: 200 } as const;
const RECORDS = 20;
/** So that a placeholder is worth it. */
const VALUE_BYTES = 200;

let redis: Redis;
let storeDir = '';
let member: Outrigger;
let worker: Worker;
let configFile = '';
let topic = '';
let produced: string[] = [];

beforeAll(async () => {
  redis = await startRedis();
  storeDir = await runDir('store');
  const configs = { 'wal.linger.ms': 50, 'worker.groups': 2, 'merge.interval.ms': 500 };
  member = await startOutrigger({ ...site(), configs });
  worker = await startWorker({ ...site(), configs });
  configFile = join(await runDir('config'), 'outrigger.properties');
  const { kafkaBootstrap, redisUrl, storeUrl } = site();
  await writeFile(
    configFile,
    `kafka.bootstrap.servers=${kafkaBootstrap}\nredis.url=${redisUrl}\nstore.url=${storeUrl}\n`,
  );
  topic = await createTopic(member.bootstrap, { partitions: 1 });
  await produce();
  await vi.waitFor(async () => expect(await entryCount()).toBeGreaterThan(0), PATIENCE);
  await worker.stop();
});

afterAll(async () => {
  await worker.stop();
  await member.stop();
  await redis.stop();
});

function site(): { kafkaBootstrap: string; redisUrl: string; storeUrl: string } {
  const kafkaBootstrap = inject('kafka').bootstrap;
  return { kafkaBootstrap, redisUrl: redis.url, storeUrl: `file://${storeDir}` };
}

async function produce(): Promise<void> {
  const values = Array.from({ length: RECORDS }, (_, index) =>
    `${produced.length + index}`.padEnd(VALUE_BYTES, '.'),
  );
  await kcatProduce(member.bootstrap, topic, values);
  produced = [...produced, ...values];
}

async function outrigger(...args: readonly string[]): Promise<{ code: number; lines: string[] }> {
  const result = await runCommand(process.execPath, [COMMAND, ...args, '--config', configFile]);
  return { code: result.code ?? -1, lines: result.stdout.split('\n').slice(0, -1) };
}

/** @returns exit code and kinds of `outrigger verify` */
async function verified(...args: readonly string[]): Promise<unknown> {
  const { code, lines } = await outrigger('verify', '--json', '--all', ...args);
  // The lines are the command's own.
  const kinds = lines.map((line) => (JSON.parse(line) as { readonly kind?: string }).kind ?? line);
  return { code, kinds: [...new Set(kinds)].sort() };
}

async function entryCount(): Promise<number> {
  const files = await readdir(join(storeDir, 'journal'), { recursive: true, withFileTypes: true });
  return files.filter((file) => file.isFile()).length;
}

const CLEAN = { code: 0, kinds: [] };

test('nothing is found where all is well', async () => {
  expect(await verified('--deep')).toEqual(CLEAN);
  expect(await verified('--offline', '--deep')).toEqual(CLEAN);
});

test('a Redis that was wiped is found, and filled again', async () => {
  const client = new RedisClient(redis.url);
  await client.flushall();
  client.disconnect();
  expect(await verified()).toMatchObject({ code: 1, kinds: ['redis-behind'] });
  const dry = await outrigger('rebuild', '--dry-run');
  expect(dry.code).toBe(0);
  expect(dry.lines.join('\n')).toContain('would-be-written');
  expect(await verified()).toMatchObject({ kinds: ['redis-behind'] });
  const real = await outrigger('rebuild');
  expect(real.code).toBe(0);
  expect(real.lines.join('\n')).toContain('written');
  expect(await verified()).toEqual(CLEAN);
  expect((await outrigger('rebuild')).lines.join('\n')).toContain('up-to-date');
});

test('a WAL file that is gone is found; what it held is given up, and the rest is read', async () => {
  const before = new Set(await readdir(join(storeDir, 'wal')));
  await produce();
  const lost = (await readdir(join(storeDir, 'wal'))).filter((name) => !before.has(name));
  expect(lost).toHaveLength(1);
  await rm(join(storeDir, 'wal', lost[0] ?? ''));
  await produce();
  expect(await verified()).toMatchObject({ code: 1, kinds: ['object-missing'] });
  const which = ['--topic', topic, '--partition', '0'];
  const range = `given up: offsets ${RECORDS} to ${2 * RECORDS - 1}`;
  const entries = await entryCount();
  const dry = await outrigger('repair', ...which);
  expect(dry.lines.join('\n')).toContain(range);
  expect(await entryCount()).toBe(entries);
  const real = await outrigger('repair', ...which, '--accept-loss');
  expect(real.lines.join('\n')).toContain(range);
  expect(real.code).toBe(0);
  expect(await verified('--deep')).toEqual(CLEAN);
  // Its cache has the file still.
  await member.stop();
  await member.start();
  expect(await kcatConsume(member.bootstrap, topic)).toEqual([
    ...produced.slice(0, RECORDS),
    ...produced.slice(2 * RECORDS),
  ]);
});

test('a backfill is asked for, shown and cancelled', async () => {
  const asked = await outrigger('backfill', '--topic', topic);
  expect(asked.code).toBe(0);
  const shown = await outrigger('backfill', '--topic', topic, '--status');
  expect(shown.lines.join('\n')).toMatch(/partition +state +from/);
  expect((await outrigger('backfill', '--topic', topic, '--cancel')).code).toBe(0);
  const classic = await outrigger('backfill', '--topic', 'not-there');
  expect(classic.code).toBe(1);
});
