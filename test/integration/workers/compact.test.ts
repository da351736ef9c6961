/**
 * Compaction beside the broker's own: the same input on a classic topic, which the broker's log
 * cleaner compacts, and on a diskless one, which workers compact, ends in the same values.
 */
import { hash } from 'node:crypto';
import { Kafka as KafkaJs, CompressionTypes, logLevel, type Producer } from 'kafkajs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runDir } from '../../../docker/local/cache.ts';
import { type Kafka, startKafka } from '../../../docker/local/kafka.ts';
import { apis, buildRecordBatch, CODEC, lastOffset, recordCount } from '../../../kafka/index.ts';
import type { Proxy } from '../../../proxy/index.ts';
import { createCompactJob } from '../../../workers/compact/compact-job.ts';
import { createConsolidateJob } from '../../../workers/consolidate/consolidate-job.ts';
import { createMergeJob } from '../../../workers/merge/merge-job.ts';
import { createTrimJob } from '../../../workers/trim/trim-job.ts';
import { latest, readCommitted } from '../../unit/workers/compact/keyed-log.ts';
import type { ReadRecord } from '../../unit/workers/compact/keyed-log.ts';
import { RawTopic } from '../equivalence/raw-topic.ts';
import { connect, type Way } from '../equivalence/ways.ts';
import { eventually } from '../support/eventually.ts';
import { JobSite } from '../support/job-site.ts';
import { logContents } from '../support/log-contents.ts';
import { uniqueName } from '../support/names.ts';
import { startMember } from '../support/start-member.ts';

const KEYS = 7;
const ROUNDS = 4;
const SEGMENT_BYTES = 64 * 1024 * 1024;
/** Of topics, classic and diskless alike: everything is compacted at once. */
const COMPACTED = {
  'cleanup.policy': 'compact',
  'segment.ms': '50',
  'min.cleanable.dirty.ratio': '0.001',
  'delete.retention.ms': '0',
};

let kafka: Kafka;
let member: Proxy;
let site: JobSite;
let direct: Way;
let diskless: Way;

const MERGE = createMergeJob({ intervalMs: 1_000, fileBytes: 16 * 1024 * 1024 });
const CONSOLIDATE = createConsolidateJob({
  intervalMs: 1_000,
  segmentBytesMax: SEGMENT_BYTES,
  backfillBytesPerSecond: null,
});
const TRIM = createTrimJob({ intervalMs: 1_000, keepMs: 0 });
const COMPACT = createCompactJob({ intervalMs: 1_000, mapBytes: 1024 * 1024 });

beforeAll(async () => {
  kafka = await startKafka({
    configs: { 'log.cleaner.backoff.ms': 100, 'log.cleaner.dedupe.buffer.size': 2_097_152 },
  });
  const root = await runDir('store');
  member = await startMember({
    'kafka.bootstrap.servers': kafka.bootstrap,
    'store.url': `file://${root}`,
    'wal.min.bytes': 0,
  });
  site = await JobSite.open(kafka.bootstrap, root);
  direct = { name: 'direct', bootstrap: kafka.bootstrap, isDiskless: false };
  diskless = { name: 'diskless', bootstrap: member.bootstrap, isDiskless: true };
});

afterAll(async () => {
  await site.close();
  await member.stop();
  await kafka.stop();
});

/** Not to be compressed much: a batch that is small stays real. */
const value = (what: string): string =>
  `${what} ${[1, 2, 3, 4].map((part) => hash('sha512', `${what} ${part}`)).join('')}`;

/** Plain batches in every codec, tombstones among them. */
async function producePlain(topic: RawTopic, round: number): Promise<void> {
  for (const codec of Object.values(CODEC)) {
    const records = Array.from({ length: KEYS }, (_, key) => ({
      key: Buffer.from(`plain-${key}`),
      value:
        (key + round + codec) % 4 === 0 ? null : Buffer.from(value(`${round} ${codec} ${key}`)),
    }));
    const batch = buildRecordBatch({ codec, baseTimestamp: BigInt(Date.now()) }, records);
    expect((await topic.produce(batch)).errorCode).toBe(0);
  }
}

/** Transactions of several producers one within the other, every other one aborted. */
async function produceTransactions(
  topic: RawTopic,
  producers: readonly Producer[],
  round: number,
): Promise<void> {
  const open = [];
  for (const producer of producers) open.push(await producer.transaction());
  for (const [index, transaction] of open.entries()) {
    const messages = Array.from({ length: KEYS }, (_, key) => ({
      key: `txn-${key}`,
      value: (key + round + index) % 5 === 0 ? null : value(`${round} ${index} ${key}`),
    }));
    await transaction.send({ topic: topic.name, compression: CompressionTypes.GZIP, messages });
  }
  for (const [index, transaction] of open.entries()) {
    const { highWatermark } = await topic.fetch(0n);
    await ((index + round) % 2 === 0 ? transaction.commit() : transaction.abort());
    // Of two markers the second may be first otherwise.
    await eventually(async () => (await topic.fetch(0n)).highWatermark).toBe(highWatermark + 1n);
  }
}

/** A record whose key no other has, so that segments roll. */
async function produceFiller(topic: RawTopic, name: string): Promise<void> {
  const records = [{ key: Buffer.from(name), value: Buffer.from(value(name)) }];
  const batch = buildRecordBatch({ baseTimestamp: BigInt(Date.now()) }, records);
  expect((await topic.produce(batch)).errorCode).toBe(0);
}

function valuesOf(batches: readonly Buffer[]): Map<string, string> {
  const values = latest(readCommitted(batches));
  for (const key of values.keys()) if (key.startsWith('filler')) values.delete(key);
  return values;
}

function duplicates(batches: readonly Buffer[]): number {
  const keys = readCommitted(batches).map(({ key }) => key);
  return keys.length - new Set(keys).size;
}

