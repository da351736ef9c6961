/**
 * Kafka's own record classes as a judge, and what the tests that ask it have in common.
 */

import { expect } from 'vitest';
import { kafkaLibs } from '../../docker/local/kafka-jars.ts';
import { javaProgram } from '../../docker/local/kafka-tools.ts';
import { buildPlaceholder, pointerTo, readPlaceholder } from '../../kafka/index.ts';
import type { PlaceholderReading, ValidationRules } from '../../kafka/index.ts';
import { KEY_RING, PARTITION, TOPIC, recordLists } from '../unit/kafka/records/arbitraries.ts';

/** The package of Kafka's record classes has another name before 4.2. */
export const RELEASE = '4.3.1';
const ORACLE = new URL('../oracle/KafkaRecords.java', import.meta.url).pathname;
/** Printed in the name of the suite; set SEED to run the same samples again. */
export const SEED = Number(process.env['SEED'] ?? Date.now() % 2 ** 31);
const NOW_MS = 1_764_000_000_000;
export const NOW = BigInt(NOW_MS);
export const CODEC_NAMES = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const;
/**
 * @param requests as `KafkaRecords.java` takes them
 * @returns its answers, in order
 */
export async function askKafka(requests: readonly string[]): Promise<string[]> {
  const stdin = `${requests.join('\n')}\n`;
  const libs = await kafkaLibs(RELEASE);
  const { code, stdout, stderr } = await javaProgram(libs, ORACLE, [], { stdin });
  if (code !== 0) throw new Error(`the oracle failed: ${stderr}`);
  const answers = stdout.trimEnd().split('\n');
  expect(answers).toHaveLength(requests.length);
  return answers;
}

/** @param codec the topic's `compression.type` */
export function appendRequest(batch: Buffer, codec: string, rules: ValidationRules): string {
  const { timestampType, keyRequired, timestampBeforeMaxMs, timestampAfterMaxMs } = rules;
  const times = `${timestampBeforeMaxMs},${timestampAfterMaxMs},${rules.nowMs}`;
  const list = `${codec},${timestampType},${keyRequired},${times},${rules.produceVersion}`;
  return `append ${list} ${batch.toString('hex')}`;
}

export const RULES: ValidationRules = {
  maxMessageBytes: 2 ** 31,
  keyRequired: true,
  timestampType: 'CreateTime',
  timestampBeforeMaxMs: Number.MAX_SAFE_INTEGER,
  timestampAfterMaxMs: Number.MAX_SAFE_INTEGER,
  nowMs: NOW_MS,
  produceVersion: 12,
};

/** @returns the batch as the leader would store it; fails the test if it would not */
export function stored(answer: string): Buffer {
  expect(answer).toMatch(/^stored /);
  return Buffer.from(answer.slice('stored '.length), 'hex');
}

export function placeholderFor(real: Buffer, maxTimestamp: bigint, zstd: boolean): Buffer {
  return buildPlaceholder({
    realBatch: real,
    fileId: 0x1234_5678_9abc_def0n,
    position: 1_000_000,
    maxTimestamp,
    topic: TOPIC,
    partition: PARTITION,
    keyRing: KEY_RING,
    zstd,
  });
}

export function read(buf: Buffer, deep: boolean): PlaceholderReading {
  return readPlaceholder({
    buf,
    at: 0,
    topic: TOPIC,
    partition: PARTITION,
    keyRing: KEY_RING,
    deep,
  });
}

export function pointerReading(real: Buffer): PlaceholderReading {
  return { kind: 'placeholder', pointer: pointerTo(real, 0x1234_5678_9abc_def0n, 1_000_000) };
}

/** Header keys are strings for Kafka: random bytes would not come back as they are. */
export const textRecords = recordLists.map((list) =>
  list.map((record) => ({
    ...record,
    headers: record.headers.map(({ key, value }) => ({
      key: Buffer.from(key.toString('hex')),
      value,
    })),
  })),
);
