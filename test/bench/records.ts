/**
 * What one batch costs on the produce and fetch paths. Prints microseconds per batch, the median of
 * several rounds. Run: `node test/bench/records.ts`.
 */

import { randomBytes } from 'node:crypto';
import {
  CODEC,
  KeyRing,
  buildPlaceholder,
  buildRecordBatch,
  pointerTo,
  readPlaceholder,
  restoreBatch,
  validateBatch,
  verifyBatch,
} from '../../kafka/index.ts';
import type { CompressionCodec, ValidationRules } from '../../kafka/index.ts';

const ROUNDS = 7;
const CALLS_PER_ROUND = 5_000;
const NOW_MS = 1_764_000_000_000;
const TOPIC = 'orders-by-customer';

const keyRing = new KeyRing({ id: 1, secret: randomBytes(32) });
const rules: ValidationRules = {
  maxMessageBytes: 1_048_588,
  keyRequired: true,
  timestampType: 'CreateTime',
  timestampBeforeMaxMs: 2 ** 53,
  timestampAfterMaxMs: 3_600_000,
  nowMs: NOW_MS,
  produceVersion: 12,
};

function measure(name: string, call: () => unknown): void {
  const rounds = Array.from({ length: ROUNDS }, () => {
    const start = process.hrtime.bigint();
    for (let calls = 0; calls < CALLS_PER_ROUND; calls++) call();
    return Number(process.hrtime.bigint() - start) / 1_000 / CALLS_PER_ROUND;
  });
  const median = rounds.sort((a, b) => a - b)[Math.floor(ROUNDS / 2)] ?? NaN;
  console.log(`  ${name.padEnd(28)} ${median.toFixed(2).padStart(8)} µs`);
}

function benchBatches(count: number, valueBytes: number, codec: CompressionCodec): void {
  const records = Array.from({ length: count }, (_, index) => ({
    timestampDelta: index,
    key: Buffer.from(`key-${index}`),
    value: Buffer.from(randomBytes(valueBytes / 2).toString('hex')),
  }));
  const real = buildRecordBatch({ baseTimestamp: BigInt(NOW_MS), codec }, records);
  const where = { topic: TOPIC, partition: 7 };
  const input = {
    ...where,
    realBatch: real,
    fileId: 0x19ab_cdefn,
    position: 4_096,
    maxTimestamp: BigInt(NOW_MS + count - 1),
    keyRing,
  };
  const framed = buildPlaceholder({ ...input, zstd: true });
  const plain = buildPlaceholder({ ...input, zstd: false });
  const pointer = pointerTo(real, input.fileId, input.position);
  const reading = { ...where, at: 0, keyRing };
  console.log(`${count} records of ${valueBytes} B, codec ${codec}: ${real.length} B,`);
  console.log(`  placeholder ${framed.length} B with zstd, ${plain.length} B plain`);
  measure('validate', () => validateBatch(real, rules));
  measure('build placeholder, zstd', () => buildPlaceholder({ ...input, zstd: true }));
  measure('build placeholder, plain', () => buildPlaceholder({ ...input, zstd: false }));
  measure('read placeholder', () => readPlaceholder({ ...reading, buf: framed, deep: false }));
  measure('read real batch', () => readPlaceholder({ ...reading, buf: real, deep: false }));
  measure('read real batch, deep', () => readPlaceholder({ ...reading, buf: real, deep: true }));
  measure('verify', () => verifyBatch(real, pointer));
  measure('restore', () => restoreBatch(real, framed));
}

benchBatches(16, 1_024, CODEC.none);
benchBatches(150, 100, CODEC.none);
benchBatches(150, 100, CODEC.lz4);
benchBatches(150, 100, CODEC.zstd);
