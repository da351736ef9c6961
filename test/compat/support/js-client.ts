/** kafkajs beside the containers: a client that shares no code with Kafka's own. */
import { Kafka, logLevel, type Message, type Producer, type RecordMetadata } from 'kafkajs';
import type { Place } from './place.ts';

const SENDS = 15;
const RECORD_BYTES = 1_024;
/** Enough for a member to come back. */
const RETRIES = 20;
const READ_TIMEOUT_MS = 120_000;

export class JsClient {
  readonly #kafka: Kafka;

  constructor(bootstrap: string) {
    this.#kafka = new Kafka({
      clientId: 'compat',
      brokers: [bootstrap],
      // A fresh broker is still electing the coordinators of groups, which kafkajs calls errors.
      logLevel: logLevel.NOTHING,
      retry: { retries: RETRIES, maxRetryTime: 2_000 },
    });
  }

  /** Writes that many records, evenly over the partitions. */
  async produce(topic: string, count: number, partitions: number): Promise<Place[]> {
    return this.#producing({}, async (producer) => {
      const written: Place[] = [];
      const perSend = count / SENDS;
      for (let send = 0; send < SENDS; send++) {
        const messages = messagesOf(`js-${send}`, perSend, partitions);
        written.push(...places(messages, await producer.send({ topic, messages })));
      }
      return written;
    });
  }

  /** Two transactions: one that is committed, and one that is aborted. @returns the former */
  async produceTransactions(topic: string, id: string, count: number): Promise<Place[]> {
    const options = { transactionalId: id, maxInFlightRequests: 1, idempotent: true };
    return this.#producing(options, async (producer) => {
      const committed = await producer.transaction();
      const messages = messagesOf('committed', count, 1);
      const written = places(messages, await committed.send({ topic, messages }));
      await committed.commit();
      const aborted = await producer.transaction();
      await aborted.send({ topic, messages: messagesOf('aborted', count, 1) });
      await aborted.abort();
      return written;
    });
  }

  /** Reads a topic from its beginning in a new group, committing as it goes. */
  async read(topic: string, count: number, groupId: string): Promise<Place[]> {
    const consumer = this.#kafka.consumer({ groupId });
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    const found: Place[] = [];
    const whole = new Promise<void>((resolve, reject) => {
      // A coordinator that is still loading makes it start anew.
      consumer.on(consumer.events.CRASH, ({ payload: { error, restart } }) => {
        if (!restart) reject(error);
      });
      const running = consumer.run({
        eachMessage: async ({ partition, message: { offset, value } }) => {
          found.push({ partition, offset: Number(offset), value: String(value) });
          if (found.length >= count) resolve();
        },
      });
      running.catch(reject);
    });
    try {
      await within(
        READ_TIMEOUT_MS,
        whole,
        () => `${found.length} of ${count} of ${topic} were read`,
      );
    } finally {
      // Commits what was handled.
      await consumer.disconnect();
    }
    return found;
  }

  async #producing<T>(
    options: Parameters<Kafka['producer']>[0],
    use: (producer: Producer) => Promise<T>,
  ): Promise<T> {
    const producer = this.#kafka.producer(options);
    await producer.connect();
    try {
      return await use(producer);
    } finally {
      await producer.disconnect();
    }
  }
}

type Addressed = Message & { readonly partition: number; readonly value: string };

function messagesOf(what: string, count: number, partitions: number): Addressed[] {
  return Array.from({ length: count }, (_, index) => ({
    partition: index % partitions,
    value: `${what}-${index}-`.padEnd(RECORD_BYTES, 'x'),
  }));
}

/** What one send was told of its records: those of a partition are next to each other. */
function places(messages: readonly Addressed[], told: readonly RecordMetadata[]): Place[] {
  return told.flatMap(({ partition, baseOffset }) =>
    messages
      .filter((message) => message.partition === partition)
      .map(({ value }, index) => ({ partition, offset: Number(baseOffset) + index, value })),
  );
}

async function within<T>(ms: number, event: Promise<T>, what: () => string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what()} within ${ms / 1000} s`)), ms);
  });
  try {
    return await Promise.race([event, late]);
  } finally {
    clearTimeout(timer);
  }
}
