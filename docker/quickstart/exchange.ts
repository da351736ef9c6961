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
  readonly records: number;
  /** Of the values that were produced, and read back alike. */
  readonly bytes: number;
  /** One past the last offset that the consumer saw. */
  readonly nextOffset: bigint;
}

/**
 * Creates the topics, produces to each, consumes each from its beginning, and compares.
 * @param bootstrap HOST:PORT
 * @throws when a topic does not hold what was produced, in order
 */
export async function exchange(
  bootstrap: string,
  topics: readonly TopicToUse[],
): Promise<TopicCounts[]> {
  const kafka = new kafkajs.Kafka({
    clientId: 'quickstart',
    brokers: [bootstrap],
    // A fresh broker is still electing the coordinators of groups, which kafkajs calls errors.
    logLevel: kafkajs.logLevel.NOTHING,
  });
  await createTopics(kafka, topics);
  const counts: TopicCounts[] = [];
  for (const topic of topics) {
    const produced = await produce(kafka, topic.name);
    const { values, nextOffset } = await consume(kafka, topic.name, produced.length);
    assert.deepEqual(values, produced, `${topic.name} does not hold what was produced`);
    const bytes = values.reduce((sum, value) => sum + value.length, 0);
    counts.push({ ...topic, records: values.length, bytes, nextOffset });
  }
  return counts;
}

async function createTopics(kafka: kafkajs.Kafka, topics: readonly TopicToUse[]): Promise<void> {
  const admin = kafka.admin();
  await admin.connect();
  await admin.createTopics({
    topics: topics.map(({ name, isDiskless }) => ({
      topic: name,
      numPartitions: 1,
      configEntries: isDiskless ? [{ name: 'diskless.enable', value: 'true' }] : [],
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
  const consumer = kafka.consumer({ groupId: `quickstart-${topic}` });
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
