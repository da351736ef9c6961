import { gzipSync } from 'node:zlib';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  CODEC,
  KafkaErrorCode,
  batchCrc,
  buildRecordBatch,
  computeBatchCrc,
  validateBatch,
} from '../../../../kafka/index.ts';
import type {
  KafkaRecord,
  RecordBatchHeader,
  Validation,
  ValidationRules,
} from '../../../../kafka/index.ts';
import { writeVarlong } from '../../../../kafka/records/varint.ts';
import { CODECS, batchHeaders, recordLists } from './arbitraries.ts';

const NOW_MS = 1_764_000_000_000;
const NOW = BigInt(NOW_MS);
const RULES: ValidationRules = {
  maxMessageBytes: 1_048_588,
  keyRequired: false,
  timestampType: 'CreateTime',
  timestampBeforeMaxMs: Number.MAX_SAFE_INTEGER,
  timestampAfterMaxMs: 3_600_000,
  nowMs: NOW_MS,
  produceVersion: 12,
};
const KEYED: readonly Partial<KafkaRecord>[] = [
  { key: Buffer.from('a') },
  { key: Buffer.from('b'), timestampDelta: 20 },
  { key: Buffer.from('c'), timestampDelta: -30 },
];

function batchOf(header: RecordBatchHeader = {}, list = KEYED): Buffer {
  return buildRecordBatch({ baseTimestamp: NOW, ...header }, list);
}

/** Changes a batch and makes its checksum right again. */
function changed(batch: Buffer, change: (bytes: Buffer) => void): Buffer {
  const bytes = Buffer.from(batch);
  change(bytes);
  bytes.writeUInt32BE(computeBatchCrc(bytes, 0, bytes.length), 17);
  return bytes;
}

function withBody(batch: Buffer, body: Buffer): Buffer {
  return changed(Buffer.concat([batch.subarray(0, 61), body]), (bytes) => {
    bytes.writeInt32BE(bytes.length - 12, 8);
  });
}

function check(batch: Buffer, rules: Partial<ValidationRules> = {}): Validation {
  return validateBatch(batch, { ...RULES, ...rules });
}

function expectInvalid(validation: Validation, reason: string, errorCode: number): void {
  expect(validation).toMatchObject({ kind: 'invalid', reason, errorCode });
}

test('good batches are valid in every codec, and tell their largest timestamp', () => {
  for (const codec of CODECS) {
    for (const header of [{}, { producerId: 5n, producerEpoch: 0, baseSequence: 0 }]) {
      const validation = check(batchOf({ ...header, codec, transactional: true }));
      expect(validation).toEqual({ kind: 'valid', maxTimestamp: NOW + 20n });
    }
  }
});

test('a header with a wrong maximum timestamp is valid, and the true one is told', () => {
  for (const maxTimestamp of [-1n, 0n, NOW + 10_000_000n]) {
    expect(check(batchOf({ maxTimestamp }))).toEqual({ kind: 'valid', maxTimestamp: NOW + 20n });
  }
});

test('what is not a single batch of the current format goes to the broker', () => {
  const batch = batchOf();
  const old = changed(batch, (bytes) => bytes.writeInt8(1, 16));
  const inputs = [
    Buffer.alloc(0),
    batch.subarray(0, 60),
    batch.subarray(0, -1),
    Buffer.concat([batch, batch]),
    Buffer.concat([batch, Buffer.alloc(1)]),
    old,
  ];
  for (const input of inputs) expect(check(input).kind).toBe('unchecked');
});

