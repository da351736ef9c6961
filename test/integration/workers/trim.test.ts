/**
 * Trimming a real broker: its disk shrinks, what it has lost is in segments, and an open
 * transaction or a topic that is classic again keeps it from deleting.
 */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runDir } from '../../../docker/local/cache.ts';
import { type Kafka, startKafka } from '../../../docker/local/kafka.ts';
import { apis, type BrokerConnection, buildRecordBatch, lastOffset } from '../../../kafka/index.ts';
import type { Proxy } from '../../../proxy/index.ts';
import { createConsolidateJob } from '../../../workers/consolidate/consolidate-job.ts';
import { createMergeJob } from '../../../workers/merge/merge-job.ts';
import { createTrimJob } from '../../../workers/trim/trim-job.ts';
import { RawTopic } from '../equivalence/raw-topic.ts';
import { connect, type Way } from '../equivalence/ways.ts';
import { RawProducer } from '../segments-producer.ts';
import { eventually } from '../support/eventually.ts';
import { JobSite } from '../support/job-site.ts';
import { uniqueName } from '../support/names.ts';
import { startMember } from '../support/start-member.ts';

/** The least that a broker from 4.1 on takes. */
const SEGMENT_BYTES = 1024 * 1024;
const CONFIGS = { 'segment.bytes': String(SEGMENT_BYTES), 'file.delete.delay.ms': '1' };
const VALUE_BYTES = 100_000;
const MERGE = createMergeJob({ intervalMs: 1_000, fileBytes: 4 * 1024 * 1024 });
const CONSOLIDATE = createConsolidateJob({
  intervalMs: 1_000,
  segmentBytesMax: 64 * 1024 * 1024,
  backfillBytesPerSecond: null,
});
const TRIM = createTrimJob({ intervalMs: 1_000, keepMs: 0 });
const EARLIEST = -2n;

let kafka: Kafka;
let member: Proxy;
let site: JobSite;
let direct: Way;
let diskless: Way;

beforeAll(async () => {
  kafka = await startKafka({
    configs: { 'log.retention.check.interval.ms': 100, 'log.initial.task.delay.ms': 100 },
  });
  const root = await runDir('store');
  member = await startMember({
    'kafka.bootstrap.servers': kafka.bootstrap,
    'store.url': `file://${root}`,
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

function plain(index: number): Buffer {
  const value = Buffer.alloc(VALUE_BYTES, index);
  return buildRecordBatch({ baseTimestamp: BigInt(Date.now() - 60_000) }, [{ value }]);
}

interface Topic {
  /** As clients of the member see it. */
  readonly topic: RawTopic;
  /** As the broker has it. */
  readonly log: RawTopic;
  readonly broker: BrokerConnection;
}

/** A diskless topic with real batches, which is what fills disks, and some placeholders. */
async function filledTopic(): Promise<Topic> {
  const topic = await RawTopic.create(diskless, 'trim', CONFIGS);
  const broker = await connect(direct);
  const helper = await RawTopic.create(direct, 'trim-helper');
  const log = helper.named(topic.name, topic.topicId);
  for (let index = 0; index < 40; index++) {
    expect((await log.produce(plain(index))).errorCode).toBe(0);
    if (index % 4 === 0) expect((await topic.produce(plain(100 + index))).errorCode).toBe(0);
  }
  return { topic, log, broker };
}

async function diskBytes(topic: string): Promise<number> {
  const [broker] = kafka.brokers;
  const folder = join(broker?.logDir ?? '', `${topic}-0`);
  const logs = (await readdir(folder)).filter((name) => /\.log(\.deleted)?$/.test(name));
  const sizes = logs.map(async (name) => (await stat(join(folder, name))).size);
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}

test("a trimmed broker's disk shrinks, and segments have what it has lost", async () => {
  const { topic, log, broker } = await filledTopic();
  const all = await topic.batches();
  const before = await diskBytes(topic.name);
  expect(before).toBeGreaterThan(3 * SEGMENT_BYTES);
  await site.run(MERGE, CONSOLIDATE, TRIM);
  const partition = site.partition(topic.topicId);
  const start = (await log.listOffset(EARLIEST)).offset;
  expect(start).toBe(partition?.consolidatedTo);
  expect(start).toBeGreaterThan(20n);
  expect(partition).toMatchObject({ logicalStart: 0n, trimIntent: start });
  await eventually(async () => (await diskBytes(topic.name)) < before / 2).toBe(true);
  const stored = await site.stored(topic.topicId);
  expect(stored).toEqual(all);
  expect(stored.filter((batch) => lastOffset(batch) < start).length).toBeGreaterThan(20);
  // The first fetch tells the member that the log was trimmed.
  expect((await topic.fetch(0n)).errorCode).toBe(0);
  expect(await topic.batches()).toEqual(all);
  const { number } = site.journal.state;
  await site.run(TRIM);
  expect(site.journal.state.number).toBe(number);
  await broker.close();
});

test('an open transaction keeps its records, and the last stable offset, in the broker', async () => {
  const { topic, log, broker } = await filledTopic();
  const target = { name: topic.name, topicId: topic.topicId };
  const producer = new RawProducer(broker, uniqueName('trim'), target, false);
  await producer.begin();
  await producer.send(VALUE_BYTES, Date.now() - 60_000);
  for (let index = 0; index < 40; index++) await log.produce(plain(index));
  await site.run(MERGE, CONSOLIDATE, TRIM);
  const open = (await log.fetch(60n)).lastStableOffset;
  expect(open).toBe(50n);
  const kept = (await log.listOffset(EARLIEST)).offset;
  expect(kept).toBeLessThan(open);
  expect(kept).toBeGreaterThan(0n);
  await producer.end(true);
  await eventually(async () => (await log.fetch(60n)).lastStableOffset > 90n).toBe(true);
  await site.run(MERGE, CONSOLIDATE, TRIM);
  // The marker is in no segment yet, and a replica that is made later would not know what it ends.
  expect((await log.listOffset(EARLIEST)).offset).toBe(open);
  for (let index = 0; index < 20; index++) await log.produce(plain(index));
  await site.run(MERGE, CONSOLIDATE, TRIM);
  expect((await log.listOffset(EARLIEST)).offset).toBeGreaterThan(90n);
  await broker.close();
});

test('a topic that is classic again keeps what its broker has', async () => {
  const { topic, log, broker } = await filledTopic();
  const connection = await connect(diskless);
  const configs = [{ name: 'diskless.enable', configOperation: 0, value: 'false' }];
  const { responses } = await connection.request(apis.IncrementalAlterConfigs, {
    resources: [{ resourceType: 2, resourceName: topic.name, configs }],
    validateOnly: false,
  });
  expect(responses[0]?.errorCode).toBe(0);
  await site.run(MERGE, CONSOLIDATE, TRIM);
  expect((await log.listOffset(EARLIEST)).offset).toBe(0n);
  expect(site.partition(topic.topicId)?.segments.length).toBeGreaterThan(0);
  await connection.close();
  await broker.close();
});
