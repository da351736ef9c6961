/** How workers start and end: in a member, without what they need, in the middle of a job. */
import { fileURLToPath } from 'node:url';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, test, vi } from 'vitest';
import { runDir } from '../../../docker/local/cache.ts';
import { type Outrigger, startOutrigger } from '../../../docker/local/outrigger.ts';
import { freePort } from '../../../docker/local/ports.ts';
import { runCommand } from '../../../docker/local/process.ts';
import { type Redis, startRedis } from '../../../docker/local/redis.ts';
import { startWorker } from '../../../docker/local/worker.ts';
import { createTopic } from '../../faults/support/site.ts';
import { Workload } from '../../faults/support/workload.ts';

const COMMAND = fileURLToPath(new URL('../../../cli/outrigger.ts', import.meta.url));
const PATIENCE = { timeout: 60_000, interval: 200 } as const;

let redis: Redis;
let storeDir = '';
let httpPort = 0;
let member: Outrigger;

beforeAll(async () => {
  redis = await startRedis();
  storeDir = await runDir('store');
  httpPort = await freePort();
  member = await startOutrigger({
    kafkaBootstrap: inject('kafka').bootstrap,
    redisUrl: redis.url,
    storeUrl: `file://${storeDir}`,
    configs: {
      'wal.linger.ms': 50,
      'worker.embedded': true,
      'worker.http.port': httpPort,
      'merge.interval.ms': 500,
    },
  });
});

afterAll(async () => {
  await member.stop();
  await redis.stop();
});

async function entryCount(): Promise<number> {
  const files = await readdir(join(storeDir, 'journal'), { recursive: true, withFileTypes: true });
  return files.filter((file) => file.isFile()).length;
}

async function produceSome(): Promise<void> {
  const topic = await createTopic(member.bootstrap, { partitions: 3 });
  const workload = Workload.start({ bootstrap: member.bootstrap, topic });
  await workload.reads(20);
  expect((await workload.finish()).faults()).toEqual([]);
}

test('a worker inside a member merges, and has metrics of its own', async () => {
  await produceSome();
  await vi.waitFor(async () => expect(await entryCount()).toBeGreaterThan(0), PATIENCE);
  const page = async (): Promise<string> => {
    return await (await fetch(`http://127.0.0.1:${httpPort}/metrics`)).text();
  };
  await vi.waitFor(
    async () => expect(await page()).toMatch(/^outrigger_groups_held 4$/m),
    PATIENCE,
  );
  const metrics = await page();
  expect(metrics).toMatch(/^outrigger_job_runs_total\{job="merge"\} [1-9]/m);
  expect(metrics).toMatch(/^outrigger_job_put_equivalents_total\{job="merge"\} [1-9]/m);
  expect(metrics).toMatch(
    /^outrigger_job_store_requests_total\{job="merge",request="put"\} [1-9]/m,
  );
  expect(metrics).toMatch(/^outrigger_merge_lag_seconds\{group="0"\} /m);
  expect(metrics).toMatch(/^outrigger_redis_connected 1$/m);
});

test('a worker that dies right before a commit leaves its work to the next', async () => {
  const worker = await startWorker({
    kafkaBootstrap: inject('kafka').bootstrap,
    redisUrl: redis.url,
    storeUrl: `file://${storeDir}`,
    configs: { 'merge.interval.ms': 500 },
    failpoint: 'merge:before-commit',
  });
  const workload = Workload.start({
    bootstrap: member.bootstrap,
    topic: await createTopic(member.bootstrap, { partitions: 6 }),
    partitions: 6,
  });
  expect(await worker.ended()).toContain('SIGKILL');
  const before = await entryCount();
  await worker.start();
  await vi.waitFor(async () => expect(await entryCount()).toBeGreaterThan(before + 3), PATIENCE);
  await workload.finish();
  expect((await workload.readAgain()).faults()).toEqual([]);
  await worker.stop();
});

test('a worker without Redis says what it needs, and does not start', async () => {
  const config = join(storeDir, 'worker.properties');
  await writeFile(config, `kafka.bootstrap.servers=127.0.0.1:1\nstore.url=file://${storeDir}\n`);
  const lacking = await runCommand(process.execPath, [COMMAND, 'worker', '--config', config]);
  expect(lacking.code).toBe(1);
  expect(lacking.stderr).toMatch(/^WORKER_REDIS_MISSING: .*redis\.url/m);
});
