/**
 * Sweeping what a member has written to a real Kafka, with a real Redis: what is merged goes, what
 * may still be needed stays, and consumers read the same before and after.
 */
import { randomBytes } from 'node:crypto';
import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, expect, inject, test } from 'vitest';
import {
  REDIS_NAMESPACE,
  RedisWorkerCoordinator,
  StoreSettledRangeClaims,
} from '../../../coordinator/index.ts';
import { runDir } from '../../../docker/local/cache.ts';
import { type Redis, startRedis } from '../../../docker/local/redis.ts';
import {
  apis,
  buildRecordBatch,
  ClusterClient,
  completeBatches,
  KeyRing,
} from '../../../kafka/index.ts';
import type { Proxy } from '../../../proxy/index.ts';
import { systemClock } from '../../../runtime/index.ts';
import {
  buildWalFile,
  FsObjectStore,
  newFileId,
  readBucket,
  TopicRecordStore,
  walKey,
  type ObjectStore,
  type TopicRecord,
} from '../../../storage/index.ts';
import { KafkaClusterLog } from '../../../workers/log/kafka-cluster-log.ts';
import { createMergeJob } from '../../../workers/merge/merge-job.ts';
import { createSweepGroupJob } from '../../../workers/sweep/sweep-group-job.ts';
import { createSweepWalJob } from '../../../workers/sweep/sweep-wal-job.ts';
import { openWorker, type WorkerWorld } from '../../support/merge-site.ts';
import { createTopic, endpointOf } from '../equivalence/ways.ts';
import { eventually } from '../support/eventually.ts';
import { startMember } from '../support/start-member.ts';

const LONG_MS = 3_600_000;
const SWEEP = {
  intervalMs: 60_000,
  marginMs: 0,
  unsettledMs: LONG_MS,
  journalRetentionMs: LONG_MS,
  keepMs: 0,
  absentMs: 0,
  vanishedPercentMax: 100,
  orphansEveryMs: 0,
};

let redis: Redis;
let member: Proxy;
let store: ObjectStore;
let world: WorkerWorld;
let brokers: ClusterClient;
let members: ClusterClient;
let coordinator: RedisWorkerCoordinator;

beforeAll(async () => {
  redis = await startRedis();
  const root = await runDir('store');
  const { bootstrap } = inject('kafka');
  member = await startMember({
    'kafka.bootstrap.servers': bootstrap,
    'store.url': `file://${root}`,
    'redis.url': redis.url,
    'wal.min.bytes': 0,
  });
  store = await FsObjectStore.open({ root, now: () => Date.now(), random: randomBytes });
  brokers = clientOf(bootstrap);
  members = clientOf(member.bootstrap);
  const opened = await readBucket(store);
  const [current, ...older] = opened?.keyRing.toReversed() ?? [];
  if (opened === undefined || current === undefined) throw new Error('the bucket is empty');
  const { clusterId } = opened.identity;
  const logger = pino({ level: 'silent' });
  coordinator = await RedisWorkerCoordinator.start({
    endpoint: { kind: 'single', url: redis.url },
    namespace: REDIS_NAMESPACE,
    clusterId,
    settledRangeClaims: new StoreSettledRangeClaims(store, clusterId),
    logger,
  });
  const monotonicMs = (): number => performance.now();
  world = {
    clock: systemClock,
    clusterId,
    coordinator,
    keyRing: new KeyRing(current, older),
    log: new KafkaClusterLog({ client: brokers, monotonicMs, logger }),
    store,
    groupCount: 1,
    topics: new Map<string, TopicRecord>(),
  };
});

afterAll(async () => {
  await coordinator.close();
  await Promise.all([brokers.close(), members.close()]);
  await member.stop();
  await redis.stop();
});

/** What an earlier test left is not this one's. */
beforeEach(async () => {
  await store.delete(await keysOf('wal/'));
});

function clientOf(bootstrap: string): ClusterClient {
  return new ClusterClient({
    bootstrap: [endpointOf(bootstrap)],
    connection: { clientId: 'sweep-test' },
    logger: pino({ level: 'silent' }),
    now: () => performance.now(),
    random: () => 0,
  });
}

async function keysOf(prefix: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list(prefix)) keys.push(key);
  return keys;
}

function batchOf(value: string): Buffer {
  const header = { baseTimestamp: BigInt(Date.now()) };
  return buildRecordBatch(header, [{ value: Buffer.from(value.repeat(500)) }]);
}

async function leaderOf(client: ClusterClient, topic: string): Promise<[number, string]> {
  const connection = await client.toAny();
  const { topics } = await connection.request(apis.Metadata, { topics: [{ name: topic }] });
  return [topics[0]?.partitions[0]?.leaderId ?? -1, topics[0]?.topicId ?? ''];
}

async function produce(topic: string, value: string): Promise<void> {
  const [leaderId, topicId] = await leaderOf(members, topic);
  const node = await members.toBroker(leaderId);
  const topicData = [
    { name: topic, topicId, partitionData: [{ index: 0, records: batchOf(value) }] },
  ];
  const request = { transactionalId: null, acks: -1, timeoutMs: 10_000, topicData };
  const { responses } = await node.request(apis.Produce, request);
  expect(responses[0]?.partitionResponses[0]).toMatchObject({ errorCode: 0 });
}