async function play(way: Way): Promise<{ topic: RawTopic; before: ReadRecord[]; end: bigint }> {
  const topic = await RawTopic.create(way, 'compact', COMPACTED);
  const client = new KafkaJs({ brokers: [way.bootstrap], logLevel: logLevel.NOTHING });
  const producers = Array.from({ length: 3 }, () =>
    client.producer({ transactionalId: uniqueName('compact'), maxInFlightRequests: 1 }),
  );
  for (const producer of producers) await producer.connect();
  const before: ReadRecord[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    await producePlain(topic, round);
    await produceTransactions(topic, producers, round);
  }
  before.push(...readCommitted(await topic.batches()));
  for (const producer of producers) await producer.disconnect();
  const { highWatermark } = await topic.fetch(0n);
  return { topic, before, end: highWatermark };
}

test('the same input ends in the same values as with the broker’s own cleaner', async () => {
  const classic = await play(direct);
  let fillers = 0;
  await eventually(async () => {
    await produceFiller(classic.topic, `filler ${fillers++}`);
    return duplicates(await classic.topic.batches());
  }).toBe(0);
  const expected = valuesOf(await classic.topic.batches());
  expect(expected.size).toBeGreaterThan(KEYS);

  const { topic, before, end } = await play(diskless);
  const { topicId } = topic;
  const log = await logContents(kafka.bootstrap, topic.name);
  expect(log.placeholders).toBeGreaterThan(ROUNDS * 5);
  await eventually(async () => {
    await site.run(MERGE, CONSOLIDATE, COMPACT);
    return site.partition(topicId)?.cleanedTo ?? -1n;
  }).toBe(end);

  const stored = await site.stored(topicId);
  expect(valuesOf(stored)).toEqual(expected);
  expect(duplicates(stored)).toBe(0);
  // Offsets are those that the records had, and all are covered.
  const offered = new Map(before.map((record) => [record.offset, record]));
  for (const record of readCommitted(stored)) {
    expect({ ...offered.get(record.offset), timestamp: 0n }).toEqual({ ...record, timestamp: 0n });
  }
  const { segments = [] } = site.partition(topicId) ?? {};
  expect([segments[0]?.startOffset, segments.at(-1)?.endOffset]).toEqual([0n, end]);
  const last = stored.at(-1);
  expect(last === undefined ? -1n : lastOffset(last)).toBe(end - 1n);
  expect(stored.map((batch) => recordCount(batch)).reduce((a, b) => a + b)).toBeLessThan(
    before.length,
  );
  // Consumers find the same, whatever they are served from: placeholders, then segments.
  expect(valuesOf(await topic.batches())).toEqual(expected);
  // Trims stay below the last stable offset.
  await produceFiller(topic, 'filler');
  await site.run(MERGE, TRIM);
  expect((await logContents(kafka.bootstrap, topic.name)).placeholders).toBeLessThan(
    log.placeholders,
  );
  // The first answer after a trim may be empty.
  await eventually(async () => (await topic.fetch(0n)).records?.length ?? 0).toBeGreaterThan(0);
  const trimmed = await topic.batches();
  expect(valuesOf(trimmed)).toEqual(expected);
  expect(readCommitted(trimmed).slice(0, -1)).toEqual(readCommitted(stored));
  await classic.topic.close();
  await topic.close();
});

test('a broker that compacts the placeholders by mistake harms nothing', async () => {
  const topic = await RawTopic.create(diskless, 'mistake', {
    ...COMPACTED,
    'cleanup.policy': 'delete',
  });
  for (let round = 0; round < ROUNDS; round++) await producePlain(topic, round);
  const { highWatermark: end } = await topic.fetch(0n);
  await eventually(async () => {
    await site.run(MERGE, CONSOLIDATE);
    return site.partition(topic.topicId)?.cursor ?? -1n;
  }).toBe(end);
  // What is not merged, too.
  for (let round = 0; round < ROUNDS; round++) await producePlain(topic, round);
  const before = readCommitted(await topic.batches());

  const atBroker = await RawTopic.create(direct, 'scratch');
  const inBroker = atBroker.named(topic.name, topic.topicId);
  // Hollow ones, of which the broker's cleaner leaves the last of each key.
  const records = async (): Promise<number> =>
    (await inBroker.batches()).map((batch) => recordCount(batch)).reduce((a, b) => a + b);
  const recordsBefore = await records();
  await alterAtBroker(topic.name, { 'cleanup.policy': 'compact' });
  let fillers = 0;
  await eventually(async () => {
    await produceFiller(topic, `filler ${fillers++}`);
    return (await records()) - fillers < recordsBefore;
  }).toBe(true);
  const read = readCommitted(await topic.batches());
  expect(read.slice(0, before.length)).toEqual(before);
  // And so do workers, of what they had not merged.
  const { highWatermark } = await topic.fetch(0n);
  await eventually(async () => {
    await site.run(MERGE);
    return site.partition(topic.topicId)?.cursor ?? -1n;
  }).toBe(highWatermark);
  expect(readCommitted(await site.stored(topic.topicId))).toEqual(read);
  await atBroker.close();
  await topic.close();
});

async function alterAtBroker(name: string, configs: Record<string, string>): Promise<void> {
  const connection = await connect(direct);
  try {
    const { responses } = await connection.request(apis.IncrementalAlterConfigs, {
      resources: [
        {
          resourceType: 2,
          resourceName: name,
          configs: Object.entries(configs).map(([key, to]) => ({
            name: key,
            configOperation: 0,
            value: to,
          })),
        },
      ],
      validateOnly: false,
    });
    expect(responses[0]?.errorCode).toBe(0);
  } finally {
    await connection.close();
  }
}
