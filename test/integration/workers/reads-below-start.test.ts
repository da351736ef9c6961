/**
 * Consumers do not notice what workers do with a log: merged, its WAL files deleted, consolidated,
 * trimmed, it is read from any offset as before, by every client, committed records only if asked.
 */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Kafka as KafkaJs, logLevel } from 'kafkajs';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { runDir } from '../../../docker/local/cache.ts';
import { kafkaLibs } from '../../../docker/local/kafka-jars.ts';
import { kafkaTool } from '../../../docker/local/kafka-tools.ts';
import { apis, buildRecordBatch, KafkaErrorCode, lastOffset } from '../../../kafka/index.ts';
import type { BrokerConnection } from '../../../kafka/index.ts';
import type { Proxy } from '../../../proxy/index.ts';
import { createConsolidateJob } from '../../../workers/consolidate/consolidate-job.ts';
import { createMergeJob } from '../../../workers/merge/merge-job.ts';
import { createRetainJob } from '../../../workers/retain/retain-job.ts';
import { createTrimJob } from '../../../workers/trim/trim-job.ts';
import { RawTopic } from '../equivalence/raw-topic.ts';
import { connect, type Way } from '../equivalence/ways.ts';
import { RawProducer } from '../segments-producer.ts';
import { eventually } from '../support/eventually.ts';
import { JobSite } from '../support/job-site.ts';
import { kcatConsume } from '../support/kcat.ts';
import { uniqueName } from '../support/names.ts';
import { startMember } from '../support/start-member.ts';

const MEBIBYTE = 1024 * 1024;
const MERGE = createMergeJob({ intervalMs: 1_000, fileBytes: 4 * MEBIBYTE });
const CONSOLIDATE = createConsolidateJob({
  intervalMs: 1_000,
  segmentBytesMax: 64 * MEBIBYTE,
  backfillBytesPerSecond: null,
});
const TRIM = createTrimJob({ intervalMs: 1_000, keepMs: 0 });
const RETAIN = createRetainJob({ intervalMs: 1_000, livePercentMin: 30, rewriteMs: 3_600_000 });
const SEGMENT_BYTES = MEBIBYTE;
const EARLIEST = -2n;
const MAX_TIMESTAMP = -3n;
const EARLIEST_LOCAL = -4n;
const VALUE_BYTES = 40_000;
const BASE_MS = Date.now() - 3_600_000;

let root = '';
let writer: Proxy;
let site: JobSite;
let direct: Way;
let connection: BrokerConnection;

beforeAll(async () => {
  const { bootstrap } = inject('kafka');
  root = await runDir('store');
  writer = await startMember(configsOf(0));
  site = await JobSite.open(bootstrap, root);
  direct = { name: 'direct', bootstrap, isDiskless: false };
  connection = await connect({ ...direct, bootstrap: writer.bootstrap });
});

afterAll(async () => {
  await connection.close();
  await site.close();
  await writer.stop();
});

function configsOf(member: number): Record<string, string | number> {
  return {
    'kafka.bootstrap.servers': inject('kafka').bootstrap,
    'store.url': `file://${root}`,
    'wal.min.bytes': 0,
    'member.id': member,
  };
}

/** A member that has nothing in memory. */
async function freshMember(): Promise<{ member: Proxy; way: Way }> {
  const member = await startMember(configsOf(1));
  return { member, way: { name: 'diskless', bootstrap: member.bootstrap, isDiskless: true } };
}

interface Log {
  /** By way of the member that wrote it. */
  readonly topic: RawTopic;
  readonly batches: readonly Buffer[];
  /** Timestamps of records, and the offsets that belong to them. */
  readonly timestamps: ReadonlyMap<bigint, bigint>;
}

let recordMs = BASE_MS;

