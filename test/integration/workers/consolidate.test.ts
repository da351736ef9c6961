/**
 * Segments that the job makes of what members and brokers have written, judged by Kafka: its own
 * recovery makes of their `.log` alone every other file, byte for byte, its readers pass them, and
 * its dump tool finds nothing wrong.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { runDir } from '../../../docker/local/cache.ts';
import { kafkaLibs } from '../../../docker/local/kafka-jars.ts';
import { kafkaTool } from '../../../docker/local/kafka-tools.ts';
import { apis, type BrokerConnection, buildRecordBatch, lastOffset } from '../../../kafka/index.ts';
import type { Proxy } from '../../../proxy/index.ts';
import { parseManifest, TopicRecordStore } from '../../../storage/index.ts';
import type { PartitionState, Segment } from '../../../storage/index.ts';
import { createConsolidateJob } from '../../../workers/consolidate/consolidate-job.ts';
import { keysOf } from '../../../workers/extents/segment-log.ts';
import { createMergeJob } from '../../../workers/merge/merge-job.ts';
import { RawTopic } from '../equivalence/raw-topic.ts';
import { connect, type Way } from '../equivalence/ways.ts';
import { askKafka, fileName, readFiles, writeFiles } from '../segments-oracle.ts';
import { RawProducer } from '../segments-producer.ts';
import { JobSite } from '../support/job-site.ts';
import { uniqueName } from '../support/names.ts';
import { startMember } from '../support/start-member.ts';

/** The least that a broker from 4.1 on takes. */
const SEGMENT_BYTES = 1024 * 1024;
const INDEX_INTERVAL_BYTES = 4096;
const VALUE_BYTES = 9_000;
const ROUNDS = 65;
const MERGE = createMergeJob({ intervalMs: 1_000, fileBytes: 1024 * 1024 });
const CONSOLIDATE = createConsolidateJob({
  intervalMs: 1_000,
  segmentBytesMax: 64 * 1024 * 1024,
  backfillBytesPerSecond: null,
});

let member: Proxy;
let site: JobSite;
let diskless: Way;
let classic: Way;
let dir = '';

beforeAll(async () => {
  const root = await runDir('store');
  const { bootstrap } = inject('kafka');
  member = await startMember({
    'kafka.bootstrap.servers': bootstrap,
    'store.url': `file://${root}`,
  });
  site = await JobSite.open(bootstrap, root);
  diskless = { name: 'diskless', bootstrap: member.bootstrap, isDiskless: true };
  classic = { name: 'classic', bootstrap: member.bootstrap, isDiskless: false };
  dir = await mkdtemp(join(tmpdir(), 'consolidate-'));
});

afterAll(async () => {
  await site.close();
  await member.stop();
  await rm(dir, { recursive: true });
});

function plain(ms: number): Buffer {
  const records = [{ value: Buffer.alloc(VALUE_BYTES, ms % 256) }, { value: Buffer.from('2nd') }];
  return buildRecordBatch({ baseTimestamp: BigInt(ms) }, records);
}

/** Transactions of both versions that overlap, committed and aborted, and plain batches. */
async function produce(connection: BrokerConnection, topic: RawTopic): Promise<void> {
  const producers = [false, true, false].map((isFirstVersion, index) => {
    const id = uniqueName(`consolidate-${index}`);
    return new RawProducer(connection, id, topic, isFirstVersion);
  });
  const nowMs = Date.now();
  for (const producer of producers) await producer.begin();
  for (let round = 0; round < ROUNDS; round++) {
    for (const [index, producer] of producers.entries()) {
      await producer.send(VALUE_BYTES, nowMs - ((round * 37) % 11) * 1_000 + index);
      const isLast = round === ROUNDS - 1;
      if (isLast || round % (index + 2) === 0) await producer.end(round % 4 === 0);
    }
    expect((await topic.produce(plain(nowMs + round * 10))).errorCode).toBe(0);
  }
}

async function objectOf(key: string): Promise<Buffer> {
  const outcome = await site.store.get(key);
  if (outcome.kind === 'missing') throw new Error(`${key} is missing`);
  return outcome.bytes;
}

/** @returns the files of a stored segment by the names that a broker gives them */
async function filesOf(
  partition: PartitionState,
  segment: Segment,
): Promise<ReadonlyMap<string, Buffer>> {
  const keys = keysOf(partition, segment);
  const { indexes } = parseManifest(await objectOf(keys.manifest));
  const bytes = await objectOf(keys.indexes);
  const of = ({ position, size }: { readonly position: number; readonly size: number }): Buffer =>
    bytes.subarray(position, position + size);
  const files = new Map([
    [fileName(segment.baseOffset, 'log'), await objectOf(keys.log)],
    [fileName(segment.baseOffset, 'index'), of(indexes.offset)],
    [fileName(segment.baseOffset, 'timeindex'), of(indexes.timestamp)],
    [fileName(segment.baseOffset, 'leader-epoch-checkpoint'), of(indexes.leaderEpoch)],
    [fileName(segment.endOffset, 'snapshot'), of(indexes.producerSnapshot)],
  ]);
  const { transaction } = indexes;
  if (transaction !== null) files.set(fileName(segment.baseOffset, 'txnindex'), of(transaction));
  return files;
}

