/**
 * Produce request by request, good and bad: the same answers, and the same bytes afterwards,
 * whether a broker is asked directly, through Outrigger, or through Outrigger on a diskless topic.
 */
import { hash } from 'node:crypto';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import {
  BATCH_FIELD,
  buildRecordBatch,
  CODEC,
  hasCode,
  kafkaErrorName,
  type ProduceResponse,
} from '../../../kafka/index.ts';
import { logContents } from '../support/log-contents.ts';
import {
  alteredBatch,
  batchOfValue,
  compressedBatches,
  damagedBatch,
  goodBatch,
  MADE_AT,
} from './batches.ts';
import { type ProduceOptions, RawTopic } from './raw-topic.ts';
import { expectSameOutcome, openWays, type Way, type Ways } from './ways.ts';

const HOUR_MS = 3_600_000n;
const PRODUCER_ID = 4_000_000n;

let ways: Ways;

beforeAll(async () => {
  ways = await openWays(1);
});

afterAll(() => ways.stop());

interface Case {
  readonly what: string;
  readonly records: Buffer | null;
  readonly options?: ProduceOptions;
}

type Answer = ProduceResponse['responses'][number]['partitionResponses'][number];

/** What a client sees, but for its topic's name and what the clock says. */
function outcomeOf(answer: Answer, topic: string): unknown {
  const { errorCode, baseOffset, logAppendTimeMs, recordErrors } = answer;
  const without = (text: string | null): string | undefined => text?.replaceAll(topic, 'TOPIC');
  return {
    error: kafkaErrorName(errorCode),
    message: without(answer.errorMessage),
    recordErrors: recordErrors.map(({ batchIndex, batchIndexErrorMessage }) => ({
      batchIndex,
      message: without(batchIndexErrorMessage)?.replaceAll(/\d{6,}/g, 'N'),
    })),
    baseOffset,
    hasAppendTime: logAppendTimeMs !== -1n,
  };
}

/** Produces all cases in order to one topic. @returns each answer, and what the topic then holds */
async function produceAll(
  way: Way,
  what: string,
  configs: Readonly<Record<string, string>>,
  cases: readonly Case[],
): Promise<unknown> {
  const topic = await RawTopic.create(way, what, configs);
  const answers: unknown[] = [];
  for (const { what, records, options } of cases) {
    answers.push([what, await outcomeOfProduce(topic, records, options)]);
  }
  const batches = await topic.batches();
  await topic.close();
  const { placeholders } = await logContents(inject('kafka').bootstrap, topic.name);
  if (way.isDiskless) expect(placeholders, 'placeholders in the log').toBeGreaterThan(0);
  else expect(placeholders, 'placeholders in the log').toBe(0);
  return { answers, batches: batches.map((batch) => hash('sha256', batch)) };
}

async function outcomeOfProduce(
  topic: RawTopic,
  records: Buffer | null,
  options: ProduceOptions | undefined,
): Promise<unknown> {
  try {
    return outcomeOf(await topic.produce(records, options), topic.name);
  } catch (error) {
    if (!hasCode(error, 'KAFKA_CONNECTION_LOST')) throw error;
    await topic.reconnect();
    return error.message;
  }
}

const VERSIONS = Array.from({ length: 11 }, (_, index) => index + 3);

test('batches of every codec are taken in every version and read back byte by byte', async () => {
  const cases = VERSIONS.flatMap((version) =>
    compressedBatches().map((records, codec) => ({
      what: `codec ${codec} in version ${version}`,
      records,
      options: { version, acks: version % 2 === 0 ? 1 : -1 },
    })),
  );
  await expectSameOutcome(ways, (way) => produceAll(way, 'codecs', {}, cases));
});