async function producePlain(topic: RawTopic, count: number): Promise<void> {
  for (let index = 0; index < count; index++) {
    recordMs += 10;
    const value = Buffer.alloc(VALUE_BYTES, `${recordMs} `);
    const records = [{ value }, { value: Buffer.from('second'), timestampDelta: 5 }];
    const batch = buildRecordBatch({ baseTimestamp: BigInt(recordMs) }, records);
    expect((await topic.produce(batch)).errorCode).toBe(0);
  }
}

/** Plain and transactional batches, committed and aborted, two transactions at a time. */
async function fill(topic: RawTopic, rounds: number): Promise<void> {
  const target = { name: topic.name, topicId: topic.topicId };
  const producers = [1, 2].map(() => {
    return new RawProducer(connection, uniqueName('below'), target, false);
  });
  for (const producer of producers) await producer.begin();
  for (let round = 0; round < rounds; round++) {
    await producePlain(topic, 2);
    for (const producer of producers) await producer.send(VALUE_BYTES, (recordMs += 10));
    await producePlain(topic, 1);
    await producers[0]?.end(round % 3 === 0);
    await producePlain(topic, 1);
    await producers[1]?.end(round % 2 === 0);
  }
  await producePlain(topic, 2);
}

async function logOf(rounds: number): Promise<Log> {
  const way: Way = { name: 'diskless', bootstrap: writer.bootstrap, isDiskless: true };
  const configs = { 'segment.bytes': String(SEGMENT_BYTES) };
  const topic = await RawTopic.create(way, 'below', configs);
  await fill(topic, rounds);
  await eventually(async () => {
    const { lastStableOffset, highWatermark } = await topic.fetch(0n, { readCommitted: true });
    return highWatermark - lastStableOffset;
  }).toBe(0n);
  const batches = await topic.batches();
  const timestamps = new Map<bigint, bigint>();
  for (let at = BASE_MS; at <= recordMs + 20; at += 95) {
    timestamps.set(BigInt(at), (await topic.listOffset(BigInt(at))).offset);
  }
  return { topic, batches, timestamps };
}

/** @returns where the broker's own log begins */
async function brokerStart({ name, topicId }: RawTopic): Promise<bigint> {
  const helper = await RawTopic.create(direct, 'below-helper');
  try {
    return (await helper.named(name, topicId).listOffset(EARLIEST)).offset;
  } finally {
    await helper.close();
  }
}

/** @returns the same topic by way of another member */
async function topicBy(way: Way, { name, topicId }: RawTopic): Promise<RawTopic> {
  const helper = await RawTopic.create(way, 'below-helper');
  return helper.named(name, topicId);
}

/** @returns the values that applications of three makes get, committed ones only */
async function committedValues(bootstrap: string, topic: string, count: number) {
  const libs = await kafkaLibs(inject('kafka').version);
  const isolation = { 'isolation.level': 'read_committed' };
  const java = await kafkaTool(
    libs,
    'kafka-console-consumer',
    `--bootstrap-server ${bootstrap} --topic ${topic} --from-beginning --isolation-level
      read_committed --timeout-ms 15000 --max-messages ${count}`.split(/\s+/),
    { timeoutMs: 60_000 },
  );
  return {
    java: java.stdout.split('\n').slice(0, -1),
    kcat: await kcatConsume(bootstrap, topic, isolation),
    kafkajs: await kafkaJsValues(bootstrap, topic, count),
  };
}

async function kafkaJsValues(bootstrap: string, topic: string, count: number): Promise<string[]> {
  const client = new KafkaJs({ brokers: [bootstrap], logLevel: logLevel.NOTHING });
  const consumer = client.consumer({
    groupId: uniqueName('below'),
    readUncommitted: false,
    retry: { retries: 20 },
  });
  const values: string[] = [];
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  await consumer.run({
    eachMessage: async ({ message }) => {
      values.push(String(message.value));
    },
  });
  await eventually(async () => values.length).toBe(count);
  await consumer.disconnect();
  return values;
}

