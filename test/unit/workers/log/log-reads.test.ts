import { expect, test } from 'vitest';
import {
  apis,
  BATCH_FIELD,
  baseOffset,
  buildRecordBatch,
  KafkaErrorCode,
} from '../../../../kafka/index.ts';
import type { MessageOf } from '../../../../kafka/index.ts';
import { LogReads, type AskFetch } from '../../../../workers/log/log-reads.ts';
import type { ReadRequest } from '../../../../workers/log/cluster-log.ts';

const { request, response } = apis.Fetch;
type Asked = MessageOf<typeof request>;
type Partition = Asked['topics'][number]['partitions'][number];
/** By name, and by id. */
const VERSIONS = [12, 13] as const;
const BATCH_BYTES = batchAt(0n, 1_000).length;
const WINDOW = 16 * 1024;

test.each(VERSIONS)('reads of one moment go to each broker in one Fetch (v%i)', async (version) => {
  const broker = new Broker(version);
  const reads = new LogReads(broker.ask);
  const outcomes = await Promise.all([
    reads.read(readOf(1, 'a', 0, 10n)),
    reads.read(readOf(1, 'b', 3, 20n)),
    reads.read(readOf(1, 'a', 1, 30n)),
    reads.read(readOf(2, 'a', 2, 40n)),
  ]);
  expect(outcomes.map((outcome) => offsetsOf(outcome))).toEqual([[10n], [20n], [30n], [40n]]);
  expect(broker.asked.map(({ brokerId, partitions }) => [brokerId, partitions])).toEqual([
    [1, 3],
    [2, 1],
  ]);
});

test('a partition whose batch did not fit beside others is read on its own', async () => {
  const broker = new Broker(13);
  broker.batchBytes = 40_000;
  const reads = new LogReads(broker.ask);
  const outcomes = await Promise.all([
    reads.read(readOf(1, 'a', 0, 10n)),
    reads.read(readOf(1, 'a', 1, 20n)),
    reads.read(readOf(1, 'a', 2, 30n)),
  ]);
  expect(outcomes.map((outcome) => offsetsOf(outcome))).toEqual([[10n], [20n], [30n]]);
  expect(broker.asked.map(({ partitions }) => partitions)).toEqual([3, 1, 1]);
});

test('one partition is in a Fetch once, and a Fetch is bounded', async () => {
  const broker = new Broker(13);
  const reads = new LogReads(broker.ask);
  await Promise.all([reads.read(readOf(1, 'a', 0, 10n)), reads.read(readOf(1, 'a', 0, 20n))]);
  expect(broker.asked.map(({ partitions }) => partitions)).toEqual([1, 1]);
  broker.asked.length = 0;
  await Promise.all(
    Array.from({ length: 300 }, async (_, index) => reads.read(readOf(1, 'a', index, 0n))),
  );
  expect(broker.asked.map(({ partitions }) => partitions)).toEqual([128, 128, 44]);
});

test('what concerns one partition is nothing to the others', async () => {
  const broker = new Broker(13);
  broker.errors.set(1, KafkaErrorCode.OFFSET_OUT_OF_RANGE);
  broker.errors.set(2, KafkaErrorCode.FENCED_LEADER_EPOCH);
  broker.errors.set(3, KafkaErrorCode.TOPIC_AUTHORIZATION_FAILED);
  const reads = new LogReads(broker.ask);
  const outcomes = await Promise.allSettled(
    [0, 1, 2, 3].map(async (partition) => reads.read(readOf(1, 'a', partition, 10n))),
  );
  expect(outcomes).toMatchObject([
    { value: { kind: 'read' } },
    { value: { kind: 'out-of-range' } },
    { value: { kind: 'not-leader' } },
    { reason: { code: 'WORKER_LOG_DENIED' } },
  ]);
});

test('a broker that cannot be reached leads nothing, and what it throws all are told', async () => {
  const away = new LogReads(async () => undefined);
  const [first, second] = await Promise.all([
    away.read(readOf(1, 'a', 0, 10n)),
    away.read(readOf(1, 'a', 1, 10n)),
  ]);
  expect([first, second]).toEqual([{ kind: 'not-leader' }, { kind: 'not-leader' }]);
  const failing = new LogReads(async () => {
    throw new Error('refused');
  });
  const outcomes = await Promise.allSettled([
    failing.read(readOf(1, 'a', 0, 10n)),
    failing.read(readOf(1, 'a', 1, 10n)),
  ]);
  expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
});

/** Has a batch at every offset; only the first partition of a Fetch may exceed its limit. */
class Broker {
  readonly asked: { brokerId: number; partitions: number }[] = [];
  readonly errors = new Map<number, number>();
  batchBytes = BATCH_BYTES;
  readonly #version: number;

  constructor(version: number) {
    this.#version = version;
  }

  readonly ask: AskFetch = async (brokerId, body) => {
    const sent = Buffer.concat(request.encode(body, this.#version));
    const { topics } = request.decode(sent, this.#version);
    const partitions = topics.flatMap((topic) => topic.partitions);
    this.asked.push({ brokerId, partitions: partitions.length });
    let isFirst = true;
    const answer = (partition: Partition) => {
      const { fetchOffset, partitionMaxBytes } = partition;
      const errorCode = this.errors.get(partition.partition) ?? 0;
      const fits = isFirst || this.batchBytes <= partitionMaxBytes;
      isFirst = false;
      const records = errorCode === 0 && fits ? batchAt(fetchOffset, this.batchBytes) : null;
      const highWatermark = fetchOffset + 1n;
      return { partitionIndex: partition.partition, errorCode, highWatermark, records };
    };
    const responses = topics.map(({ topic, topicId, partitions: asked }) => {
      return { topic, topicId, partitions: asked.map(answer) };
    });
    const bytes = Buffer.concat(response.encode({ responses }, this.#version));
    return response.decode(bytes, this.#version);
  };
}

function readOf(brokerId: number, topic: string, partition: number, offset: bigint): ReadRequest {
  const topicId = topic.repeat(21).concat('A');
  const leader = { brokerId, topic, topicId, partition, leaderEpoch: 0 };
  return { leader, offset, lastFetchedEpoch: -1, bytesMax: WINDOW };
}

function offsetsOf(outcome: Awaited<ReturnType<LogReads['read']>>): bigint[] {
  return outcome.kind === 'read' ? outcome.batches.map((batch) => baseOffset(batch)) : [];
}

function batchAt(offset: bigint, bytes: number): Buffer {
  const batch = buildRecordBatch({}, [{ value: Buffer.alloc(bytes) }]);
  batch.writeBigInt64BE(offset, BATCH_FIELD.baseOffset);
  return batch;
}
