/** A session with kafkajs is the same on all three ways. */
import {
  type Admin,
  CompressionTypes,
  ConfigResourceTypes,
  type EachBatchPayload,
  Kafka,
  logLevel,
  type Message,
} from 'kafkajs';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { logContents } from '../support/log-contents.ts';
import { uniqueName } from '../support/names.ts';
import {
  createTopic,
  expectSameOutcome,
  openWays,
  realNodeId,
  topicName,
  untilLed,
  type Way,
  type Ways,
} from './ways.ts';

const PARTITIONS = 3;
const RECORDS = 90;
const MADE_AT = Date.now() - 3_600_000;

let ways: Ways;

beforeAll(async () => {
  ways = await openWays(7);
});

afterAll(() => ways.stop());

function client({ bootstrap }: Way): Kafka {
  return new Kafka({ clientId: 'equal', brokers: [bootstrap], logLevel: logLevel.NOTHING });
}

async function withAdmin<T>(way: Way, run: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = client(way).admin();
  await admin.connect();
  try {
    return await run(admin);
  } finally {
    await admin.disconnect();
  }
}

function someMessages(what: string): Message[] {
  return Array.from({ length: RECORDS }, (_, index) => ({
    key: `key-${index % 7}`,
    value: index % 10 === 0 ? null : `${what} ${index} ${'.'.repeat(100)}`,
    headers: { what, index: String(index) },
    timestamp: String(MADE_AT + index * 1_000),
    partition: index % PARTITIONS,
  }));
}

/** What a consumer gets of one record. */
interface Got {
  readonly partition: number;
  readonly offset: string;
  readonly rest: unknown;
}

function gotOf({ batch }: EachBatchPayload): Got[] {
  return batch.messages.map(({ offset, key, value, timestamp, headers }) => ({
    partition: batch.partition,
    offset,
    rest: [String(key), value && String(value), timestamp, toText(headers)],
  }));
}

function toText(headers: Message['headers'] = {}): unknown {
  return Object.entries(headers).map(([name, value]) => [name, String(value)]);
}

function byPlace(a: Got, b: Got): number {
  return a.partition - b.partition || Number(a.offset) - Number(b.offset);
}

function byPartition<Item extends { readonly partition: number }>(items: readonly Item[] = []) {
  return items.toSorted((a, b) => a.partition - b.partition);
}

/** Consumes in a group until there are so many records. */
async function consume(
  way: Way,
  topic: string,
  count: number,
  options: { readonly groupId?: string; readonly readUncommitted?: boolean } = {},
): Promise<Got[]> {
  const { groupId = uniqueName('group'), readUncommitted = false } = options;
  const consumer = client(way).consumer({ groupId, readUncommitted, maxWaitTimeInMs: 500 });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  const got: Got[] = [];
  await new Promise<void>((resolve, reject) => {
    // A coordinator that is still loading makes it start anew.
    consumer.on(consumer.events.CRASH, ({ payload: { error, restart } }) => {
      if (!restart) reject(error);
    });
    const running = consumer.run({
      eachBatch: async (payload) => {
        got.push(...gotOf(payload));
        if (got.length >= count) resolve();
      },
    });
    running.catch(reject);
  });
  await consumer.disconnect();
  return got.sort(byPlace);
}

async function expectDiskless(way: Way, topic: string): Promise<void> {
  const { placeholders } = await logContents(inject('kafka').bootstrap, topic);
  expect(placeholders > 0, `placeholders in ${topic}`).toBe(way.isDiskless);
}

test('topics are made, described, changed and deleted', async () => {
  await expectSameOutcome(ways, async (way) =>
    withAdmin(way, async (admin) => {
      const topic = topicName(way, 'admin');
      const diskless = { name: 'diskless.enable', value: 'true' };
      const retention = { name: 'retention.bytes', value: '12345' };
      const configEntries = way.isDiskless ? [diskless, retention] : [retention];
      const made = await admin.createTopics({
        waitForLeaders: false,
        topics: [{ topic, numPartitions: 2, configEntries }],
      });
      await untilLed(way, topic, 2);
      await admin.createPartitions({ topicPartitions: [{ topic, count: PARTITIONS }] });
      await untilLed(way, topic, PARTITIONS);
      const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
      const resource = { type: ConfigResourceTypes.TOPIC, name: topic };
      const described = await admin.describeConfigs({
        includeSynonyms: true,
        resources: [resource],
      });
      const { clusterId, brokers } = await admin.describeCluster();
      await admin.deleteTopics({ topics: [topic] });
      return {
        made,
        partitions: topics[0]?.partitions.map(({ leader, isr, replicas, ...rest }) => ({
          ...rest,
          isr: isr.map(realNodeId),
          leader: realNodeId(leader),
          replicas: replicas.map(realNodeId),
        })),
        described: described.resources[0]?.configEntries.filter(
          ({ configName }) => configName !== 'diskless.enable',
        ),
        clusterId,
        brokers: new Set(brokers.map(({ nodeId }) => realNodeId(nodeId))),
      };
    }),
  );
});