/** @returns what a consumer gets through the member, from the beginning */
async function consumed(topic: string): Promise<Buffer[]> {
  const [leaderId, topicId] = await leaderOf(members, topic);
  const node = await members.toBroker(leaderId);
  const asked = { partition: 0, fetchOffset: 0n, partitionMaxBytes: 1 << 20 };
  const response = await node.request(apis.Fetch, {
    maxWaitMs: 100,
    minBytes: 1,
    maxBytes: 1 << 20,
    topics: [{ topic, topicId, partitions: [asked] }],
  });
  const answered = response.responses[0]?.partitions[0];
  expect(answered?.errorCode).toBe(0);
  return [...completeBatches(answered?.records ?? Buffer.alloc(0))].map((each) =>
    Buffer.from(each),
  );
}

async function deleteTopic(topic: string): Promise<void> {
  const connection = await members.toAny();
  const request = { topicNames: [topic], timeoutMs: 10_000 };
  const { responses } = await connection.request(apis.DeleteTopics, request, { version: 5 });
  expect(responses[0]).toMatchObject({ errorCode: 0 });
}

async function newTopic(what: string): Promise<string> {
  return await createTopic(
    { name: 'diskless', bootstrap: member.bootstrap, isDiskless: true },
    what,
  );
}

/** Runs a merge and then the sweeps, with workers that begin anew. */
async function work(options: Partial<typeof SWEEP> = {}): Promise<void> {
  const topics = new Map<string, TopicRecord>();
  for await (const record of new TopicRecordStore(store).list()) topics.set(record.topicId, record);
  const now = { ...world, topics };
  const merging = await openWorker(now);
  await merging.run(createMergeJob({ intervalMs: 1_000, fileBytes: 1 << 20 }));
  const sweeping = await openWorker(now);
  const [group] = sweeping.groups;
  if (group === undefined) throw new Error('there is no group');
  const { group: _group, ...context } = sweeping.context(group);
  const groups = { groupCount: 1, states: async () => [group.state] };
  await createSweepWalJob({ ...SWEEP, ...options }).run({ ...context, groups });
  await sweeping.run(createSweepGroupJob({ ...SWEEP, ...options }));
}

test('WAL files go once they are merged and settled, and consumers notice nothing', async () => {
  const topic = await newTopic('swept');
  await produce(topic, 'a');
  await produce(topic, 'b');
  const before = await consumed(topic);
  expect(before).toHaveLength(2);
  expect(await keysOf('wal/')).toHaveLength(2);
  await work({ marginMs: LONG_MS });
  expect(await keysOf('wal/')).toHaveLength(2);
  await eventually(async () => {
    await work();
    return await keysOf('wal/');
  }).toEqual([]);
  expect(await consumed(topic)).toEqual(before);
});

test('an orphan is kept for as long as a broker may append, and goes in the end', async () => {
  const topic = await newTopic('orphan');
  await produce(topic, 'a');
  const fileId = newFileId(Date.now(), 7);
  const batches = [{ topic, partition: 0, bytes: batchOf('never sent') }];
  const input = { clusterId: world.clusterId, memberId: 9, createdMs: Date.now(), batches };
  await store.put(walKey(fileId), buildWalFile(input).file);
  await eventually(async () => {
    await work();
    return await keysOf('wal/');
  }).toEqual([walKey(fileId)]);
  await eventually(async () => {
    await work({ unsettledMs: 0 });
    return await keysOf('wal/');
  }).toEqual([]);
  expect(await consumed(topic)).toHaveLength(1);
});

test("a deleted topic's bytes go, and a new one of its name keeps its own", async () => {
  const topic = await newTopic('again');
  await produce(topic, 'old');
  await work({ marginMs: LONG_MS });
  const [, oldId] = await leaderOf(brokers, topic);
  await deleteTopic(topic);
  const again = await eventuallyCreated(topic);
  expect(again).not.toBe(oldId);
  await produce(topic, 'new');
  const before = await consumed(topic);
  expect(before).toHaveLength(1);
  await eventually(async () => {
    await work();
    const worker = await openWorker(world);
    const known = [...(worker.groups[0]?.state.partitions.values() ?? [])];
    const ids = known.filter((each) => each.topic === topic).map(({ topicId }) => topicId);
    return { ids, files: await keysOf('wal/') };
  }).toEqual({ ids: [again], files: [] });
  expect(await consumed(topic)).toEqual(before);
});

/** Creates the topic of that very name, once the cluster has let go of the old one. */
async function eventuallyCreated(name: string): Promise<string> {
  const create = async (): Promise<number | undefined> => {
    const connection = await members.toAny();
    const configs = [{ name: 'diskless.enable', value: 'true' }];
    const one = { name, numPartitions: 1, replicationFactor: 1, assignments: [], configs };
    const { topics } = await connection.request(apis.CreateTopics, {
      timeoutMs: 10_000,
      topics: [one],
    });
    return topics[0]?.errorCode;
  };
  await eventually(create).toBe(0);
  await eventually(async () => (await leaderOf(members, name))[0] >= 0).toBe(true);
  return (await leaderOf(brokers, name))[1];
}
