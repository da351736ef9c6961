/**
 * Merging what a member has written to a real Kafka: consumers get of the log what is in the merged
 * files, byte for byte, wherever a worker dies on its way.
 */
import { randomBytes } from 'node:crypto';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, inject, test, vi } from 'vitest';
import { runDir } from '../../../docker/local/cache.ts';
import {
  apis,
  buildRecordBatch,
  ClusterClient,
  CODEC,
  completeBatches,
  isControl,
  batchAttributes,
  KeyRing,
} from '../../../kafka/index.ts';
import type { Proxy } from '../../../proxy/index.ts';
import { systemClock } from '../../../runtime/index.ts';
import {
  FsObjectStore,
  partitionKey,
  readBucket,
  TopicRecordStore,
  type ObjectStore,
  type TopicRecord,
} from '../../../storage/index.ts';
import { KafkaClusterLog } from '../../../workers/log/kafka-cluster-log.ts';
import { createMergeJob } from '../../../workers/merge/merge-job.ts';
import { FakeWorkerCoordinator } from '../../support/fake-worker-coordinator.ts';
import { openWorker, readExtent, type WorkerWorld } from '../../support/merge-site.ts';
import { createTopic, endpointOf, type Way } from '../equivalence/ways.ts';
import { uniqueName } from '../support/names.ts';
import { startMember } from '../support/start-member.ts';

const PARTITIONS = 3;
const GROUPS = 2;
const FETCH_BYTES = 16 << 20;
const LOADING = { timeout: 60_000, interval: 100 };
const STEPS = ['merge:before-read', 'merge:before-commit', 'merge:after-commit'] as const;

let member: Proxy;
let store: ObjectStore;
let brokers: ClusterClient;
let members: ClusterClient;

beforeAll(async () => {
  const root = await runDir('store');
  const { bootstrap } = inject('kafka');
  member = await startMember({
    'kafka.bootstrap.servers': bootstrap,
    'store.url': `file://${root}`,
    'wal.min.bytes': 0,
  });
  store = await FsObjectStore.open({ root, now: () => Date.now(), random: randomBytes });
  brokers = clientOf(bootstrap);
  members = clientOf(member.bootstrap);
});

afterAll(async () => {
  await Promise.all([brokers.close(), members.close()]);
  await member.stop();
});

function clientOf(bootstrap: string): ClusterClient {
  return new ClusterClient({
    bootstrap: [endpointOf(bootstrap)],
    connection: { clientId: 'merge-test' },
    logger: pino({ level: 'silent' }),
    now: () => performance.now(),
    random: () => 0,
  });
}

/** What a worker finds in the bucket and the cluster, as they are now. */
async function worldNow(): Promise<WorkerWorld> {
  const opened = await readBucket(store);
  if (opened === undefined) throw new Error('the bucket is empty');
  const [current, ...older] = opened.keyRing.toReversed();
  if (current === undefined) throw new Error('there is no key');
  const topics = new Map<string, TopicRecord>();
  for await (const record of new TopicRecordStore(store).list()) topics.set(record.topicId, record);
  const logger = pino({ level: 'silent' });
  const monotonicMs = (): number => performance.now();
  return {
    clock: systemClock,
    clusterId: opened.identity.clusterId,
    coordinator: new FakeWorkerCoordinator(),
    keyRing: new KeyRing(current, older),
    log: new KafkaClusterLog({ client: brokers, monotonicMs, logger }),
    store,
    groupCount: GROUPS,
    topics,
  };
}

async function leaderOf(client: ClusterClient, topic: string): Promise<[number, string]> {
  const connection = await client.toAny();
  const { topics } = await connection.request(apis.Metadata, { topics: [{ name: topic }] });
  return [topics[0]?.partitions[0]?.leaderId ?? -1, topics[0]?.topicId ?? ''];
}

async function produce(
  client: ClusterClient,
  topic: string,
  batches: readonly (readonly [partition: number, batch: Buffer])[],
  transactionalId: string | null = null,
): Promise<void> {
  const [leaderId, topicId] = await leaderOf(client, topic);
  const node = await client.toBroker(leaderId);
  for (const [index, records] of batches) {
    const topicData = [{ name: topic, topicId, partitionData: [{ index, records }] }];
    const request = { transactionalId, acks: -1, timeoutMs: 10_000, topicData };
    const { responses } = await node.request(apis.Produce, request);
    expect(responses[0]?.partitionResponses[0]).toMatchObject({ errorCode: 0 });
  }
}

function batchOf(value: string, codec: 0 | 4 = CODEC.none): Buffer {
  const records = Array.from({ length: 5 }, (_, index) => {
    return { key: Buffer.from(`${index}`), value: Buffer.from(`${value}-${index}`.repeat(20)) };
  });
  return buildRecordBatch({ codec, baseTimestamp: BigInt(Date.now()) }, records);
}

/** The broker may have to make the log of transactions first. */
async function openTransaction(transactionalId: string) {
  return await vi.waitFor(async () => {
    const node = await members.toAny();
    const asked = { keyType: 1, coordinatorKeys: [transactionalId] };
    const { coordinators } = await node.request(apis.FindCoordinator, asked);
    const coordinator = await members.toBroker(coordinators[0]?.nodeId ?? -1);
    const begun = { transactionalId, transactionTimeoutMs: 60_000 };
    const answer = await coordinator.request(apis.InitProducerId, begun, { version: 4 });
    expect(answer.errorCode).toBe(0);
    return { ...answer, coordinator };
  }, LOADING);
}

