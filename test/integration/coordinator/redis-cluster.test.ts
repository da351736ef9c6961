/** A Redis Cluster: the keys of every script that workers run are in one slot. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { RedisEndpoint } from '../../../coordinator/index.ts';
import { type Redis, startRedis } from '../../../docker/local/redis.ts';
import { EMPTY_STATE } from '../../../storage/index.ts';
import { eventually, file, openSession } from './support.ts';
import {
  copyOf,
  extent,
  partition,
  stateOf,
  viewsOf,
  WorkerCoordinators,
} from './worker-fixture.ts';

const GROUP = 1;
let redis: Redis;
let endpoint: RedisEndpoint;

beforeAll(async () => {
  redis = await startRedis({
    configs: { 'cluster-enabled': 'yes', 'cluster-announce-ip': '127.0.0.1' },
  });
  const session = await openSession(redis.url);
  await session.call('CLUSTER', ['ADDSLOTSRANGE', 0, 16_383]);
  await eventually(async () => {
    expect(String(await session.call('CLUSTER', ['INFO']))).toContain('cluster_state:ok');
  });
  session.close();
  endpoint = { kind: 'cluster', nodes: [{ host: '127.0.0.1', port: redis.port }] };
});
afterAll(async () => redis.stop());

test('workers find and keep all they need in one slot', async () => {
  const workers = new WorkerCoordinators(redis.url);
  const worker = await workers.start({ endpoint });
  try {
    const first = stateOf(1, [partition(0, { cursor: 9n, extents: [extent(1, 0n, 9n)] })]);
    const second = stateOf(2, [partition(1)]);
    await worker.loadGroup(GROUP, first);
    await worker.loadGroup(GROUP, first);
    expect(await worker.applyStates(GROUP, first, second)).toBe('applied');
    expect(await worker.applyStates(GROUP, EMPTY_STATE, first)).toBe('applied');
    expect(await copyOf(worker, GROUP)).toEqual(viewsOf(GROUP, second));
    const number = await worker.settleAbandoned(file(3n));
    expect(await worker.settledFiles(0, 1)).toEqual([{ ...file(3n), settledNumber: number }]);
    await worker.forgetFiles([3n]);
    expect(await worker.beat()).toEqual({ count: 1, rank: 0 });
    const lease = await worker.acquireLease('group-1');
    await lease?.release();
    expect(await worker.acquireLease('group-1')).toBeDefined();
  } finally {
    await workers.closeAll();
  }
});
