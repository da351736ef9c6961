/** Retention on real bytes and ages, on a real Kafka, down to what the broker has left. */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { runDir } from '../../../docker/local/cache.ts';
import { apis, baseOffset, buildRecordBatch } from '../../../kafka/index.ts';
import type { Proxy } from '../../../proxy/index.ts';
import { StartRequests } from '../../../storage/index.ts';
import { createConsolidateJob } from '../../../workers/consolidate/consolidate-job.ts';
import { createMergeJob } from '../../../workers/merge/merge-job.ts';
import { createRetainJob } from '../../../workers/retain/retain-job.ts';
import { RawTopic } from '../equivalence/raw-topic.ts';
import { connect, type Way } from '../equivalence/ways.ts';
import { JobSite } from '../support/job-site.ts';
import { startMember } from '../support/start-member.ts';

const HOUR_MS = 3_600_000;
const EARLIEST = -2n;
const VALUE_BYTES = 2_000;

let member: Proxy;
let site: JobSite;
let diskless: Way;
let direct: Way;
/** Asks the broker itself. */
let scratch: RawTopic;

const MERGE = createMergeJob({ intervalMs: 1_000, fileBytes: 16 * 1024 * 1024 });
const CONSOLIDATE = createConsolidateJob({
  intervalMs: 1_000,
  segmentBytesMax: 64 * 1024 * 1024,
  backfillBytesPerSecond: null,
});
const RETAIN = createRetainJob({ intervalMs: 1_000, livePercentMin: 30, rewriteMs: 3_600_000 });

beforeAll(async () => {
  const { bootstrap } = inject('kafka');
  const root = await runDir('store');
  member = await startMember({
    'kafka.bootstrap.servers': bootstrap,
    'store.url': `file://${root}`,
    'wal.min.bytes': 0,
  });
  site = await JobSite.open(bootstrap, root);
  direct = { name: 'direct', bootstrap, isDiskless: false };
  diskless = { name: 'diskless', bootstrap: member.bootstrap, isDiskless: true };
  scratch = await RawTopic.create(direct, 'scratch');
});

afterAll(async () => {
  await scratch.close();
  await site.close();
  await member.stop();
});

/** A batch of one record, merged by itself. @returns the bytes of the batch */
async function produceAndMerge(topic: RawTopic, ageMs = 0): Promise<number> {
  const record = { key: Buffer.from('key'), value: randomBytes(VALUE_BYTES) };
  const batch = buildRecordBatch({ baseTimestamp: BigInt(Date.now() - ageMs) }, [record]);
  expect((await topic.produce(batch)).errorCode).toBe(0);
  await site.run(MERGE);
  return batch.length;
}

async function startInBroker({ name, topicId }: RawTopic): Promise<bigint> {
  return (await scratch.named(name, topicId).listOffset(EARLIEST)).offset;
}

async function alter(topic: RawTopic, name: string, value: string): Promise<void> {
  const connection = await connect(diskless);
  try {
    const { responses } = await connection.request(apis.IncrementalAlterConfigs, {
      resources: [
        {
          resourceType: 2,
          resourceName: topic.name,
          configs: [{ name, configOperation: 0, value }],
        },
      ],
      validateOnly: false,
    });
    expect(responses[0]?.errorCode).toBe(0);
  } finally {
    await connection.close();
  }
}

test('retention.bytes counts the data, which the broker does not have', async () => {
  const topic = await RawTopic.create(diskless, 'retained');
  let bytes = 0;
  for (let count = 0; count < 6; count++) bytes = await produceAndMerge(topic);
  await site.run(RETAIN);
  expect(site.partition(topic.topicId)?.logicalStart).toBeNull();
  await alter(topic, 'retention.bytes', String(2 * bytes));
  await site.run(RETAIN);
  const { logicalStart, extents = [] } = site.partition(topic.topicId) ?? {};
  expect(logicalStart).toBe(4n);
  expect(extents.map(({ startOffset }) => startOffset)).toEqual([4n, 5n]);
  expect(await startInBroker(topic)).toBe(4n);
  expect((await topic.fetch(4n)).errorCode).toBe(0);
  // What is dead is there for the sweep.
  const dead = [...site.journal.state.files.values()].filter(({ death }) => death !== null);
  expect(dead.length).toBeGreaterThanOrEqual(4);
  await topic.close();
});

test('retention.ms goes by the records’ timestamps, in segments and in merged files', async () => {
  const configs = { 'retention.ms': String(4 * HOUR_MS), 'segment.ms': String(2 * HOUR_MS) };
  const topic = await RawTopic.create(diskless, 'retained', configs);
  await produceAndMerge(topic, 3.5 * HOUR_MS);
  await site.run(CONSOLIDATE);
  expect(site.partition(topic.topicId)?.segments.length).toBe(1);
  await produceAndMerge(topic, 1.5 * HOUR_MS);
  await produceAndMerge(topic);
  await site.run(RETAIN);
  expect(site.partition(topic.topicId)?.logicalStart).toBeNull();
  await alter(topic, 'retention.ms', String(3 * HOUR_MS));
  await site.run(RETAIN);
  expect(site.partition(topic.topicId)).toMatchObject({ logicalStart: 1n, segments: [] });
  expect(site.journal.state.deadSegments.size).toBe(1);
  await alter(topic, 'retention.ms', String(HOUR_MS));
  await site.run(RETAIN);
  expect(site.partition(topic.topicId)?.logicalStart).toBe(2n);
  expect(await startInBroker(topic)).toBe(2n);
  const stored = await site.stored(topic.topicId);
  expect(stored.map((batch) => baseOffset(batch))).toEqual([2n]);
  await topic.close();
});

test('a request to delete that a proxy left is met, at the broker too', async () => {
  const topic = await RawTopic.create(diskless, 'retained');
  for (let count = 0; count < 3; count++) await produceAndMerge(topic);
  const { topicId } = topic;
  const requests = new StartRequests(site.store);
  await requests.put(0, { topicId, partition: 0, offset: 2n });
  await site.run(RETAIN);
  expect(site.partition(topicId)?.logicalStart).toBe(2n);
  expect(await startInBroker(topic)).toBe(2n);
  for await (const left of requests.list(0)) expect(left).toBeUndefined();
  await topic.close();
});

test('what is left of a file whose largest partition expired is copied, and read as before', async () => {
  const large = await RawTopic.create(diskless, 'large', { 'retention.ms': String(HOUR_MS) });
  const small = await RawTopic.create(diskless, 'small');
  const header = { baseTimestamp: BigInt(Date.now()) };
  const batchOf = (valueBytes: number, old: boolean): Buffer =>
    buildRecordBatch(old ? { baseTimestamp: header.baseTimestamp - BigInt(2 * HOUR_MS) } : header, [
      { key: Buffer.from('key'), value: randomBytes(valueBytes) },
    ]);
  expect((await large.produce(batchOf(20_000, true))).errorCode).toBe(0);
  expect((await small.produce(batchOf(2_000, false))).errorCode).toBe(0);
  await site.run(MERGE);
  const [before] = site.partition(small.topicId)?.extents ?? [];
  const stored = await site.stored(small.topicId);
  await site.run(RETAIN);
  const [after] = site.partition(small.topicId)?.extents ?? [];
  expect(after?.file).not.toBe(before?.file);
  expect(site.journal.state.files.get(before?.file ?? 0)?.death?.by).toBe('re-merge');
  expect(await site.stored(small.topicId)).toEqual(stored);
  expect(await small.batches()).toEqual(stored);
  await large.close();
  await small.close();
});