test('records are produced and consumed, compressed or not, idempotent or not', async () => {
  await expectSameOutcome(ways, async (way) => {
    const topic = await createTopic(way, 'records', { partitions: PARTITIONS });
    const produced: unknown[] = [];
    for (const idempotent of [false, true]) {
      const producer = client(way).producer({ idempotent, maxInFlightRequests: 1 });
      await producer.connect();
      for (const compression of [CompressionTypes.None, CompressionTypes.GZIP]) {
        const messages = someMessages(`${idempotent} ${compression}`);
        const answer = await producer.send({ topic, messages, compression, acks: -1 });
        produced.push(
          byPartition(
            answer.map(({ partition, errorCode, baseOffset }) => {
              return { partition, errorCode, baseOffset };
            }),
          ),
        );
      }
      await producer.disconnect();
    }
    await expectDiskless(way, topic);
    return { produced, got: await consume(way, topic, 4 * RECORDS) };
  });
});

test('a group commits, is reset, goes on, and is deleted', async () => {
  await expectSameOutcome(ways, async (way) => {
    const topic = await createTopic(way, 'group', { partitions: PARTITIONS });
    const groupId = uniqueName('group');
    const producer = client(way).producer({ maxInFlightRequests: 1 });
    await producer.connect();
    await producer.send({ topic, messages: someMessages('grouped') });
    await producer.disconnect();
    const first = await consume(way, topic, RECORDS, { groupId });
    return withAdmin(way, async (admin) => {
      const committed = await admin.fetchOffsets({ groupId, topics: [topic] });
      const found = await admin.fetchTopicOffsetsByTimestamp(topic, MADE_AT + 30_500);
      const offsets = await admin.fetchTopicOffsets(topic);
      await admin.setOffsets({
        groupId,
        topic,
        partitions: found.map(({ partition, offset }) => ({ partition, offset })),
      });
      const second = await consume(way, topic, RECORDS - 31, { groupId });
      await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '7' }] });
      const third = await consume(way, topic, RECORDS - 7);
      const deleted = await admin.deleteGroups([groupId]);
      const afterwards = await admin.fetchTopicOffsets(topic);
      return {
        first,
        committed: byPartition(committed[0]?.partitions),
        found: byPartition(found),
        offsets: byPartition(offsets),
        second,
        third,
        deleted: deleted.map(({ errorCode }) => errorCode),
        afterwards: byPartition(afterwards),
      };
    });
  });
});

test('transactions commit and abort, with the offsets that they send', async () => {
  await expectSameOutcome(ways, async (way) => {
    const topic = await createTopic(way, 'transactions', { partitions: PARTITIONS });
    const groupId = uniqueName('group');
    const producer = client(way).producer({
      transactionalId: uniqueName('kafkajs'),
      maxInFlightRequests: 1,
      idempotent: true,
    });
    await producer.connect();
    for (const end of ['commit', 'abort', 'abort', 'commit'] as const) {
      const transaction = await producer.transaction();
      await transaction.send({ topic, messages: someMessages(end) });
      const partitions = [{ partition: 0, offset: end === 'commit' ? '5' : '99' }];
      await transaction.sendOffsets({ consumerGroupId: groupId, topics: [{ topic, partitions }] });
      await transaction[end]();
    }
    await producer.disconnect();
    await expectDiskless(way, topic);
    const committed = await consume(way, topic, 2 * RECORDS);
    const all = await consume(way, topic, 4 * RECORDS, { readUncommitted: true });
    const offsets = await withAdmin(way, async (admin) =>
      admin.fetchOffsets({ groupId, topics: [topic] }),
    );
    return { committed, all, offsets: byPartition(offsets[0]?.partitions) };
  });
});
