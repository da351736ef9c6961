/**
 * Members in front of a cluster of three brokers, with topics that are not diskless: clients must
 * not notice anything but other addresses.
 */
import { Kafka as KafkaJs, logLevel } from 'kafkajs';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, inject, test, vi } from 'vitest';
import { runDir } from '../../docker/local/cache.ts';
import { type KafkaTool, kafkaTool } from '../../docker/local/kafka-tools.ts';
import { type Kafka, startKafka } from '../../docker/local/kafka.ts';
import { type Outrigger, startOutrigger } from '../../docker/local/outrigger.ts';
import {
  apis,
  BrokerConnection,
  ClusterClient,
  type Endpoint,
  KafkaErrorCode,
  type MessageInput,
  type Requester,
} from '../../kafka/index.ts';
import { brokerIdOf, isDisklessNodeId } from '../../proxy/nodes/node-id.ts';
import { kcat, kcatConsume, kcatProduce } from './support/kcat.ts';
import { eventually } from './support/eventually.ts';
import { uniqueName } from './support/names.ts';
import { oneRecordBatch } from './support/one-record-batch.ts';

const BROKER_IDS = [1, 2, 3];
const PARTITIONS = 6;
const VALUES = Array.from({ length: 3_000 }, (_, index) => `value ${index}`);

let cluster: Kafka;
let members: Outrigger[] = [];
let client: ClusterClient;

beforeAll(async () => {
  cluster = await startKafka({ brokers: 3 });
  const storeUrl = `file://${await runDir('store')}`;
  const redisUrl = inject('redis').url;
  members = await Promise.all(
    [0, 1].map(async (id) =>
      startOutrigger({
        kafkaBootstrap: cluster.bootstrap,
        storeUrl,
        redisUrl,
        configs: { 'member.id': id, 'member.rack': id === 0 ? 'a' : 'b' },
      }),
    ),
  );
  client = new ClusterClient({
    bootstrap: members.map(({ bootstrap }) => endpointOf(bootstrap)),
    connection: { clientId: 'test' },
    logger: pino({ level: 'silent' }),
    now: () => performance.now(),
    random: () => 0,
  });
});

afterAll(async () => {
  await client.close();
  await Promise.all(members.map(async (member) => member.stop()));
  await cluster.stop();
});

function endpointOf(address: string): Endpoint {
  const [host = '', port = ''] = address.split(':');
  return { host, port: Number(port) };
}

function first(): Outrigger {
  const [member] = members;
  if (member === undefined) throw new Error('no member runs');
  return member;
}

async function connectTo(endpoint: Endpoint, clientId = 'test'): Promise<BrokerConnection> {
  return BrokerConnection.open(endpoint, { clientId });
}

async function createTopic(partitions = PARTITIONS): Promise<string> {
  const name = uniqueName('classic');
  const controller = await client.toController();
  const topic = { name, numPartitions: partitions, replicationFactor: 3 };
  const response = await controller.request(apis.CreateTopics, {
    topics: [{ ...topic, assignments: [], configs: [] }],
  });
  expect(response.topics[0]?.errorCode).toBe(0);
  for (const id of BROKER_IDS) {
    const broker = await client.toBroker(id);
    await eventually(async () => (await leadersOf(name, broker)).length).toBe(partitions);
  }
  return name;
}

/** @returns the leaders of a topic's partitions, those that have one, as a broker knows them */
async function leadersOf(topic: string, broker?: Requester): Promise<number[]> {
  const asked = broker ?? (await client.toAny());
  const { topics } = await asked.request(apis.Metadata, { topics: [{ name: topic }] });
  const partitions = topics[0]?.partitions.toSorted((a, b) => a.partitionIndex - b.partitionIndex);
  return partitions?.map(({ leaderId }) => leaderId).filter((leader) => leader >= 0) ?? [];
}

