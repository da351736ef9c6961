/**
 * What workers ask of brokers, of real ones: two of them, one of which is paused (SIGSTOP) so that
 * the leader's log goes on above the high watermark.
 */
import { pino } from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Kafka, type KafkaBroker, startKafka } from '../../../docker/local/kafka.ts';
import { apis, buildRecordBatch, ClusterClient } from '../../../kafka/index.ts';
import { partitionKey } from '../../../storage/index.ts';
import { KafkaClusterLog } from '../../../workers/log/kafka-cluster-log.ts';
import type { PartitionLeader } from '../../../workers/log/cluster-log.ts';
import { endpointOf } from '../equivalence/ways.ts';
import { eventually } from '../support/eventually.ts';
import { uniqueName } from '../support/names.ts';
import { oneRecordBatch } from '../support/one-record-batch.ts';

const BYTES_MAX = 1 << 20;
const LATEST = -1n;
/** Neither a consumer's nor that of Kafka's own tools. */
const SOME_REPLICA = 0x7fff_ffff;

let kafka: Kafka;
let client: ClusterClient;
let log: KafkaClusterLog;

beforeAll(async () => {
  // A paused broker stays in the cluster and among the replicas in sync as long as a test takes.
  const configs = {
    'broker.session.timeout.ms': 600_000,
    'replica.lag.time.max.ms': 600_000,
    'default.replication.factor': 2,
  };
  kafka = await startKafka({ brokers: 2, configs });
  const logger = pino({ level: 'silent' });
  client = new ClusterClient({
    bootstrap: kafka.bootstrap.split(',').map(endpointOf),
    connection: { clientId: 'cluster-log-test', connectTimeoutMs: 5_000 },
    logger,
    now: () => performance.now(),
    random: () => 0,
  });
  log = new KafkaClusterLog({ client, monotonicMs: () => performance.now(), logger });
});

afterAll(async () => {
  await client.close();
  await kafka.stop();
});

async function newTopic(): Promise<PartitionLeader> {
  const name = uniqueName('log');
  const controller = await client.toController();
  await controller.request(apis.CreateTopics, {
    timeoutMs: 30_000,
    topics: [{ name, numPartitions: 1, replicationFactor: 2, assignments: [], configs: [] }],
  });
  let leader: PartitionLeader | undefined;
  await eventually(async () => {
    [leader] = (await log.topics([name])).get(name)?.partitions ?? [];
    return leader === undefined ? 0 : (await log.logStarts([leader])).size;
  }).toBe(1);
  if (leader === undefined) throw new Error('the topic has no leader');
  return leader;
}

async function produce(
  { brokerId, topic, topicId }: PartitionLeader,
  acks: number,
  records = oneRecordBatch(),
): Promise<void> {
  const broker = await client.toBroker(brokerId);
  const partitionData = [{ index: 0, records }];
  const topicData = [{ name: topic, topicId, partitionData }];
  const { responses } = await broker.request(apis.Produce, { acks, timeoutMs: 30_000, topicData });
  expect(responses[0]?.partitionResponses[0]?.errorCode).toBe(0);
}

async function latest({ brokerId, topic }: PartitionLeader, replicaId: number): Promise<bigint> {
  const broker = await client.toBroker(brokerId);
  const partitions = [{ partitionIndex: 0, timestamp: LATEST }];
  const topics = [{ name: topic, partitions }];
  const listed = await broker.request(apis.ListOffsets, { replicaId, topics });
  return listed.topics[0]?.partitions[0]?.offset ?? -1n;
}

function endOf(leader: PartitionLeader): () => Promise<bigint | undefined> {
  return async () => (await log.logEnds([leader])).get(partitionKey(leader))?.endOffset;
}

function otherThan(brokerId: number): KafkaBroker {
  const other = kafka.brokers.find(({ id }) => id !== brokerId);
  if (other === undefined) throw new Error('there is no other broker');
  return other;
}

test('a sample is the log end of the leader, and nothing if only half of the brokers answers', async () => {
  const leader = await newTopic();
  for (let count = 0; count < 3; count++) await produce(leader, -1);
  await eventually(endOf(leader)).toBe(3n);
  const pid = otherThan(leader.brokerId).pid() ?? 0;
  process.kill(pid, 'SIGSTOP');
  try {
    await produce(leader, 1);
    expect(await latest(leader, -1)).toBe(3n);
    expect(await latest(leader, SOME_REPLICA)).toBe(4n);
    expect(await endOf(leader)()).toBeUndefined();
    const read = { leader, offset: 3n, lastFetchedEpoch: leader.leaderEpoch, bytesMax: BYTES_MAX };
    expect(await log.read(read)).toMatchObject({ kind: 'read', batches: [], highWatermark: 3n });
  } finally {
    process.kill(pid, 'SIGCONT');
  }
  await eventually(endOf(leader)).toBe(4n);
});

