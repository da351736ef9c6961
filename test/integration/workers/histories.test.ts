/**
 * An unclean leader election on real brokers: a replica without the end of the log becomes leader,
 * other batches take the offsets, and what was merged of the old history is set aside.
 */
import { pino } from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Kafka, type KafkaBroker, startKafka } from '../../../docker/local/kafka.ts';
import { apis, buildRecordBatch, ClusterClient, KeyRing } from '../../../kafka/index.ts';
import { systemClock } from '../../../runtime/index.ts';
import { partitionKey, type PartitionState } from '../../../storage/index.ts';
import type { PartitionLeader } from '../../../workers/log/cluster-log.ts';
import { KafkaClusterLog } from '../../../workers/log/kafka-cluster-log.ts';
import { createMergeJob } from '../../../workers/merge/merge-job.ts';
import { FakeWorkerCoordinator } from '../../support/fake-worker-coordinator.ts';
import { openWorker, readExtent, type WorkerWorld } from '../../support/merge-site.ts';
import { MemoryStore } from '../../unit/storage/memory-store.ts';
import { endpointOf } from '../equivalence/ways.ts';
import { eventually } from '../support/eventually.ts';
import { uniqueName } from '../support/names.ts';

let kafka: Kafka;
let client: ClusterClient;
let log: KafkaClusterLog;

beforeAll(async () => {
  const configs = {
    // A replica that does not follow is left behind, so that the leader goes on without it.
    'replica.lag.time.max.ms': 2_000,
    'broker.session.timeout.ms': 4_000,
    'broker.heartbeat.interval.ms': 500,
    'min.insync.replicas': 1,
    'unclean.leader.election.enable': true,
  };
  kafka = await startKafka({ brokers: 2, configs });
  const logger = pino({ level: 'silent' });
  client = new ClusterClient({
    bootstrap: kafka.bootstrap.split(',').map(endpointOf),
    connection: { clientId: 'histories', connectTimeoutMs: 3_000, requestTimeoutMs: 5_000 },
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

async function leaderOf(topic: string): Promise<PartitionLeader> {
  const [leader] = (await log.topics([topic])).get(topic)?.partitions ?? [];
  if (leader === undefined || leader.brokerId < 0) throw new Error('there is no leader');
  return leader;
}

async function produce(topic: string, values: readonly string[]): Promise<void> {
  const { brokerId, topicId } = await leaderOf(topic);
  const broker = await client.toBroker(brokerId);
  for (const value of values) {
    const records = buildRecordBatch({ baseTimestamp: 1_700_000_000_000n }, [
      { value: Buffer.from(value) },
    ]);
    const topicData = [{ name: topic, topicId, partitionData: [{ index: 0, records }] }];
    const request = { acks: -1, timeoutMs: 10_000, topicData };
    const { responses } = await broker.request(apis.Produce, request);
    expect(responses[0]?.partitionResponses[0]?.errorCode).toBe(0);
  }
}

function brokerWith(id: number): KafkaBroker {
  const found = kafka.brokers.find((broker) => broker.id === id);
  if (found === undefined) throw new Error(`there is no broker ${id}`);
  return found;
}

test('what an unclean election takes back is cut out, and what came instead is merged', async () => {
  const topic = uniqueName('histories');
  const controller = await client.toController();
  await controller.request(apis.CreateTopics, {
    timeoutMs: 30_000,
    topics: [{ name: topic, numPartitions: 1, replicationFactor: 2, assignments: [], configs: [] }],
  });
  await eventually(async () => {
    const leader = await leaderOf(topic).catch(() => undefined);
    return leader === undefined ? 0 : (await log.logStarts([leader])).size;
  }).toBe(1);
  const first = await leaderOf(topic);
  const record = { topicId: first.topicId, name: topic, diskless: true, configs: {} };
  const world: WorkerWorld = {
    clock: systemClock,
    clusterId: kafka.clusterId,
    coordinator: new FakeWorkerCoordinator(),
    keyRing: new KeyRing({ id: 0, secret: Buffer.alloc(32) }),
    log,
    store: new MemoryStore(),
    groupCount: 1,
    topics: new Map([[first.topicId, { ...record, updatedAtMs: 0, version: 1 }]]),
  };
  const worker = await openWorker(world);
  const job = createMergeJob({ intervalMs: 1, fileBytes: 1 << 20 });
  const state = (): PartitionState | undefined => {
    return worker.groups[0]?.state.partitions.get(partitionKey(first));
  };
  const mergedTo = async (): Promise<bigint | undefined> => {
    await worker.run(job).catch(() => undefined);
    return state()?.cursor;
  };

  await produce(topic, ['a', 'b']);
  await eventually(mergedTo).toBe(2n);
  const leader = brokerWith(first.brokerId);
  const follower = brokerWith(3 - first.brokerId);
  await follower.kill();
  await produce(topic, ['c', 'd', 'e']);
  await eventually(mergedTo).toBe(5n);
  await leader.kill();
  await follower.start();
  await eventually(async () => (await leaderOf(topic).catch(() => first)).brokerId).toBe(
    follower.id,
  );
  await produce(topic, ['C', 'D', 'E', 'F']);
  await eventually(mergedTo).toBe(6n);

  expect(state()?.quarantined).toMatchObject([{ extents: [{ startOffset: 2n, endOffset: 5n }] }]);
  const values: string[] = [];
  for (const extent of state()?.extents ?? []) {
    for (const batch of await readExtent(world.store, 0, extent)) {
      values.push(
        batch
          .subarray(61)
          .toString('latin1')
          .replaceAll(/[^a-zA-Z]/g, ''),
      );
    }
  }
  expect(values).toEqual(['a', 'b', 'C', 'D', 'E', 'F']);
});