async function tool(name: KafkaTool, args: readonly string[], stdin = ''): Promise<string> {
  const all = ['--bootstrap-server', first().bootstrap, ...args];
  const result = await kafkaTool(cluster.libs, name, all, { stdin, timeoutMs: 100_000 });
  expect(result.code, result.stderr).toBe(0);
  return result.stdout;
}

/** Ports that no client may be told. */
function realPorts(): Set<number> {
  return new Set(cluster.brokers.flatMap(({ port, internalPort }) => [port, internalPort]));
}

function expectNodesOnly(addresses: readonly Endpoint[]): void {
  const leaked = addresses.filter(({ port }) => realPorts().has(port));
  expect(leaked).toEqual([]);
}

function versionsOf({ versions: [from, to] }: { versions: readonly [number, number] }): number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index);
}

describe('addresses', () => {
  let connection: BrokerConnection;

  beforeAll(async () => {
    connection = await connectTo(endpointOf(first().bootstrap));
  });

  afterAll(() => connection.close());

  test.each(versionsOf(apis.Metadata.request))('Metadata v%i names nodes', async (version) => {
    const { brokers } = await connection.request(apis.Metadata, { topics: [] }, { version });
    expectNodesOnly(brokers);
    const ids = brokers.map(({ nodeId }) => nodeId);
    expect(ids.filter((id) => !isDisklessNodeId(id))).toEqual(BROKER_IDS);
    expect(ids.filter(isDisklessNodeId).map(brokerIdOf)).toEqual(BROKER_IDS);
  });

  test.each(versionsOf(apis.FindCoordinator.request))(
    'FindCoordinator v%i names a classic node',
    async (version) => {
      const request: MessageInput<typeof apis.FindCoordinator.request> =
        version < 4 ? { key: 'group' } : { coordinatorKeys: ['group'] };
      const coordinator = async () => {
        const found = await connection.request(apis.FindCoordinator, request, { version });
        return version < 4 ? found : found.coordinators[0];
      };
      // The topic of offsets is made by the first request for a coordinator.
      await eventually(async () => (await coordinator())?.errorCode).toBe(0);
      const found = await coordinator();
      expectNodesOnly(found === undefined ? [] : [found]);
      expect(BROKER_IDS).toContain(found?.nodeId);
    },
  );

  test.each(versionsOf(apis.DescribeCluster.request))(
    'DescribeCluster v%i names the brokers only',
    async (version) => {
      const request = { includeClusterAuthorizedOperations: false };
      const response = await connection.request(apis.DescribeCluster, request, { version });
      expectNodesOnly(response.brokers);
      const ids = response.brokers.map(({ brokerId }) => brokerId);
      expect(ids.toSorted((a, b) => a - b)).toEqual(BROKER_IDS);
    },
  );

  test('who produces to a follower is given the node of the leader', async () => {
    const topic = await createTopic(1);
    const [leader = -1] = await leadersOf(topic);
    const follower = await client.toBroker(BROKER_IDS.find((id) => id !== leader) ?? -1);
    const partitionData = [{ index: 0, records: oneRecordBatch() }];
    const { responses, nodeEndpoints } = await follower.request(
      apis.Produce,
      { acks: -1, timeoutMs: 1_000, topicData: [{ name: topic, partitionData }] },
      { version: 12 },
    );
    expect(responses[0]?.partitionResponses[0]).toMatchObject({
      errorCode: KafkaErrorCode.NOT_LEADER_OR_FOLLOWER,
      currentLeader: { leaderId: leader },
    });
    expect(nodeEndpoints.map(({ nodeId }) => nodeId)).toEqual([leader]);
    expectNodesOnly(nodeEndpoints);
  });

  test('clients of a rack are sent to its member, and each member knows the other', async () => {
    const ports = await Promise.all(
      members.map(async ({ bootstrap }) => {
        const own = await connectTo(endpointOf(bootstrap));
        const other = await connectTo(endpointOf(bootstrap), 'app,diskless_az=b');
        const answers = [own, other].map(async (peer) =>
          peer.request(apis.Metadata, { topics: [] }),
        );
        const [here, there] = await Promise.all(answers);
        await Promise.all([own.close(), other.close()]);
        return { here: portsOf(here?.brokers), there: portsOf(there?.brokers) };
      }),
    );
    expect(ports[0]?.here).not.toEqual(ports[1]?.here);
    expect(ports[0]?.there).toEqual(ports[1]?.here);
    expect(ports[1]?.there).toEqual(ports[1]?.here);
  });

  function portsOf(brokers: readonly Endpoint[] = []): number[] {
    return brokers.map(({ port }) => port);
  }
});