/** A transaction that is aborted, so that the log has a control batch. */
async function abort(topic: string): Promise<void> {
  const transactionalId = uniqueName('tx');
  const { coordinator, producerId, producerEpoch } = await openTransaction(transactionalId);
  const added = await coordinator.request(
    apis.AddPartitionsToTxn,
    {
      v3AndBelowTransactionalId: transactionalId,
      v3AndBelowProducerId: producerId,
      v3AndBelowProducerEpoch: producerEpoch,
      v3AndBelowTopics: [{ name: topic, partitions: [0] }],
    },
    { version: 3 },
  );
  expect(added.resultsByTopicV3AndBelow[0]?.resultsByPartition[0]?.partitionErrorCode).toBe(0);
  const header = { producerId, producerEpoch, baseSequence: 0, transactional: true };
  const batch = buildRecordBatch({ ...header, baseTimestamp: BigInt(Date.now()) }, [
    { value: Buffer.from('aborted'.repeat(100)) },
  ]);
  await produce(members, topic, [[0, batch]], transactionalId);
  const ended = await coordinator.request(
    apis.EndTxn,
    { transactionalId, producerId, producerEpoch, committed: false },
    { version: 3 },
  );
  expect(ended.errorCode).toBe(0);
}

/** @returns what a consumer gets of the whole partition through the member, batch by batch */
async function consumed(topic: string, partition: number): Promise<Buffer[]> {
  const [leaderId, topicId] = await leaderOf(members, topic);
  const node = await members.toBroker(leaderId);
  const batches: Buffer[] = [];
  for (let fetchOffset = 0n; ; ) {
    const asked = { partition, fetchOffset, partitionMaxBytes: FETCH_BYTES };
    const response = await node.request(apis.Fetch, {
      maxWaitMs: 100,
      minBytes: 1,
      maxBytes: FETCH_BYTES,
      topics: [{ topic, topicId, partitions: [asked] }],
    });
    const answered = response.responses[0]?.partitions[0];
    expect(answered?.errorCode ?? 0).toBe(0);
    const got = [...completeBatches(answered?.records ?? Buffer.alloc(0))];
    const last = got.at(-1);
    if (last === undefined) return batches;
    batches.push(...got);
    fetchOffset = last.readBigInt64BE(0) + BigInt(last.readInt32BE(23)) + 1n;
  }
}

/** @returns what the merged files have of the partition */
async function merged(world: WorkerWorld, topic: string, partition: number): Promise<Buffer[]> {
  const [, topicId] = await leaderOf(brokers, topic);
  const { groups } = await openWorker(world);
  const batches: Buffer[] = [];
  for (const { number, state } of groups) {
    const known = state.partitions.get(partitionKey({ topicId, partition }));
    for (const extent of known?.extents ?? []) {
      batches.push(...(await readExtent(world.store, number, extent)));
    }
  }
  return batches;
}

async function newTopic(configs: Readonly<Record<string, string>> = {}): Promise<string> {
  const way: Way = { name: 'diskless', bootstrap: member.bootstrap, isDiskless: true };
  return await createTopic(way, 'merge', { partitions: PARTITIONS, configs });
}

async function expectMerged(topic: string): Promise<void> {
  const world = await worldNow();
  for (let partition = 0; partition < PARTITIONS; partition++) {
    expect(await merged(world, topic, partition)).toEqual(await consumed(topic, partition));
  }
}

test.each(['CreateTime', 'LogAppendTime'])(
  'consumers get what is in the merged files, on a topic with %s',
  async (type) => {
    const topic = await newTopic({ 'message.timestamp.type': type });
    for (let round = 0; round < 4; round++) {
      await produce(members, topic, [
        [0, batchOf(`a${round}`)],
        [1, batchOf(`b${round}`, CODEC.zstd)],
        [2, batchOf(`c${round}`)],
      ]);
      // A producer that goes past the member.
      await produce(brokers, topic, [[1, batchOf(`real${round}`)]]);
      await abort(topic);
    }
    const world = await worldNow();
    const worker = await openWorker(world);
    await worker.run(createMergeJob({ intervalMs: 1, fileBytes: 4_000 }));
    await expectMerged(topic);
    const batches = await merged(world, topic, 0);
    expect(batches.filter((batch) => isControl(batchAttributes(batch)))).toHaveLength(4);
    await worker.run(createMergeJob({ intervalMs: 1, fileBytes: 4_000 }));
    await expectMerged(topic);
  },
);

test('a worker that dies at any step leaves nothing lost and nothing twice', async () => {
  const topic = await newTopic();
  for (const [round, step] of [...STEPS, ...STEPS].entries()) {
    await produce(members, topic, [
      [0, batchOf(`a${round}`)],
      [1, batchOf(`b${round}`)],
    ]);
    const failpoint = async (name: string): Promise<void> => {
      if (name === step) throw new Error(`killed at ${name}`);
    };
    const worker = await openWorker(await worldNow(), { failpoint });
    const job = createMergeJob({ intervalMs: 1, fileBytes: 2_000 });
    await expect(worker.run(job)).rejects.toThrow(step);
  }
  const worker = await openWorker(await worldNow());
  await worker.run(createMergeJob({ intervalMs: 1, fileBytes: 2_000 }));
  await expectMerged(topic);
});

test('of two workers on the same groups each merges what the other has not', async () => {
  const topic = await newTopic();
  const world = await worldNow();
  const workers = [await openWorker(world), await openWorker(world)];
  const job = createMergeJob({ intervalMs: 1, fileBytes: 2_000 });
  for (let round = 0; round < 5; round++) {
    await produce(members, topic, [
      [0, batchOf(`a${round}`)],
      [2, batchOf(`b${round}`)],
    ]);
    await Promise.all(workers.map(async (worker) => worker.run(job)));
  }
  for (const worker of workers) await worker.run(job);
  await expectMerged(topic);
});
