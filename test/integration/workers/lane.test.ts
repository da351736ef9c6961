/** Lanes of jobs on a real Redis of their own. */
import { EventEmitter, once } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openQueueConnection, type QueueConnection } from '../../../coordinator/index.ts';
import { startRedis, type Redis } from '../../../docker/local/redis.ts';
import { systemClock } from '../../../runtime/index.ts';
import { redisCommand } from '../../faults/support/site.ts';
import { Lane, type LaneJob } from '../../../workers/queue/lane.ts';

const logger = pino({ level: 'silent' });
let redis: Redis;
let connection: QueueConnection;
let names = 0;

beforeAll(async () => {
  redis = await startRedis();
  connection = openQueueConnection({ kind: 'single', url: redis.url }, () => undefined);
});

afterAll(async () => {
  connection.close();
  await redis.stop();
});

function open(jobs: readonly LaneJob[], connectedTo = connection): Lane {
  const name = `lane-${names++}`;
  const lane = new Lane({
    name,
    jobs,
    connection: connectedTo,
    prefix: '{test}',
    clock: systemClock,
    logger,
  });
  lane.schedule();
  return lane;
}

test('jobs run again and again, one at a time', async () => {
  const runs = new EventEmitter();
  let running = 0;
  let most = 0;
  const counts = { a: 0, b: 0 };
  const job = (name: 'a' | 'b'): LaneJob => ({
    name,
    intervalMs: 100,
    run: async () => {
      most = Math.max(most, ++running);
      await setImmediate();
      running--;
      counts[name]++;
      if (Math.min(counts.a, counts.b) >= 3) runs.emit('enough');
    },
  });
  const enough = once(runs, 'enough');
  const lane = open([job('a'), job('b')]);
  await enough;
  await lane.close(5_000);
  expect(most).toBe(1);
});

test('a run that fails is tried again before the next is due', async () => {
  let runs = 0;
  let resolve: () => void = () => undefined;
  const again = new Promise<void>((r) => (resolve = r));
  const lane = open([
    {
      name: 'failing',
      intervalMs: 3_600_000,
      run: async () => {
        runs++;
        if (runs === 2) resolve();
        throw new Error('not yet');
      },
    },
  ]);
  await again;
  await lane.close(5_000);
  expect(runs).toBe(2);
});

test('closing waits for the run under way, and nothing runs afterwards', async () => {
  let started: () => void = () => undefined;
  const starts = new Promise<void>((r) => (started = r));
  let finish: () => void = () => undefined;
  const finishes = new Promise<void>((r) => (finish = r));
  let ended = 0;
  const lane = open([
    {
      name: 'slow',
      intervalMs: 100,
      run: async () => {
        started();
        await finishes;
        ended++;
      },
    },
  ]);
  await starts;
  const closing = lane.close(10_000);
  finish();
  await closing;
  expect(ended).toBe(1);
});

test('jobs are scheduled again after Redis was wiped, and again after it was away', async () => {
  const runs = new EventEmitter();
  const lane = open([
    {
      name: 'steady',
      intervalMs: 100,
      run: async () => void runs.emit('run'),
    },
  ]);
  await once(runs, 'run');
  await connection.client.flushall();
  const afterWipe = once(runs, 'run');
  const scheduling = setInterval(() => lane.schedule(), 100);
  await afterWipe;
  await redis.kill();
  await redis.start();
  await once(runs, 'run');
  clearInterval(scheduling);
  await lane.close(5_000);
}, 60_000);

test('a lane whose Redis is down is closed in bounded time', async () => {
  const runs = new EventEmitter();
  const lane = open([{ name: 'lost', intervalMs: 100, run: async () => void runs.emit('run') }]);
  await once(runs, 'run');
  await redis.kill();
  await lane.close(500);
  await redis.start();
}, 60_000);

test('jobs run on a Redis Cluster', async () => {
  const announced = { 'cluster-announce-ip': '127.0.0.1' };
  const node = await startRedis({ configs: { 'cluster-enabled': 'yes', ...announced } });
  await redisCommand(node.port, 'CLUSTER ADDSLOTSRANGE 0 16383');
  await expect
    .poll(async () => redisCommand(node.port, 'CLUSTER INFO'))
    .toContain('cluster_state:ok');
  const nodes = [{ host: '127.0.0.1', port: node.port }];
  const cluster = openQueueConnection({ kind: 'cluster', nodes }, () => undefined);
  const runs = new EventEmitter();
  const third = once(runs, 'third');
  let count = 0;
  const run = async (): Promise<void> => {
    if (++count === 3) runs.emit('third');
  };
  const lane = open([{ name: 'steady', intervalMs: 100, run }], cluster);
  await third;
  await lane.close(5_000);
  cluster.close();
  await node.stop();
});