describe('clients', () => {
  test('librdkafka produces and consumes', async () => {
    const topic = await createTopic();
    await kcatProduce(first().bootstrap, topic, VALUES);
    expect((await kcatConsume(first().bootstrap, topic)).toSorted()).toEqual(VALUES.toSorted());
    const listed = await kcat(['-L', '-b', first().bootstrap, '-t', topic]);
    for (const port of realPorts()) expect(listed).not.toContain(`:${port}`);
  });

  test('everything sent without acknowledgements by a client that leaves is there', async () => {
    const topic = await createTopic();
    await kcatProduce(first().bootstrap, topic, VALUES, { acks: '0' });
    await eventually(async () => (await kcatConsume(cluster.bootstrap, topic)).length).toBe(
      VALUES.length,
    );
  });

  test('kafkajs produces and consumes in a group', async () => {
    const topic = await createTopic();
    const kafka = new KafkaJs({
      brokers: members.map(({ bootstrap }) => bootstrap),
      logLevel: logLevel.NOTHING,
    });
    const producer = kafka.producer({ idempotent: true });
    await producer.connect();
    await producer.send({ topic, messages: VALUES.map((value) => ({ value })) });
    await producer.disconnect();

    const consumer = kafka.consumer({ groupId: uniqueName('group') });
    const seen: string[] = [];
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    await consumer.run({
      eachMessage: async ({ message }) => void seen.push(String(message.value)),
    });
    await eventually(() => seen.length).toBe(VALUES.length);
    await consumer.disconnect();
    expect(seen.toSorted()).toEqual(VALUES.toSorted());
  });

  test("Kafka's own tools work, and count nothing twice", async () => {
    const topic = uniqueName('tools');
    const group = uniqueName('group');
    const layout = ['--partitions', '3', '--replication-factor', '3'];
    await tool('kafka-topics', ['--create', '--topic', topic, ...layout]);
    await tool('kafka-console-producer', ['--topic', topic], VALUES.join('\n'));
    const all = ['--from-beginning', '--max-messages', String(VALUES.length)];
    const inGroup = ['--topic', topic, '--group', group, ...all];
    const consumed = await tool('kafka-console-consumer', inGroup);
    expect(consumed.trim().split('\n').toSorted()).toEqual(VALUES.toSorted());

    const groups = (await tool('kafka-consumer-groups', ['--list'])).split('\n');
    expect(groups.filter((line) => line.trim() === group)).toHaveLength(1);
    const offsets = await tool('kafka-get-offsets', ['--topic', topic]);
    const ends = offsets
      .trim()
      .split('\n')
      .map((line) => Number(line.split(':')[2]));
    expect(ends.reduce((total, end) => total + end, 0)).toBe(VALUES.length);
    const versions = await tool('kafka-broker-api-versions', []);
    expect(versions).toContain('AddRaftVoter(80): UNSUPPORTED');
    expect(versions).not.toContain('UNKNOWN');
    for (const port of realPorts()) expect(versions).not.toContain(`:${port}`);
    const logDirs = await tool('kafka-log-dirs', ['--describe', '--topic-list', topic]);
    expect(logDirs.split(`"partition":"${topic}-0"`)).toHaveLength(1 + 3);
  });
});