test('what the broker would store other than as sent goes to the broker', () => {
  const jumping = KEYED.map((record, index) => ({
    ...record,
    offsetDelta: index === 1 ? 9 : index,
  }));
  const late = [{ timestampDelta: 5 }, { timestampDelta: 6 }];
  const early = [{ timestampDelta: -5 }, { timestampDelta: -6 }];
  const far = Buffer.alloc(16);
  const farBytes = writeVarlong(far, 2, 2n ** 60n) + 4;
  far.writeUInt8(2 * (farBytes - 1), 0);
  far.set([0, 1, 1, 0], farBytes - 4);
  const reasons = new Set<string>();
  const batches = {
    'offset deltas that jump': batchOf({ lastOffsetDelta: 2 }, jumping),
    'a base timestamp before all records': batchOf({}, late),
    'a base timestamp after all records': batchOf({}, early),
    'a negative base timestamp': batchOf({ baseTimestamp: -2n }, [{}]),
    'a timestamp type': batchOf({ logAppendTime: true }),
    'timestamps too far apart': withBody(batchOf({}, [{}]), far.subarray(0, farBytes)),
    'a delete horizon': batchOf({ deleteHorizon: true }),
    'a codec that nobody knows': changed(batchOf(), (bytes) => bytes.writeUInt16BE(5, 21)),
    'a body that does not decode': changed(batchOf(), (bytes) => bytes.writeUInt16BE(1, 21)),
  };
  for (const [what, batch] of Object.entries(batches)) {
    const validation = check(batch, { timestampAfterMaxMs: 2 ** 63 });
    expect(validation.kind, what).toBe('unchecked');
    if (validation.kind === 'unchecked') reasons.add(validation.why);
  }
  expect(reasons.size).toBe(Object.keys(batches).length - 1);
});

test('a bomb goes to the broker', () => {
  const bomb = batchOf({ codec: CODEC.zstd }, [{ value: Buffer.alloc(40 * 2 ** 20) }]);
  expect(check(bomb)).toEqual({ kind: 'unchecked', why: 'compressed records: too-large' });
});

test('headers that the broker refuses are refused with its error', () => {
  const { INVALID_RECORD, CORRUPT_MESSAGE, MESSAGE_TOO_LARGE } = KafkaErrorCode;
  const batch = batchOf();
  const wrongCrc = Buffer.from(batch);
  wrongCrc.writeUInt32BE(batchCrc(batch) ^ 1, 17);
  expectInvalid(check(wrongCrc), 'checksum', CORRUPT_MESSAGE);
  expectInvalid(
    check(batch, { maxMessageBytes: batch.length - 1 }),
    'too-large',
    MESSAGE_TOO_LARGE,
  );
  expect(check(batch, { maxMessageBytes: batch.length }).kind).toBe('valid');
  expectInvalid(check(batchOf({ baseOffset: 1n })), 'base-offset', INVALID_RECORD);
  expectInvalid(check(batchOf({ control: true })), 'control', INVALID_RECORD);
  expectInvalid(check(batchOf({ lastOffsetDelta: 3 })), 'offset-range', INVALID_RECORD);
  expectInvalid(check(batchOf({}, [])), 'offset-range', INVALID_RECORD);
  const negative = changed(batch, (bytes) => bytes.writeInt32BE(-1, 57));
  expectInvalid(check(negative), 'offset-range', INVALID_RECORD);
  expectInvalid(check(batchOf({ producerId: 0n })), 'sequence', INVALID_RECORD);
  const zstd = batchOf({ codec: CODEC.zstd });
  const { UNSUPPORTED_COMPRESSION_TYPE } = KafkaErrorCode;
  expectInvalid(check(zstd, { produceVersion: 6 }), 'codec-too-new', UNSUPPORTED_COMPRESSION_TYPE);
  expect(check(zstd, { produceVersion: 7 }).kind).toBe('valid');
});

test('a body that is not exactly the records announced is refused', () => {
  const batch = batchOf();
  const { INVALID_RECORD } = KafkaErrorCode;
  const counts = changed(batch, (bytes) => {
    bytes.writeInt32BE(1, 23);
    bytes.writeInt32BE(2, 57);
  });
  expectInvalid(check(counts), 'malformed', INVALID_RECORD);
  const damaged = changed(batch, (bytes) => bytes.writeUInt8(99, 61));
  expectInvalid(check(damaged), 'malformed', INVALID_RECORD);
});

