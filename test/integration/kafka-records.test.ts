/**
 * The record format, judged by Kafka's own classes: `MemoryRecords` reads what we write, and
 * `LogValidator`, which every produced batch goes through on a leader, says what becomes of it.
 */

import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  CODEC,
  buildRecordBatch,
  findMaxTimestamp,
  recordCount,
  restoreBatch,
  validateBatch,
} from '../../kafka/index.ts';
import type { CompressionCodec, KafkaRecord, RecordBatchHeader } from '../../kafka/index.ts';
import { batchHeaders } from '../unit/kafka/records/arbitraries.ts';
import {
  CODEC_NAMES,
  NOW,
  RELEASE,
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

/** What the oracle assigns. */
const NEXT_OFFSET = 1_000n;
const LEADER_EPOCH = 5;
const COUNTS = [1, 2, 24, 25, 26, 63, 66, 150, 5_000, 200_000];
const TIMESTAMP_TYPES = ['CreateTime', 'LogAppendTime'] as const;

function realBatch(count: number, header: RecordBatchHeader = {}): Buffer {
  const records = Array.from({ length: count }, (_, index) => ({
    key: Buffer.from('k'),
    value: Buffer.from(`value ${index}`),
    timestampDelta: (index * 7) % 100,
  }));
  return buildRecordBatch({ baseTimestamp: NOW, ...header }, records);
}

function validPlaceholder(real: Buffer, zstd: boolean): Buffer {
  const validation = validateBatch(real, RULES);
  if (validation.kind !== 'valid') throw new Error(validation.kind);
  return placeholderFor(real, validation.maxTimestamp, zstd);
}

function hex(bytes: Buffer | null): string {
  return bytes === null ? 'null' : bytes.toString('hex');
}

/** As the oracle describes records. */
function describeRecords(base: bigint, records: readonly KafkaRecord[]): string {
  return records
    .map(({ offsetDelta, timestampDelta, key, value, headers }) => {
      const timestamp = BigInt.asIntN(64, base + BigInt(timestampDelta));
      const pairs = headers.map((header) => `,${hex(header.key)}=${hex(header.value)}`);
      return `${offsetDelta},${timestamp},${hex(key)},${hex(value)}${pairs.join('')};`;
    })
    .join('');
}

describe(`Kafka ${RELEASE} (seed ${SEED})`, () => {
  test('reads what we write, in every codec', async () => {
    const samples = fc.sample(fc.tuple(batchHeaders, textRecords), { numRuns: 200, seed: SEED });
    const batches = samples.map(([header, list]) => buildRecordBatch(header, list));
    const answers = await askKafka(batches.map((batch) => `read ${batch.toString('hex')}`));
    for (const [index, [header, list]] of samples.entries()) {
      const batch = batches[index] ?? Buffer.alloc(0);
      const latest = findMaxTimestamp(batch.subarray(0, 61), batch.subarray(61));
      const expected = [
        0,
        list.length - 1,
        -1,
        batch.readBigInt64BE(35),
        'CreateTime',
        CODEC_NAMES[header.codec ?? CODEC.none],
        header.transactional,
        header.producerId,
        header.producerEpoch,
        header.baseSequence,
        list.length,
        latest?.offset ?? -1,
      ];
      const records = describeRecords(header.baseTimestamp ?? 0n, list);
      expect(answers[index]).toBe(`${expected.join(',')} ${records}`);
    }
  });
});

describe('placeholders', () => {
  const cases = COUNTS.flatMap((count) =>
    [true, false].map((zstd) => {
      const header = { transactional: true, producerId: 5n, producerEpoch: 1, baseSequence: 9 };
      const real = realBatch(count, { ...header, codec: CODEC.lz4 });
      return { count, zstd, real, placeholder: validPlaceholder(real, zstd) };
    }),
  );

  test('read as any batch, in both body forms', async () => {
    const answers = await askKafka(
      cases.map(({ placeholder }) => `read ${placeholder.toString('hex')}`),
    );
    for (const [index, { count, placeholder }] of cases.entries()) {
      const [header = '', list = ''] = (answers[index] ?? '').split(' ');
      const last = count - 1;
      const latest = placeholder.readBigInt64BE(35);
      const codec = placeholder.readUInt16BE(21) % 8 === CODEC.zstd ? 'zstd' : 'none';
      const most = count === 1 || latest === NOW ? 0 : last;
      const producer = '5,1,9';
      expect(header).toBe(
        `0,${last},-1,${latest},CreateTime,${codec},true,${producer},${count},${most}`,
      );
      const records = list.split(';').slice(0, -1);
      expect(records).toHaveLength(count);
      expect(records[0]).toMatch(new RegExp(`^0,${NOW},e28a986f72[0-9a-f]{64},$`));
      const wrong = records.findIndex((record, offset) => {
        const timestamp = offset === last ? latest : NOW;
        return offset > 0 && record !== `${offset},${timestamp},6f,`;
      });
      expect(wrong).toBe(-1);
    }
  });

  test('are stored as they are on compacted topics, and known at the first look', async () => {
    const answers = await askKafka(
      cases.map(({ placeholder }) => appendRequest(placeholder, 'producer', RULES)),
    );
    for (const [index, { real, placeholder }] of cases.entries()) {
      const batch = stored(answers[index] ?? '');
      expect(batch.subarray(17)).toEqual(placeholder.subarray(17));
      expect(read(batch, false)).toEqual(pointerReading(real));
    }
  });

  test('are known after the broker encoded them anew, with every codec and timestamp type', async () => {
    const variants = cases.flatMap((sample) =>
      CODEC_NAMES.flatMap((codec) =>
        TIMESTAMP_TYPES.map((timestampType) => ({ ...sample, codec, timestampType })),
      ),
    );
    const answers = await askKafka(
      variants.map(({ placeholder, codec, timestampType }) =>
        appendRequest(placeholder, codec, { ...RULES, timestampType }),
      ),
    );
    for (const [index, { real, count, codec, timestampType }] of variants.entries()) {
      const batch = stored(answers[index] ?? '');
      const label = `${count} records, ${codec}, ${timestampType}`;
      expect(CODEC_NAMES[batch.readUInt16BE(21) % 8], label).toBe(codec);
      expect(read(batch, true), label).toEqual(pointerReading(real));
    }
  });

  test('are known after the cleaner took all records but the first ones, in every codec', async () => {
    const encoded = await askKafka(
      cases.flatMap(({ placeholder }) =>
        CODEC_NAMES.map((codec) => appendRequest(placeholder, codec, RULES)),
      ),
    );
    const requests = encoded.flatMap((answer) =>
      [1, 20].map((keep) => `compact ${keep} ${stored(answer).toString('hex')}`),
    );
    const compacted = await askKafka(requests);
    for (const [index, { real, count }] of cases.entries()) {
      for (let variant = 0; variant < 2 * CODEC_NAMES.length; variant++) {
        const answer = compacted[2 * CODEC_NAMES.length * index + variant] ?? '';
        const batch = Buffer.from(answer, 'hex');
        expect(recordCount(batch)).toBe(variant % 2 === 0 ? 1 : Math.min(count, 20));
        expect(read(batch, true)).toEqual(pointerReading(real));
        const restored = Buffer.concat(restoreBatch(real, batch));
        expect(restored.subarray(17)).toEqual(real.subarray(17));
      }
    }
  });
});

describe('a restored batch', () => {
  const codecs: readonly CompressionCodec[] = Object.values(CODEC);
  const headers: readonly RecordBatchHeader[] = [
    {},
    { transactional: true, producerId: 5n, producerEpoch: 1, baseSequence: 9 },
    { maxTimestamp: -1n },
    { maxTimestamp: NOW + 1_000_000n },
  ];
  const reals = [1, 2, 30, 200].flatMap((count) =>
    codecs.flatMap((codec) => headers.map((header) => realBatch(count, { ...header, codec }))),
  );

  test.each(TIMESTAMP_TYPES)('is byte for byte what Kafka would have stored (%s)', async (type) => {
    const rules = { ...RULES, timestampType: type };
    const answers = await askKafka(
      reals.flatMap((real) => [
        appendRequest(real, 'producer', rules),
        appendRequest(validPlaceholder(real, true), 'producer', rules),
      ]),
    );
    for (const [index, real] of reals.entries()) {
      const expected = stored(answers[2 * index] ?? '');
      const placeholder = stored(answers[2 * index + 1] ?? '');
      expect(Buffer.concat(restoreBatch(real, placeholder))).toEqual(expected);
      expect(expected.readBigInt64BE(0)).toBe(NEXT_OFFSET);
      expect(expected.readInt32BE(12)).toBe(LEADER_EPOCH);
    }
  });
});