describe('outages', () => {
  test('a broker that restarts is reached on its node again', async () => {
    const topic = await createTopic();
    const [broker] = cluster.brokers;
    if (broker === undefined) throw new Error('the cluster has no broker');
    await broker.kill();
    await eventually(async () => new Set(await leadersOf(topic))).toEqual(new Set([2, 3]));
    await kcatProduce(first().bootstrap, topic, VALUES);
    await expectHintForOldEpoch(topic);
    await broker.start();
    await eventually(async () => (await client.refresh()).brokers.has(broker.id)).toBe(true);
    const connection = await client.toBroker(broker.id);
    const { topics } = await connection.request(apis.Metadata, { topics: [{ name: topic }] });
    expect(topics[0]?.partitions).toHaveLength(PARTITIONS);
    expect(await kcatConsume(first().bootstrap, topic)).toHaveLength(VALUES.length);
  });

  /** Who fetches with the epoch of the leader that is gone is given the node of the new one. */
  async function expectHintForOldEpoch(topic: string): Promise<void> {
    const any = await client.toAny();
    const metadata = await any.request(apis.Metadata, { topics: [{ name: topic }] });
    const [found] = metadata.topics;
    const moved = found?.partitions.find(({ leaderEpoch }) => leaderEpoch > 0);
    const { partitionIndex: partition = 0, leaderId = -1 } = moved ?? {};
    const range = { fetchOffset: 0n, partitionMaxBytes: 1_000, currentLeaderEpoch: 0 };
    const connection = await client.toBroker(leaderId);
    const { responses, nodeEndpoints } = await connection.request(apis.Fetch, {
      maxWaitMs: 0,
      minBytes: 0,
      topics: [{ topicId: found?.topicId, partitions: [{ partition, ...range }] }],
    });
    expect(responses[0]?.partitions[0]).toMatchObject({
      errorCode: KafkaErrorCode.FENCED_LEADER_EPOCH,
      currentLeader: { leaderId },
    });
    expect(nodeEndpoints.map(({ nodeId }) => nodeId)).toEqual([leaderId]);
    expectNodesOnly(nodeEndpoints);
  }

  test('a member that is told to end loses nothing and repeats nothing', async () => {
    const topic = await createTopic();
    const kafka = new KafkaJs({
      brokers: members.map(({ bootstrap }) => bootstrap),
      logLevel: logLevel.NOTHING,
      retry: { retries: 20, maxRetryTime: 1_000 },
    });
    const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 });
    await producer.connect();
    let acknowledged = 0;
    let ending: Promise<void> | undefined;
    while (acknowledged < VALUES.length) {
      const values = VALUES.slice(acknowledged, acknowledged + 20);
      await producer.send({ topic, acks: -1, messages: values.map((value) => ({ value })) });
      acknowledged += values.length;
      if (acknowledged === 1_000) ending = first().stop();
    }
    await ending;
    await producer.disconnect();
    const consumed = await kcatConsume(members[1]?.bootstrap ?? '', topic);
    expect(consumed.toSorted()).toEqual(VALUES.toSorted());
    await first().start();
  });

  test('a member that was killed sends clients to its own nodes as soon as it has them', async () => {
    const nodesAt = async (endpoint: Endpoint) => {
      const connection = await connectTo(endpoint);
      const { brokers } = await connection.request(apis.Metadata, { topics: [] });
      await connection.close();
      return brokers.map(({ nodeId, host, port }) => ({ nodeId, host, port }));
    };
    const nodes = await nodesAt(endpointOf(first().bootstrap));
    // The one that is opened last.
    const port = Math.max(...nodes.map((node) => node.port));
    await first().kill();
    // Ready when its dead namesake has expired.
    const starting = first().start();
    const again = await vi.waitFor(async () => nodesAt({ host: '127.0.0.1', port }), 60_000);
    expect(again).toEqual(nodes);
    await starting;
  });
});