test('batches that a broker refuses are refused with the same error and words', async () => {
  const { magic, length, lastOffsetDelta, recordCount, attributes, baseOffset } = BATCH_FIELD;
  const good = goodBatch();
  const cases: Case[] = [
    { what: 'good', records: good },
    { what: 'a checksum that does not fit', records: damagedBatch() },
    { what: 'an empty records field', records: Buffer.alloc(0) },
    { what: 'two batches', records: Buffer.concat([good, good]) },
    { what: 'a batch and some bytes', records: Buffer.concat([good, Buffer.alloc(20)]) },
    { what: 'a batch cut short', records: good.subarray(0, -10) },
    { what: 'a header cut short', records: good.subarray(0, 40) },
    { what: 'a length that is too small', records: with32(good, length, 10) },
    { what: 'a negative length', records: with32(good, length, -1) },
    { what: 'a count that is too large', records: altered32(recordCount, 4) },
    { what: 'a count that is too small', records: altered32(recordCount, 2) },
    { what: 'no records', records: altered32(recordCount, 0) },
    { what: 'a last offset that does not fit', records: altered32(lastOffsetDelta, 7) },
    { what: 'an offset', records: alteredBatch((batch) => batch.writeBigInt64BE(5n, baseOffset)) },
    { what: 'a control batch', records: goodBatch({ control: true }) },
    { what: 'a codec that does not exist', records: altered16(attributes, 7) },
    { what: 'attributes that do not exist', records: altered16(attributes, 0x100) },
    { what: 'another magic', records: alteredBatch((batch) => batch.writeInt8(3, magic)) },
    { what: 'the format before', records: alteredBatch((batch) => batch.writeInt8(1, magic)) },
    { what: 'append time from a client', records: goodBatch({ logAppendTime: true }) },
    { what: 'offset deltas that jump', records: goodBatch({}, { offsetDelta: 1 }) },
    ...Object.entries(CODEC).map(([name, codec]) => ({
      what: `a body that is no ${name}`,
      records: alteredBatch((batch) => batch.fill(0xaa, 61), { codec }),
    })),
    ...Object.entries(CODEC).map(([name, codec]) => ({
      what: `offset deltas that jump in ${name}`,
      records: goodBatch({ codec }, { offsetDelta: 1 }),
    })),
    { what: 'good again', records: good },
  ];
  await expectSameOutcome(ways, (way) => produceAll(way, 'bad', {}, cases));
});

test('a codec that a version does not know is refused', async () => {
  const records = goodBatch({ codec: CODEC.zstd });
  const cases = VERSIONS.map((version) => ({
    what: `zstd in version ${version}`,
    records,
    options: { version },
  }));
  await expectSameOutcome(ways, (way) => produceAll(way, 'zstd', {}, cases));
});

test('acks, transactional ids and partitions that do not fit are refused', async () => {
  const records = goodBatch();
  const cases: Case[] = [
    { what: 'good', records },
    { what: 'acks 2', records, options: { acks: 2 } },
    { what: 'acks -2', records, options: { acks: -2 } },
    { what: 'no such partition', records, options: { partition: 1 } },
    { what: 'no such partition, older', records, options: { partition: 1, version: 9 } },
    {
      what: 'transactional without a transaction',
      records: goodBatch({
        transactional: true,
        producerId: 1n,
        producerEpoch: 0,
        baseSequence: 0,
      }),
      options: { transactionalId: 'nobody' },
    },
    {
      what: 'transactional without a transactional id',
      records: goodBatch({
        transactional: true,
        producerId: 1n,
        producerEpoch: 0,
        baseSequence: 0,
      }),
    },
    { what: 'a transactional id only', records, options: { transactionalId: 'nobody' } },
  ];
  await expectSameOutcome(ways, (way) => produceAll(way, 'acks', {}, cases));
});

test('sequences are judged alike: in order, again, out of order, fenced', async () => {
  const numbered = (baseSequence: number, producerEpoch = 0, codec: 0 | 1 = 0): Buffer =>
    goodBatch({ producerId: PRODUCER_ID, producerEpoch, baseSequence, codec });
  const cases: Case[] = [
    { what: 'the first', records: numbered(0) },
    { what: 'the second', records: numbered(3) },
    { what: 'the first again', records: numbered(0) },
    { what: 'the second again, compressed', records: numbered(3, 0, 1) },
    { what: 'one that overlaps', records: numbered(2) },
    { what: 'one that leaves a gap', records: numbered(9) },
    { what: 'the third', records: numbered(6) },
    { what: 'a new epoch in the middle', records: numbered(9, 1) },
    { what: 'a new epoch', records: numbered(0, 1) },
    { what: 'the old epoch', records: numbered(9, 0) },
    { what: 'a producer without a sequence', records: numbered(-1, 1) },
  ];
  await expectSameOutcome(ways, (way) => produceAll(way, 'sequences', {}, cases));
});