test('records without a key are refused on compacted topics, each by its index', () => {
  const list = [{ key: Buffer.from('a') }, { key: null }, { key: Buffer.alloc(0) }, { key: null }];
  for (const codec of CODECS) {
    const batch = batchOf({ codec }, list);
    expect(check(batch).kind).toBe('valid');
    const validation = check(batch, { keyRequired: true });
    expectInvalid(validation, 'key-missing', KafkaErrorCode.INVALID_RECORD);
    if (validation.kind !== 'invalid') throw new Error('unreachable');
    expect(validation.recordErrors.map(({ batchIndex }) => batchIndex)).toEqual([1, 3]);
  }
});

test('timestamps are judged by the topic, each by its index, up to the millisecond', () => {
  const deltas = [0, -10, -11, 20, 21].map((timestampDelta) => ({ timestampDelta }));
  const rules = { timestampBeforeMaxMs: 10, timestampAfterMaxMs: 20 };
  const validation = check(batchOf({}, deltas), rules);
  expectInvalid(validation, 'timestamp', KafkaErrorCode.INVALID_TIMESTAMP);
  if (validation.kind !== 'invalid') throw new Error('unreachable');
  expect(validation.recordErrors.map(({ batchIndex }) => batchIndex)).toEqual([2, 4]);
  expect(check(batchOf({}, deltas), { ...rules, timestampType: 'LogAppendTime' }).kind).toBe(
    'valid',
  );
});

test('records without a timestamp are never out of range', () => {
  const rules = { timestampBeforeMaxMs: 0, timestampAfterMaxMs: 0 };
  const validation = check(batchOf({ baseTimestamp: -1n }, [{}, {}]), rules);
  expect(validation).toEqual({ kind: 'valid', maxTimestamp: -1n });
});

test('a missing key counts before a wrong timestamp, a wrong timestamp names the error', () => {
  const list = [{ timestampDelta: 0 }, { key: Buffer.from('k'), timestampDelta: 99 }];
  const validation = check(batchOf({}, list), { keyRequired: true, timestampAfterMaxMs: 10 });
  expectInvalid(validation, 'timestamp', KafkaErrorCode.INVALID_TIMESTAMP);
  if (validation.kind !== 'invalid') throw new Error('unreachable');
  expect(validation.recordErrors).toHaveLength(2);
});

test('the list of record errors is bounded', () => {
  const list = Array.from({ length: 5_000 }, () => ({}));
  const validation = check(batchOf({}, list), { keyRequired: true });
  if (validation.kind !== 'invalid') throw new Error(validation.kind);
  expect(validation.recordErrors).toHaveLength(1_000);
});

test('timestamps in nanoseconds are judged exactly', () => {
  const baseTimestamp = NOW * 1_000_000n + 1n;
  const list = [{ timestampDelta: 0 }, { timestampDelta: 999_999_999 }];
  const validation = check(batchOf({ baseTimestamp }, list), {
    timestampAfterMaxMs: Number(2n ** 63n - 1n),
  });
  expect(validation).toEqual({ kind: 'valid', maxTimestamp: baseTimestamp + 999_999_999n });
});

test('any bytes have an outcome, never an error of their own', () => {
  fc.assert(
    fc.property(batchHeaders, recordLists, fc.nat(), fc.nat(), (header, list, where, byte) => {
      const real = buildRecordBatch(header, list);
      const at = 17 + (where % (real.length - 17));
      const damaged = changed(real, (bytes) => bytes.writeUInt8(byte % 256, at));
      expect(['valid', 'invalid', 'unchecked']).toContain(check(damaged).kind);
    }),
    { numRuns: 1000 },
  );
});

test('trailing bytes in a compressed body are refused', () => {
  const plain = batchOf();
  const body = gzipSync(Buffer.concat([plain.subarray(61), Buffer.from([0, 0])]));
  const batch = changed(withBody(plain, body), (bytes) => bytes.writeUInt16BE(CODEC.gzip, 21));
  expectInvalid(check(batch), 'malformed', KafkaErrorCode.INVALID_RECORD);
});