test('a merged log is read without its WAL files', async () => {
  const { topic, batches } = await logOf(3);
  await site.run(MERGE);
  await rm(join(root, 'wal'), { recursive: true });
  const { member, way } = await freshMember();
  const reader = await topicBy(way, topic);
  expect(await reader.batches()).toEqual(batches);
  expect(await reader.batches({ partitionMaxBytes: 1 })).toEqual(batches);
  await reader.close();
  await member.stop();
});

test('a trimmed log is read from anywhere, each record once', async () => {
  const { topic, batches, timestamps } = await logOf(16);
  const largest = await topic.listOffset(MAX_TIMESTAMP);
  await site.run(MERGE, CONSOLIDATE, TRIM);
  const trimmed = await brokerStart(topic);
  expect(trimmed).toBeGreaterThan(30n);
  expect(site.partition(topic.topicId)).toMatchObject({ logicalStart: 0n, trimIntent: trimmed });
  const { member, way } = await freshMember();
  const reader = await topicBy(way, topic);
  expect((await reader.listOffset(EARLIEST)).offset).toBe(0n);
  expect((await reader.listOffset(EARLIEST_LOCAL)).offset).toBe(trimmed);
  expect(await reader.batches()).toEqual(batches);
  expect(await reader.batches({ partitionMaxBytes: 1 })).toEqual(batches);
  expect(await reader.batches({ version: 12, maxBytes: 200_000 })).toEqual(batches);
  for (const [timestamp, offset] of timestamps) {
    expect([timestamp, (await reader.listOffset(timestamp)).offset]).toEqual([timestamp, offset]);
  }
  expect(await reader.listOffset(MAX_TIMESTAMP)).toMatchObject({ offset: largest.offset });
  const fetched = await reader.fetch(0n, { readCommitted: true });
  expect(fetched).toMatchObject({ errorCode: 0, logStartOffset: 0n });
  expect(fetched.highWatermark).toBe(lastOffset(batches.at(-1) ?? Buffer.alloc(0)) + 1n);
  await reader.close();
  await member.stop();
});

test('every client gets the committed records once, across a trim', async () => {
  const { topic } = await logOf(16);
  const expected = await kcatConsume(writer.bootstrap, topic.name, {
    'isolation.level': 'read_committed',
  });
  await site.run(MERGE, CONSOLIDATE, TRIM);
  expect(await brokerStart(topic)).toBeGreaterThan(30n);
  const { member } = await freshMember();
  const count = expected.length;
  const values = await committedValues(member.bootstrap, topic.name, count);
  for (const [client, got] of Object.entries(values)) {
    expect([client, got.length, got.every((value, index) => value === expected[index])]).toEqual([
      client,
      count,
      true,
    ]);
  }
  await member.stop();
}, 180_000);

test('a user deletes below the log start of the broker', async () => {
  const { topic, batches } = await logOf(16);
  await site.run(MERGE, CONSOLIDATE, TRIM);
  const { member, way } = await freshMember();
  const reader = await topicBy(way, topic);
  const control = await connect(way);
  const middle = lastOffset(batches[10] ?? Buffer.alloc(0)) + 1n;
  const deleted = await control.request(apis.DeleteRecords, {
    timeoutMs: 10_000,
    topics: [{ name: topic.name, partitions: [{ partitionIndex: 0, offset: middle }] }],
  });
  const [answered] = deleted.topics[0]?.partitions ?? [];
  expect(answered).toMatchObject({ errorCode: 0, lowWatermark: middle });
  expect((await reader.listOffset(EARLIEST)).offset).toBe(middle);
  expect((await reader.fetch(middle - 1n)).errorCode).toBe(KafkaErrorCode.OFFSET_OUT_OF_RANGE);
  expect(await reader.fetch(middle)).toMatchObject({ errorCode: 0, logStartOffset: middle });
  await site.run(RETAIN);
  expect(site.partition(topic.topicId)?.logicalStart).toBe(middle);
  await control.close();
  await reader.close();
  await member.stop();
});
