/**
 * Members that are killed, drained and restarted under load: nothing acknowledged is lost, nothing
 * is read twice or out of order, and clients see no more than connections that end.
 */
import { afterAll, afterEach, beforeAll, expect, inject, onTestFailed, test } from 'vitest';
import { type Outrigger, startOutrigger } from '../../docker/local/outrigger.ts';
import { type Redis, startRedis } from '../../docker/local/redis.ts';
import { type S3, startS3 } from '../../docker/local/s3.ts';
import { CutS3 } from '../faults/support/cut-s3.ts';
import { createTopic, LEVEL_ERROR, logOf } from '../faults/support/site.ts';
import { Workload } from '../faults/support/workload.ts';

let redis: Redis;
let s3: S3;
let cut: CutS3;
let first: Outrigger;
let second: Outrigger;
let bootstrap: string;
let running: Workload | undefined;

beforeAll(async () => {
  [redis, s3] = await Promise.all([startRedis(), startS3()]);
  cut = await CutS3.start(s3.endpoint);
  [first, second] = await Promise.all([startMember(0), startMember(1)]);
  bootstrap = `${first.bootstrap},${second.bootstrap}`;
});

afterEach(async () => {
  cut.trouble = { kind: 'none' };
  await running?.abandon();
  running = undefined;
});

afterAll(async () => {
  await Promise.all([first, second].map(async (member) => member.stop()));
  await cut.stop();
  await Promise.all([redis.stop(), s3.stop()]);
});

async function startMember(id: number): Promise<Outrigger> {
  return startOutrigger({
    kafkaBootstrap: inject('kafka').bootstrap,
    redisUrl: redis.url,
    storeUrl: `s3://${s3.bucket}/faults`,
    configs: {
      'member.id': id,
      'store.s3.endpoint': cut.endpoint,
      'store.s3.path.style': true,
      'store.s3.access.key.id': s3.accessKeyId,
      'store.s3.secret.access.key': s3.secretAccessKey,
      'wal.min.bytes': 0,
      'wal.linger.ms': 50,
    },
  });
}

/** So many that each member has some of them. */
const PARTITIONS = 6;

async function startWorkload(): Promise<Workload> {
  const topic = await createTopic(first.bootstrap, { partitions: PARTITIONS });
  const workload = Workload.start({ bootstrap, topic, partitions: PARTITIONS });
  running = workload;
  onTestFailed(() => console.log(workload.history.summary(), workload.history.complaints));
  await workload.reads(30);
  return workload;
}

/** @returns what the clients have logged besides */
async function expectNothingLost(workload: Workload): Promise<readonly string[]> {
  const history = await workload.finish();
  expect(history.faults()).toEqual([]);
  expect(history.failures).toEqual([]);
  expect(history.consumerErrors).toEqual([]);
  return history.complaints;
}

test.for(['requests', 'answers'] as const)(
  'acknowledged records survive a member killed with the %s of its uploads held back',
  async (what) => {
    const workload = await startWorkload();
    cut.trouble = { kind: 'hold', what };
    await cut.held(3);
    await first.kill();
    cut.trouble = { kind: 'none' };
    await first.start();
    await workload.acks(30);
    await expectNothingLost(workload);
    // What was read may have come from the memory of the member that died.
    const again = await workload.readAgain();
    expect(workload.history.differences(again)).toEqual([]);
  },
);

test('clients go on at the other member when one dies and stays away', async () => {
  const workload = await startWorkload();
  await second.kill();
  await workload.acks(100);
  await expectNothingLost(workload);
  await second.start();
});

test('a drained member is noticed by no client', async () => {
  const workload = await startWorkload();
  for (const member of [first, second]) {
    await member.stop();
    await member.start();
    await workload.acks(30);
  }
  const complaints = await expectNothingLost(workload);
  expect(complaints).toEqual([]);
  const logs = [...(await logOf(first)), ...(await logOf(second))];
  expect(logs.filter(({ msg }) => /did not finish|before everything/.test(msg))).toEqual([]);
  expect(logs.filter(({ level }) => level >= LEVEL_ERROR)).toEqual([]);
});
