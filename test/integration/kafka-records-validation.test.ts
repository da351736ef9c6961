/**
 * Our validation of produced batches against Kafka's `LogValidator`, over random and damaged ones.
 */

import * as fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  BATCH_HEADER_BYTES,
  CODEC,
  KafkaErrorCode,
  buildRecordBatch,
  computeBatchCrc,
  restoreBatch,
  validateBatch,
} from '../../kafka/index.ts';
import type { ValidationRules } from '../../kafka/index.ts';
import { batchHeaders } from '../unit/kafka/records/arbitraries.ts';
import {
  CODEC_NAMES,
  NOW,
  RULES,
  SEED,
  appendRequest,
  askKafka,
  placeholderFor,
  pointerReading,
  read,
  stored,
  textRecords,
} from './kafka-records-oracle.ts';

describe(`validation (seed ${SEED})`, () => {
  const ruleSets: readonly ValidationRules[] = [
    RULES,
    { ...RULES, keyRequired: false },
    { ...RULES, timestampType: 'LogAppendTime', produceVersion: 6 },
    { ...RULES, timestampBeforeMaxMs: 500, timestampAfterMaxMs: 100 },
    { ...RULES, keyRequired: false, timestampBeforeMaxMs: 500, timestampAfterMaxMs: 100 },
  ];
  const outcomes = new Map<string, number>();
  let samples: { batch: Buffer; rules: ValidationRules }[] = [];
  let answers: string[] = [];

  /** Good batches near the clock, most of them damaged in one byte, with a right checksum. */
  const batches = fc
    .tuple(
      batchHeaders,
      textRecords,
      fc.constantFrom(NOW, NOW, NOW - 480n, NOW + 90n, -1n),
      fc.constantFrom('none', 'header', 'body', 'records'),
      fc.nat(),
      fc.nat({ max: 255 }),
    )
    .map(([header, list, baseTimestamp, damage, where, byte]) => {
      const near = list.map((record, index) => {
        const timestampDelta = index === 0 ? 0 : record.timestampDelta % 64;
        return {
          ...record,
          timestampDelta,
          key: record.key ?? (byte < 128 ? Buffer.alloc(1) : null),
        };
      });
      const plain = damage === 'records' ? { codec: CODEC.none } : {};
      const batch = buildRecordBatch({ ...header, ...plain, baseTimestamp }, near);
      if (damage === 'none') return batch;
      const from = damage === 'header' ? 21 : BATCH_HEADER_BYTES;
      const end = damage === 'header' ? BATCH_HEADER_BYTES : batch.length;
      batch.writeUInt8(byte, from + (where % (end - from)));
      batch.writeUInt32BE(computeBatchCrc(batch, 0, batch.length), 17);
      return batch;
    });

  beforeAll(async () => {
    samples = fc
      .sample(fc.tuple(batches, fc.constantFrom(...ruleSets)), { numRuns: 3_000, seed: SEED })
      .map(([batch, rules]) => ({ batch, rules }));
    answers = await askKafka(
      samples.map(({ batch, rules }) => appendRequest(batch, 'producer', rules)),
    );
  });

  test('never lets through what Kafka refuses, nor refuses what Kafka takes', () => {
    for (const [index, { batch, rules }] of samples.entries()) {
      const answer = answers[index] ?? '';
      const label = `${answer} for ${batch.toString('hex')} under ${JSON.stringify(rules)}`;
      const validation = validateBatch(batch, rules);
      outcomes.set(validation.kind, (outcomes.get(validation.kind) ?? 0) + 1);
      if (validation.kind === 'valid') {
        const latest = stored(answer).readBigInt64BE(35);
        const expected = rules.timestampType === 'CreateTime' ? validation.maxTimestamp : NOW;
        expect(latest, label).toBe(expected);
      }
      if (validation.kind !== 'invalid') continue;
      const indexes = validation.recordErrors.map(({ batchIndex }) => batchIndex).join(',');
      const { errorCode, reason } = validation;
      const refusals = [`refused ${errorCode}${indexes === '' ? '' : ` ${indexes}`}`];
      // Where a varint is cut off by the end of the batch Kafka fails with an unexpected exception.
      if (reason === 'malformed') refusals.push(`refused ${KafkaErrorCode.UNKNOWN_SERVER_ERROR}`);
      expect(refusals, label).toContain(answer);
    }
  });

  test('was put to the test: all outcomes came up often', () => {
    for (const kind of ['valid', 'invalid', 'unchecked']) {
      expect(outcomes.get(kind) ?? 0, kind).toBeGreaterThan(50);
    }
  });

  test('what is valid has a placeholder that Kafka takes, and that restores what it would store', async () => {
    const good = samples.flatMap(({ batch, rules }, index) => {
      const validation = validateBatch(batch, rules);
      if (validation.kind !== 'valid') return [];
      const placeholder = placeholderFor(batch, validation.maxTimestamp, rules.produceVersion >= 7);
      return [{ batch, rules, placeholder, expected: stored(answers[index] ?? '') }];
    });
    const appended = await askKafka(
      good.map(({ placeholder, rules }) => appendRequest(placeholder, 'producer', rules)),
    );
    for (const [index, { batch, expected }] of good.entries()) {
      const placeholder = stored(appended[index] ?? '');
      expect(read(placeholder, false)).toEqual(pointerReading(batch));
      expect(Buffer.concat(restoreBatch(batch, placeholder))).toEqual(expected);
    }
  });

  test('takes what Kafka wrote, in every codec', async () => {
    const good = samples.filter(({ batch, rules }) => validateBatch(batch, rules).kind === 'valid');
    const some = good.slice(0, 100);
    const written = await askKafka(
      some.flatMap(({ batch, rules }) =>
        CODEC_NAMES.map((codec) =>
          appendRequest(batch, codec, { ...rules, timestampType: 'CreateTime' }),
        ),
      ),
    );
    for (const [index, answer] of written.entries()) {
      if (answer.startsWith('refused')) continue;
      const batch = stored(answer);
      batch.writeBigInt64BE(0n, 0);
      const rules = { ...RULES, keyRequired: false };
      expect(validateBatch(batch, rules).kind, `${index}`).toBe('valid');
      expect(read(batch, true)).toEqual({ kind: 'real' });
    }
  });
});
