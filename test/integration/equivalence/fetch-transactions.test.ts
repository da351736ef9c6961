/**
 * What a broker says of transactions when it is fetched from: records of all, markers, the last
 * stable offset and the aborted ones, from every offset and with every limit.
 */
import { hash } from 'node:crypto';
import { Kafka, logLevel, type Producer } from 'kafkajs';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import {
  BATCH_FIELD,
  batchAttributes,
  completeBatches,
  type FetchResponse,
  isControl,
  lastOffset,
  producerId,
} from '../../../kafka/index.ts';
import { logContents } from '../support/log-contents.ts';
import { uniqueName } from '../support/names.ts';
import { MADE_AT } from './batches.ts';
import { RawTopic } from './raw-topic.ts';
import { expectSameOutcome, openWays, type Way, type Ways } from './ways.ts';

const PRODUCERS = 2;
/** Of each producer, one after the other; the last one stays open. */
const ENDS = ['commit', 'abort', 'abort', 'commit', 'open'] as const;
const RECORDS = 5;

let ways: Ways;

beforeAll(async () => {
  ways = await openWays(14);
});

afterAll(() => ways.stop());

/** Transactions of two producers, one within the other. @returns the producers, to be closed */
async function produceTransactions(way: Way, raw: RawTopic): Promise<Producer[]> {
  const topic = raw.name;
  const kafka = new Kafka({ brokers: [way.bootstrap], logLevel: logLevel.NOTHING });
  const producers = Array.from({ length: PRODUCERS }, (_, index) =>
    kafka.producer({ transactionalId: uniqueName(`t${index}`), maxInFlightRequests: 1 }),
  );
  for (const producer of producers) await producer.connect();
  for (const end of ENDS) {
    const transactions = [];
    for (const producer of producers) transactions.push(await producer.transaction());
    for (let round = 0; round < 2; round++) {
      for (const [index, transaction] of transactions.entries()) {
        const messages = Array.from({ length: RECORDS }, (_, record) => ({
          value: `${end} ${index} ${round} ${record} ${'.'.repeat(200)}`,
          timestamp: String(MADE_AT),
        }));
        await transaction.send({ topic, messages });
      }
    }
    if (end === 'open') return producers;
    for (const transaction of transactions) {
      const { length } = await raw.batches();
      await transaction[end]();
      // The coordinator answers before the marker is written, and markers may overtake each other.
      await expect.poll(async () => (await raw.batches()).length).toBe(length + 1);
    }
  }
  return producers;
}

type Answer = FetchResponse['responses'][number]['partitions'][number];

/** What a client sees, with producers numbered by their first batch, and without markers' times. */
function outcomeOf(answer: Answer, numbers: Map<bigint, number>): unknown {
  const batches = [...completeBatches(answer.records ?? Buffer.alloc(0))];
  const end = batches.map((batch) => lastOffset(batch)).at(-1) ?? -1n;
  return {
    highWatermark: answer.highWatermark,
    lastStableOffset: answer.lastStableOffset,
    // A broker may tell of more than it gives records of, according to how they lie in its log.
    aborted: answer.abortedTransactions
      ?.filter(({ firstOffset }) => firstOffset <= end)
      .map((one) => `${numbers.get(one.producerId)} from ${one.firstOffset}`)
      .sort(),
    batches: batches.map((batch) => [numbers.get(producerId(batch)), hash('sha256', bare(batch))]),
  };
}

/** Without the producer's id, its checksum, and the time of a marker. */
function bare(batch: Buffer): Buffer {
  const { crc, attributes, baseTimestamp, producerId: id, producerEpoch } = BATCH_FIELD;
  const copy = Buffer.from(batch);
  copy.fill(0, crc, attributes);
  copy.fill(0, id, producerEpoch);
  if (isControl(batchAttributes(batch))) copy.fill(0, baseTimestamp, id);
  return copy;
}

test('records, markers and aborted transactions are the same from every offset', async () => {
  await expectSameOutcome(ways, async (way) => {
    const topic = await RawTopic.create(way, 'transactions');
    const producers = await produceTransactions(way, topic);
    const { placeholders } = await logContents(inject('kafka').bootstrap, topic.name);
    expect(placeholders > 0).toBe(way.isDiskless);
    const numbers = new Map<bigint, number>();
    for (const batch of await topic.batches()) {
      const id = producerId(batch);
      if (!numbers.has(id)) numbers.set(id, numbers.size);
    }
    const outcomes: unknown[] = [];
    const { highWatermark } = await topic.fetch(0n);
    for (let offset = 0n; offset <= highWatermark; offset += 1n) {
      for (const readCommitted of [true, false]) {
        for (const maxBytes of [1, 3_000, 1_000_000]) {
          const answer = await topic.fetch(offset, { readCommitted, maxBytes });
          outcomes.push([offset, readCommitted, maxBytes, outcomeOf(answer, numbers)]);
        }
      }
    }
    for (const producer of producers) await producer.disconnect();
    await topic.close();
    return outcomes;
  });
});