test('no follower is believed, and nobody under an epoch that is not in force', async () => {
  const leader = await newTopic();
  await produce(leader, -1);
  const follower = { ...leader, brokerId: otherThan(leader.brokerId).id };
  // Kafka's own tools would be told by it, silently.
  await eventually(async () => latest(follower, -2)).toBe(1n);
  const later = { ...leader, leaderEpoch: leader.leaderEpoch + 1 };
  for (const asked of [follower, later]) {
    expect((await log.logEnds([asked])).size).toBe(0);
    expect((await log.logStarts([asked])).size).toBe(0);
  }
  const read = { leader: later, offset: 0n, lastFetchedEpoch: -1, bytesMax: BYTES_MAX };
  expect(await log.read(read)).toEqual({ kind: 'not-leader' });
});

test('logs are read, trimmed, and said to be out of range', async () => {
  const leader = await newTopic();
  for (let count = 0; count < 4; count++) await produce(leader, -1);
  const read = { leader, offset: 1n, lastFetchedEpoch: leader.leaderEpoch, bytesMax: BYTES_MAX };
  const all = await log.read(read);
  expect(all).toMatchObject({ kind: 'read', highWatermark: 4n, lastStableOffset: 4n });
  expect(all.kind === 'read' ? all.batches : []).toHaveLength(3);
  expect(await log.read({ ...read, bytesMax: 1 })).toMatchObject({ batches: [{ length: 68 }] });
  expect(await log.deleteRecords(leader, 2n)).toBe(2n);
  expect([...(await log.logStarts([leader])).values()]).toEqual([2n]);
  expect(await log.read(read)).toEqual({ kind: 'out-of-range' });
  const beyond = { ...read, offset: 5n };
  expect(await log.read(beyond)).toEqual({ kind: 'diverged', epoch: 0, endOffset: 4n });
  const unknown = { ...beyond, lastFetchedEpoch: -1 };
  expect(await log.read(unknown)).toEqual({ kind: 'out-of-range' });
  expect(await log.shareGroupStart(leader)).toBeUndefined();
});

test('partitions that are read at once get their batches, though these exceed the limit', async () => {
  const leaders = [await newTopic(), await newTopic(), await newTopic()];
  const large = buildRecordBatch({}, [{ value: Buffer.alloc(20_000) }]);
  for (const leader of leaders) await produce(leader, -1, large);
  const limits = { offset: 0n, lastFetchedEpoch: -1, bytesMax: 4_096 };
  const read = await Promise.all(leaders.map(async (leader) => log.read({ leader, ...limits })));
  for (const outcome of read) {
    expect(outcome).toMatchObject({ kind: 'read', batches: [{ length: large.length }] });
  }
});

test('a partition is absent by name when all brokers deny it, and none is silent', async () => {
  const { topic } = await newTopic();
  const never = uniqueName('never');
  const asked = [
    { topic, partition: 0 },
    { topic, partition: 7 },
    { topic: never, partition: 0 },
  ];
  const absent = async (): Promise<readonly string[]> => [...(await log.absentPartitions(asked))];
  await eventually(absent).toEqual([`${topic}/7`, `${never}/0`]);
  const [broker] = kafka.brokers;
  process.kill(broker?.pid() ?? 0, 'SIGSTOP');
  try {
    await eventually(async () => await absent().catch(() => ['nobody answers'])).toEqual([]);
  } finally {
    process.kill(broker?.pid() ?? 0, 'SIGCONT');
  }
});

test('a topic is present while one broker knows it, and absent once all deny it', async () => {
  const { topic, topicId } = await newTopic();
  const never = 'AAAAAAAAAAAAAAAAAAAAAQ';
  const presence = async (): Promise<readonly (string | undefined)[]> => {
    const found = await log.topicPresence([topicId, never]);
    return [found.get(topicId), found.get(never)];
  };
  expect(await presence()).toEqual(['present', 'absent']);
  const controller = await client.toController();
  await controller.request(apis.DeleteTopics, {
    topics: [{ topicId }],
    topicNames: [topic],
    timeoutMs: 10_000,
  });
  await eventually(presence).toEqual(['absent', 'absent']);
  const [broker] = kafka.brokers;
  process.kill(broker?.pid() ?? 0, 'SIGSTOP');
  try {
    // The client may have to find out first that its favourite does not answer any more.
    await eventually(async () => await presence().catch(() => [])).toEqual(['unknown', 'unknown']);
  } finally {
    process.kill(broker?.pid() ?? 0, 'SIGCONT');
  }
});
