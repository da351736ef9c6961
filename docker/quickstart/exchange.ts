/** Writes records through Outrigger with an ordinary Kafka client and reads them back. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import kafkajs from 'kafkajs';

const SENDS = 20;
const RECORDS_PER_SEND = 100;
const RECORD_BYTES = 1_024;
const READ_TIMEOUT_MS = 60_000;

export interface TopicToUse {
  readonly name: string;
  readonly isDiskless: boolean;
}

export interface TopicCounts extends TopicToUse {
  /** That were produced, and read back alike. */
  readonly values: readonly string[];
  readonly bytes: number;
  /** One past the last offset that the consumer saw. */
  readonly nextOffset: bigint;
}

export interface Offsets {
  readonly start: bigint;
  readonly end: bigint;
}

/** So that some are made of so little data, while somebody looks on. */
const SEGMENTS = { bytes: String(1024 * 1024), ms: '1000' };

/**
 * Creates the topics, produces to each, consumes each from its beginning, and compares.
 * @param bootstrap HOST:PORT
 * @throws when a topic does not hold what was produced, in order
 */
export async function exchange(
  bootstrap: string,
  topics: readonly TopicToUse[],
): Promise<TopicCounts[]> {
  const kafka = clientOf(bootstrap);
  await createTopics(kafka, topics);
  const counts: TopicCounts[] = [];
  for (const topic of topics) {
    const produced = await produce(kafka, topic.name);
    const values = produced;
    const nextOffset = await checkThat(kafka, topic.name, values);
    const bytes = values.reduce((sum, value) => sum + value.length, 0);
    counts.push({ ...topic, values, bytes, nextOffset });
  }
  return counts;
}

/**
 * Reads a topic from its beginning once more.
 * @throws when it does not hold what it held, in order
 */
export async function readAgain(bootstrap: string, { name, values }: TopicCounts): Promise<void> {
  await checkThat(clientOf(bootstrap), name, values);
}

/** @returns where the only partition of a topic begins, and its end */
export async function offsetsOf(bootstrap: string, topic: string): Promise<Offsets> {
  const admin = clientOf(bootstrap).admin();
  await admin.connect();
  const [partition] = await admin.fetchTopicOffsets(topic);
  await admin.disconnect();
  if (partition === undefined) throw new Error(`${topic} has no partition`);
  return { start: BigInt(partition.low), end: BigInt(partition.high) };
}

function clientOf(bootstrap: string): kafkajs.Kafka {
  return new kafkajs.Kafka({
    clientId: 'quickstart',
    brokers: [bootstrap],
    // A fresh broker is still electing the coordinators of groups, which kafkajs calls errors.
    logLevel: kafkajs.logLevel.NOTHING,
  });
}

/** @returns one past the last offset */
async function checkThat(
  kafka: kafkajs.Kafka,
  topic: string,
  expected: readonly string[],
): Promise<bigint> {
  const { values, nextOffset } = await consume(kafka, topic, expected.length);
  assert.deepEqual(values, expected, `${topic} does not hold what was produced`);
  return nextOffset;
}

async function createTopics(kafka: kafkajs.Kafka, topics: readonly TopicToUse[]): Promise<void> {
  const admin = kafka.admin();
  await admin.connect();
  await admin.createTopics({
    topics: topics.map(({ name, isDiskless }) => ({
      topic: name,
      numPartitions: 1,
      configEntries: isDiskless
        ? [
            { name: 'diskless.enable', value: 'true' },
            { name: 'segment.bytes', value: SEGMENTS.bytes },
            { name: 'segment.ms', value: SEGMENTS.ms },
          ]
        : [],
    })),
  });
  await admin.disconnect();
}

async function produce(kafka: kafkajs.Kafka, topic: string): Promise<string[]> {
  const producer = kafka.producer();
  await producer.connect();
  const values: string[] = [];
  for (let send = 0; send < SENDS; send++) {
    const batch = Array.from({ length: RECORDS_PER_SEND }, () =>
      randomBytes(RECORD_BYTES / 2).toString('hex'),
    );
    await producer.send({ topic, messages: batch.map((value) => ({ value })) });
    values.push(...batch);
  }
  await producer.disconnect();
  return values;
}

async function consume(
  kafka: kafkajs.Kafka,
  topic: string,
  count: number,
): Promise<{ values: string[]; nextOffset: bigint }> {
  const consumer = kafka.consumer({
    groupId: `quickstart-${topic}-${randomBytes(4).toString('hex')}`,
  });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  const values: string[] = [];
  let nextOffset = 0n;
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(new Error(`only ${values.length} of ${count} records of ${topic} could be read back`));
    }, READ_TIMEOUT_MS);
    const finish = (outcome: () => void): void => {
      clearTimeout(timer);
      outcome();
    };
    consumer
      .run({
        eachMessage: async ({ message }) => {
          values.push(String(message.value));
          nextOffset = BigInt(message.offset) + 1n;
          if (values.length === count) finish(resolve);
        },
      })
      .catch((error: unknown) => finish(() => reject(error)));
  });
  await consumer.disconnect();
  return { values, nextOffset };
}
