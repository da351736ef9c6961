/**
 * Fetch and ListOffsets request by request: every version, every limit, every offset and every
 * timestamp is answered with the same batches and offsets on the three ways.
 */
import { hash } from 'node:crypto';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import {
  baseOffset,
  buildRecordBatch,
  CODEC,
  completeBatches,
  type FetchResponse,
  kafkaErrorName,
  maxTimestamp,
} from '../../../kafka/index.ts';
import { logContents } from '../support/log-contents.ts';
import { goodBatch, MADE_AT } from './batches.ts';
import { type FetchOptions, RawTopic } from './raw-topic.ts';
import { expectSameOutcome, openWays, type Way, type Ways } from './ways.ts';

const BATCHES = 12;
const RECORDS_PER_BATCH = 3n;
const VERSIONS = Array.from({ length: 15 }, (_, index) => index + 4);
const CODECS = Object.values(CODEC);

let ways: Ways;

beforeAll(async () => {
  ways = await openWays(2);
});

afterAll(() => ways.stop());

/** Batches of all codecs, each a second later than the one before, records 10 ms apart. */
const SOME_BATCHES = Array.from({ length: BATCHES }, (_, index) => {
  const baseTimestamp = MADE_AT - 60_000n + BigInt(index) * 1_000n;
  return goodBatch({ baseTimestamp, codec: CODECS[index % CODECS.length] ?? CODEC.none });
});

async function filledTopic(way: Way, configs?: Readonly<Record<string, string>>) {
  const topic = await RawTopic.create(way, 'fetch', configs);
  for (const batch of SOME_BATCHES) {
    const { errorCode } = await topic.produce(batch);
    expect(kafkaErrorName(errorCode)).toBe('NONE');
  }
  const { placeholders } = await logContents(inject('kafka').bootstrap, topic.name);
  expect(placeholders).toBe(way.isDiskless ? BATCHES : 0);
  return topic;
}

type Answer = FetchResponse['responses'][number]['partitions'][number];

function outcomeOf(answer: Answer): unknown {
  const { errorCode, highWatermark, lastStableOffset, logStartOffset, records } = answer;
  const batches = records === null ? [] : [...completeBatches(records)];
  return {
    error: kafkaErrorName(errorCode),
    highWatermark,
    lastStableOffset,
    logStartOffset,
    aborted: answer.abortedTransactions,
    batches: batches.map((batch) => hash('sha256', batch)),
  };
}

test('every version from every offset gives the same batches', async () => {
  await expectSameOutcome(ways, async (way) => {
    const topic = await filledTopic(way);
    const outcomes: unknown[] = [];
    const end = BigInt(BATCHES) * RECORDS_PER_BATCH;
    for (const [index, version] of VERSIONS.entries()) {
      for (const offset of [0n, BigInt(index), 17n, end - 1n, end, end + 1n, -1n]) {
        for (const readCommitted of [true, false]) {
          const answer = await topic.fetch(offset, { version, readCommitted });
          outcomes.push([version, offset, outcomeOf(answer)]);
        }
      }
    }
    await topic.close();
    return outcomes;
  });
});

test.for<FetchOptions>([
  { maxBytes: 1 },
  { maxBytes: 0 },
  { maxBytes: 1_000 },
  { maxBytes: 4_000 },
  { maxBytes: 9_000 },
  { partitionMaxBytes: 1 },
  { partitionMaxBytes: 5_000 },
  { minBytes: 6_000, maxWaitMs: 60_000 },
])('a log read with %o is the same log, answer by answer', async (options) => {
  await expectSameOutcome(ways, async (way) => {
    const topic = await filledTopic(way);
    const batches = await topic.batches(options);
    const first = outcomeOf(await topic.fetch(0n, options));
    await topic.close();
    return { batches: batches.map((batch) => hash('sha256', batch)), first };
  });
});

test('offsets are found by timestamp to the record', async () => {
  await expectSameOutcome(ways, async (way) => {
    const topic = await filledTopic(way);
    const special = [-1n, -2n, -3n, -4n, -5n, -6n, -7n];
    // Before, at, between and after the records of each batch.
    const times = Array.from({ length: BATCHES }, (_, index) =>
      [-1n, 0n, 5n, 10n, 15n, 20n, 21n].map((after) => {
        return MADE_AT - 60_000n + BigInt(index) * 1_000n + after;
      }),
    ).flat();
    const found: unknown[] = [];
    for (const timestamp of [...special, 0n, ...times, MADE_AT + 10_000_000n]) {
      const { offset, timestamp: at, errorCode } = await topic.listOffset(timestamp);
      found.push([timestamp, kafkaErrorName(errorCode), offset, at]);
    }
    for (const version of [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]) {
      for (const timestamp of [-1n, -2n, MADE_AT - 55_995n]) {
        const { offset, timestamp: at, errorCode } = await topic.listOffset(timestamp, version);
        found.push([version, timestamp, kafkaErrorName(errorCode), offset, at]);
      }
    }
    await topic.close();
    return found;
  });
});

test('timestamps out of order are found as a broker finds them', async () => {
  // As producers send them: the base is the first record's.
  const deltas = [0, 35, -2, 35, 15, -4];
  const batches = [0n, 100n, 50n].map((base) =>
    buildRecordBatch(
      { baseTimestamp: MADE_AT + base },
      deltas.map((timestampDelta) => ({ timestampDelta, value: Buffer.alloc(300, 'v') })),
    ),
  );
  await expectSameOutcome(ways, async (way) => {
    const topic = await RawTopic.create(way, 'unordered');
    for (const batch of batches) {
      expect(await topic.produce(batch)).toMatchObject({ errorCode: 0 });
    }
    const { placeholders } = await logContents(inject('kafka').bootstrap, topic.name);
    expect(placeholders).toBe(way.isDiskless ? batches.length : 0);
    const found: unknown[] = [];
    for (let after = -10n; after < 160n; after += 3n) {
      const { offset, timestamp } = await topic.listOffset(MADE_AT + after);
      found.push([after, offset, timestamp]);
    }
    const largest = await topic.listOffset(-3n);
    found.push(largest.offset, largest.timestamp);
    await topic.close();
    return found;
  });
});

test('append time is the broker’s, in every codec', async () => {
  await expectSameOutcome(ways, async (way) => {
    const topic = await filledTopic(way, { 'message.timestamp.type': 'LogAppendTime' });
    const batches = await topic.batches();
    const before = await topic.listOffset(MADE_AT);
    expect(maxTimestamp(batches[0] ?? Buffer.alloc(0))).toBeGreaterThanOrEqual(MADE_AT);
    await topic.close();
    return {
      batches: batches.map((batch) => [
        baseOffset(batch),
        hash('sha256', Buffer.concat([batch.subarray(21, 35), batch.subarray(43)])),
      ]),
      before: before.offset,
    };
  });
});