/** Has Kafka make all files out of the logs, and compares them with ours. */
async function expectKafkaAgrees(partition: PartitionState, name: string): Promise<string> {
  const [ours, theirs] = [join(dir, `${name}-ours`), join(dir, `${name}-theirs`)];
  const { segments } = partition;
  for (const segment of segments) {
    const files = await filesOf(partition, segment);
    await writeFiles(ours, files);
    await writeFiles(theirs, new Map([...files].filter(([file]) => file.endsWith('.log'))));
  }
  const bases = segments.map(({ baseOffset }) => baseOffset).join(',');
  const checks = segments.map(({ baseOffset, endOffset }) => {
    return `check ${ours} ${baseOffset} ${endOffset}`;
  });
  const recover = `recover ${theirs} ${INDEX_INTERVAL_BYTES} ${bases}`;
  const [recovered, ...checked] = await askKafka([recover, ...checks]);
  expect(recovered).toBe('ok');
  expect(checked.join(' ')).not.toContain('error');
  expect(await readFiles(theirs, /^\d{20}\./)).toEqual(await readFiles(ours, /^\d{20}\./));
  return ours;
}

async function expectDumpFindsNothingWrong(folder: string): Promise<string> {
  const libs = await kafkaLibs(inject('kafka').version);
  const names = Object.keys(await readFiles(folder, /\.(log|index|timeindex|txnindex|snapshot)$/));
  const files = ['--files', names.map((name) => join(folder, name)).join(',')];
  const dumped = await kafkaTool(libs, 'kafka-dump-log', ['--deep-iteration', ...files]);
  expect(dumped.code, dumped.stderr).toBe(0);
  const text = dumped.stdout + dumped.stderr;
  expect(text).not.toMatch(/mismatch|corrupt|invalid|exception|not valid/i);
  return dumped.stdout;
}

test("segments of what a member has written are Kafka's own, byte for byte", async () => {
  const configs = { 'segment.bytes': String(SEGMENT_BYTES) };
  const topic = await RawTopic.create(diskless, 'consolidate', configs);
  const connection = await connect(diskless);
  await produce(connection, topic);
  await connection.close();
  await site.run(MERGE, CONSOLIDATE);
  const partition = site.partition(topic.topicId);
  if (partition === undefined) throw new Error('nothing was merged');
  expect(partition.segments.length).toBeGreaterThanOrEqual(2);
  const consumed = await topic.batches();
  expect(await site.stored(topic.topicId)).toEqual(consumed);
  const logs = partition.segments.map(async (segment) => objectOf(keysOf(partition, segment).log));
  const below = consumed.filter((batch) => lastOffset(batch) < partition.consolidatedTo);
  expect(Buffer.concat(await Promise.all(logs)).equals(Buffer.concat(below))).toBe(true);
  const dumped = await expectDumpFindsNothingWrong(await expectKafkaAgrees(partition, 'member'));
  expect(dumped).toMatch(/endTxnMarker: ABORT coordinatorEpoch: \d+/);
  expect(dumped).toMatch(/producerId: \d+ firstOffset: \d+ lastOffset: \d+ lastStableOffset/);
  const manifests = partition.segments.map(({ baseOffset, id }) => {
    const folder = `segments/${topic.name}-${topic.topicId}/0`;
    return `${folder}/${baseOffset.toString().padStart(20, '0')}-${id}.rsm-manifest`;
  });
  for (const key of manifests) expect((await objectOf(key)).length).toBeGreaterThan(0);
  await topic.close();
});

test('a classic topic that is made diskless is moved from its brokers, and then goes on', async () => {
  const configs = { 'segment.bytes': String(SEGMENT_BYTES) };
  const topic = await RawTopic.create(classic, 'backfill', configs);
  const connection = await connect(classic);
  await produce(connection, topic);
  const marked = await topic.listOffset(-1n);
  await connection.request(apis.IncrementalAlterConfigs, {
    resources: [
      {
        resourceType: 2,
        resourceName: topic.name,
        configs: [{ name: 'diskless.enable', configOperation: 0, value: 'true' }],
      },
    ],
    validateOnly: false,
  });
  await askForBackfill(topic.topicId);
  const asDiskless = topic.named(topic.name, topic.topicId);
  for (let i = 0; i < 200; i++) {
    expect((await asDiskless.produce(plain(Date.now()))).errorCode).toBe(0);
  }
  await site.run(MERGE, CONSOLIDATE);
  const partition = site.partition(topic.topicId);
  if (partition === undefined) throw new Error('nothing was merged');
  expect(partition.segments[0]?.startOffset).toBe(0n);
  expect(partition.consolidatedTo).toBeGreaterThan(marked.offset);
  expect(await site.stored(topic.topicId)).toEqual(await topic.batches());
  await expectDumpFindsNothingWrong(await expectKafkaAgrees(partition, 'backfilled'));
  await connection.close();
  await topic.close();
});

/** What `outrigger backfill` does. */
async function askForBackfill(topicId: string): Promise<void> {
  const records = new TopicRecordStore(site.store);
  const record = await records.get(topicId);
  if (record === undefined) throw new Error('the topic has no record');
  const { version } = record;
  await records.put({ ...record, backfill: { requestedAtMs: 1 }, version: version + 1 });
}
