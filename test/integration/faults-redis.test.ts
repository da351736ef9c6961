/**
 * Redis that hangs, dies and comes back empty under load: producers, consumers at the end of the
 * log and consumers at its beginning notice nothing, and members find each other again.
 */
import { afterAll, beforeAll, expect, inject, onTestFailed, test, vi } from 'vitest';
import { runDir } from '../../docker/local/cache.ts';
import { type Outrigger, startOutrigger } from '../../docker/local/outrigger.ts';
import { type Redis, startRedis } from '../../docker/local/redis.ts';
import { apis } from '../../kafka/index.ts';
import {
  createTopic,
  LEVEL_ERROR,
  logOf,
  redisCommand,
  withConnection,
} from '../faults/support/site.ts';
import { Workload } from '../faults/support/workload.ts';

const PATIENCE = { timeout: 60_000, interval: 200 } as const;

let redis: Redis;
let members: Outrigger[] = [];

beforeAll(async () => {
  redis = await startRedis();
  const storeUrl = `file://${await runDir('store')}`;
  members = await Promise.all(
    [0, 1].map(async (id) =>
      startOutrigger({
        kafkaBootstrap: inject('kafka').bootstrap,
        redisUrl: redis.url,
        storeUrl,
        configs: { 'member.id': id, 'wal.linger.ms': 50 },
      }),
    ),
  );
});

afterAll(async () => {
  await Promise.all(members.map(async (member) => member.stop()));
  await redis.stop();
});

test('a Redis that hangs, dies and comes back empty is noticed by no client', async () => {
  const bootstrap = members.map((member) => member.bootstrap).join(',');
  const [first] = members;
  if (first === undefined) throw new Error('no member runs');
  const topic = await createTopic(first.bootstrap);
  const workload = Workload.start({ bootstrap, topic });
  onTestFailed(() => console.log(workload.history.summary(), workload.history.complaints));
  await workload.reads(30);
  // So many partitions are spread over all nodes that there are.
  const wide = await createTopic(first.bootstrap, { partitions: 16 });
  await vi.waitFor(async () => expect(await disklessNodeCount(wide)).toBe(2), PATIENCE);

  const pid = await redisPid();
  process.kill(pid, 'SIGSTOP');
  await logged(first, /Redis/);
  await workload.acks(60);
  await workload.reads(60);
  process.kill(pid, 'SIGCONT');
  await workload.reads(30);

  await redis.kill();
  await workload.acks(60);
  await workload.reads(60);
  // A consumer that begins now reads everything, and finds its topic, without Redis.
  const { history } = workload;
  const early = await workload.readAgain();
  expect(early.faults()).toEqual([]);
  expect(early.readCount(0)).toBeGreaterThan(150);

  await redis.start();
  await workload.reads(30);
  await vi.waitFor(async () => expect(await disklessNodeCount(wide)).toBe(2), PATIENCE);
  await workload.finish();
  expect(history.faults()).toEqual([]);
  expect(history.failures).toEqual([]);
  expect(history.consumerErrors).toEqual([]);
  expect(history.complaints).toEqual([]);
  for (const member of members) {
    const errors = (await logOf(member)).filter(({ level }) => level > LEVEL_ERROR);
    expect(errors).toEqual([]);
  }
});

async function logged(member: Outrigger, message: RegExp): Promise<void> {
  await vi.waitFor(async () => {
    expect((await logOf(member)).some(({ msg }) => message.test(msg))).toBe(true);
  }, PATIENCE);
}

/** @returns on how many nodes clients find a topic's partitions, as the first member says */
async function disklessNodeCount(topic: string): Promise<number> {
  const [member] = members;
  if (member === undefined) throw new Error('no member runs');
  const { topics } = await withConnection(member.bootstrap, async (connection) =>
    connection.request(apis.Metadata, { topics: [{ name: topic }] }),
  );
  const leaders = topics?.[0]?.partitions.map(({ leaderId }) => leaderId) ?? [];
  return new Set(leaders).size;
}

async function redisPid(): Promise<number> {
  const info = await redisCommand(redis.port, 'INFO server');
  return Number(/process_id:(\d+)/.exec(info)?.[1]);
}
