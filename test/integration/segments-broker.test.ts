/**
 * Segments against those of a running broker, for the same batches: plain ones and transactions of
 * both versions that overlap, committed and aborted. Then Kafka's dump tool reads ours.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { kafkaLibs } from '../../docker/local/kafka-jars.ts';
import { kafkaTool } from '../../docker/local/kafka-tools.ts';
import { BrokerConnection, apis, buildRecordBatch, completeBatches } from '../../kafka/index.ts';
import {
  encodeProducerSnapshot,
  parseProducerSnapshot,
} from '../../storage/segment/producer-snapshot.ts';
import { makeSegments } from '../unit/storage/segment/make-segments.ts';
import type { MadeSegment } from '../unit/storage/segment/make-segments.ts';
import { fileName, readFiles, segmentFiles, writeFiles } from './segments-oracle.ts';
import { RawProducer } from './segments-producer.ts';
import { uniqueName } from './support/names.ts';

/** The least that a broker from 4.1 on takes. */
const SEGMENT_BYTES = 1024 * 1024;
const VALUE_BYTES = 9_000;
const ROUNDS = 60;
const SEGMENT_FILES = /^\d{20}\.(log|index|timeindex|txnindex|snapshot)$/;

const topic = uniqueName('segments');
let broker: BrokerConnection;
let dir = '';
/** The partition's folder at the broker. */
let brokerDir = '';

beforeAll(async () => {
  const { bootstrap, logDir } = inject('kafka');
  const [host = '', port = ''] = bootstrap.split(':');
  broker = await BrokerConnection.open({ host, port: Number(port) }, { clientId: 'segments' });
  dir = await mkdtemp(join(tmpdir(), 'segments-broker-'));
  brokerDir = join(logDir, `${topic}-0`);
});

afterAll(async () => {
  await broker.close();
  await rm(dir, { recursive: true });
});

async function createTopic(): Promise<{ name: string; topicId: string }> {
  const configs = [{ name: 'segment.bytes', value: String(SEGMENT_BYTES) }];
  const { topics } = await broker.request(apis.CreateTopics, {
    topics: [{ name: topic, numPartitions: 1, replicationFactor: 1, assignments: [], configs }],
  });
  return { name: topic, topicId: topics[0]?.topicId ?? '' };
}

async function producePlain(target: { name: string; topicId: string }, ms: number): Promise<void> {
  const batch = buildRecordBatch({ baseTimestamp: BigInt(ms) }, [
    { value: Buffer.alloc(VALUE_BYTES) },
  ]);
  const partitionData = [{ index: 0, records: batch }];
  const { responses } = await broker.request(apis.Produce, {
    transactionalId: null,
    acks: -1,
    timeoutMs: 30_000,
    topicData: [{ ...target, partitionData }],
  });
  expect(responses[0]?.partitionResponses[0]?.errorCode).toBe(0);
}

/** Fills two segments and begins a third. */
async function produce(): Promise<void> {
  const target = await createTopic();
  const producers = [false, true, false].map((isFirstVersion, index) => {
    return new RawProducer(broker, `${topic}-${index}`, target, isFirstVersion);
  });
  const nowMs = Date.now();
  for (const producer of producers) await producer.begin();
  for (let round = 0; round < ROUNDS; round++) {
    for (const [index, producer] of producers.entries()) {
      // Transactions of different lengths, and timestamps that also go back.
      await producer.send(VALUE_BYTES, nowMs - ((round * 37) % 11) * 1000 + index);
      if (round % (index + 2) === 0) await producer.end(round % 4 === 0);
    }
    await producePlain(target, nowMs + round * 10);
    await producePlain(target, nowMs - 60_000);
  }
}

/** What the broker's `.log` files hold, put through our writer. */
async function ourSegments(): Promise<MadeSegment[]> {
  const logs = await readFiles(brokerDir, /\.log$/);
  const batches = Object.values(logs).flatMap((log) => [
    ...completeBatches(Buffer.from(log, 'hex')),
  ]);
  return makeSegments(0n, batches, { segmentBytesMax: SEGMENT_BYTES });
}

test('the files are those of the broker, byte for byte', async () => {
  await produce();
  const segments = await ourSegments();
  // The last one is still being written at the broker: its indexes are not closed.
  const rolled = segments.slice(0, -1);
  expect(rolled.length).toBeGreaterThanOrEqual(2);
  const theirs = await readFiles(brokerDir, SEGMENT_FILES);
  const aborted = rolled.flatMap(({ indexes }) => [...indexes.aborted()]);
  expect(aborted.length).toBeGreaterThan(5);
  expect(rolled.some(({ segment }) => segment.state.producers.length === 3)).toBe(true);
  for (const { segment, log } of rolled) {
    const files = segmentFiles(segment, log);
    const epochs = fileName(segment.baseOffset, 'leader-epoch-checkpoint');
    // The broker has one file for the partition; there was one leader.
    const checkpoint = await readFile(join(brokerDir, 'leader-epoch-checkpoint'));
    expect(files.get(epochs)).toEqual(checkpoint);
    files.delete(epochs);
    for (const [name, bytes] of files) {
      const found = Buffer.from(theirs[name] ?? '', 'hex');
      // The one difference: a broker writes producers in the order of its hash map.
      const isSnapshot = name.endsWith('.snapshot');
      const expected = isSnapshot ? encodeProducerSnapshot(parseProducerSnapshot(found)) : found;
      expect(bytes.equals(expected), name).toBe(true);
    }
    const hasIndex = fileName(segment.baseOffset, 'txnindex') in theirs;
    expect(segment.files.transactionIndex !== null).toBe(hasIndex);
    await writeFiles(dir, files);
  }
});

test('the dump tool reads them, and finds nothing wrong', async () => {
  const libs = await kafkaLibs(inject('kafka').version);
  const names = Object.keys(await readFiles(dir, SEGMENT_FILES));
  const files = ['--files', names.map((name) => join(dir, name)).join(',')];
  const indexes = names.filter((name) => /\.(index|timeindex)$/.test(name));
  const indexFiles = ['--files', indexes.map((name) => join(dir, name)).join(',')];
  const deep = await kafkaTool(libs, 'kafka-dump-log', ['--deep-iteration', ...files]);
  const verify = await kafkaTool(libs, 'kafka-dump-log', ['--verify-index-only', ...indexFiles]);
  const sanity = await kafkaTool(libs, 'kafka-dump-log', ['--index-sanity-check', ...indexFiles]);
  for (const { code, stdout, stderr } of [deep, verify, sanity]) {
    expect(code, stderr).toBe(0);
    expect(stdout + stderr).not.toMatch(/mismatch|corrupt|invalid|exception|not valid/i);
  }
  expect(deep.stdout).toMatch(/endTxnMarker: ABORT coordinatorEpoch: \d+/);
  expect(deep.stdout).toMatch(/producerId: \d+ firstOffset: \d+ lastOffset: \d+ lastStableOffset/);
  expect(deep.stdout).toMatch(/producerId: \d+ producerEpoch: \d+ coordinatorEpoch: \d+/);
  expect(sanity.stdout.match(/passed sanity check/g)).toHaveLength(indexes.length);
});