test('batches are held to max.message.bytes', async () => {
  const sizes = [1_000, 2_900, 2_926, 2_927, 2_928, 2_929, 2_930, 3_000, 100_000];
  const cases = sizes.map((bytes) => ({ what: `${bytes} bytes`, records: batchOfValue(bytes) }));
  await expectSameOutcome(ways, (way) =>
    produceAll(way, 'large', { 'max.message.bytes': '3000' }, cases),
  );
});

test('timestamps are held to the limits of the topic, in the middle of a batch too', async () => {
  const at = (timestampDelta: bigint): Buffer =>
    goodBatch({}, { timestampDelta: Number(timestampDelta) });
  const middle = (timestampDelta: bigint): Buffer =>
    buildRecordBatch(
      { baseTimestamp: MADE_AT },
      [0, Number(timestampDelta), 0].map((delta) => ({
        timestampDelta: delta,
        value: Buffer.alloc(600, 'v'),
      })),
    );
  const cases: Case[] = [
    { what: 'now', records: at(0n) },
    { what: 'two hours ahead', records: at(2n * HOUR_MS) },
    { what: 'two hours ago', records: at(-2n * HOUR_MS) },
    { what: 'five hours ago', records: at(-5n * HOUR_MS) },
    { what: 'one record ahead', records: middle(2n * HOUR_MS) },
    { what: 'one record behind', records: middle(-5n * HOUR_MS) },
    {
      what: 'no timestamps',
      records: goodBatch({ baseTimestamp: -1n, maxTimestamp: -1n }, { timestampDelta: 0 }),
    },
    { what: 'a largest that is too small', records: goodBatch({ maxTimestamp: MADE_AT }) },
    { what: 'a largest that is too large', records: goodBatch({ maxTimestamp: MADE_AT + 99n }) },
  ];
  const configs = {
    'message.timestamp.before.max.ms': String(4n * HOUR_MS),
    'message.timestamp.after.max.ms': String(HOUR_MS),
  };
  await expectSameOutcome(ways, (way) => produceAll(way, 'timestamps', configs, cases));
});

test.for(['compact', 'compact,delete'])('keys are asked for by %s', async (policy) => {
  const cases: Case[] = [
    { what: 'keys', records: goodBatch() },
    { what: 'no keys', records: goodBatch({}, { key: null }) },
    { what: 'empty keys', records: goodBatch({}, { key: Buffer.alloc(0) }) },
    { what: 'tombstones', records: goodBatch({}, { value: null }) },
  ];
  await expectSameOutcome(ways, (way) =>
    produceAll(way, 'compacted', { 'cleanup.policy': policy }, cases),
  );
});

test('a topic that is not there is refused, by name and by id', async () => {
  await expectSameOutcome(ways, async (way) => {
    const topic = await RawTopic.create(way, 'gone');
    const other = topic.named('no-such-topic', '3aXX2ETyRGaZ8XSMmN3LSw');
    const answers: unknown[] = [];
    for (const version of VERSIONS) {
      answers.push(outcomeOf(await other.produce(goodBatch(), { version }), other.name));
    }
    await topic.close();
    return answers;
  });
});

test('without acks an error ends the connection', async () => {
  await expectSameOutcome(ways, async (way) => {
    const topic = await RawTopic.create(way, 'unheard', { 'max.message.bytes': '3000' });
    const outcome = await outcomeOfProduce(topic, batchOfValue(5_000), { acks: 0 });
    await topic.close();
    return outcome;
  });
});

function with32(batch: Buffer, at: number, value: number): Buffer {
  const other = Buffer.from(batch);
  other.writeInt32BE(value, at);
  return other;
}

function altered32(at: number, value: number): Buffer {
  return alteredBatch((batch) => batch.writeInt32BE(value, at));
}

function altered16(at: number, value: number): Buffer {
  return alteredBatch((batch) => batch.writeInt16BE(value, at));
}
