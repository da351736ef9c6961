import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  VarintCursor,
  varintBytes,
  varlongBytes,
  writeVarint,
  writeVarlong,
} from '../../../../kafka/records/varint.ts';

const INT32_MIN = -(2 ** 31);
const INT32_MAX = 2 ** 31 - 1;

function cursorOver(bytes: Buffer): VarintCursor {
  return new VarintCursor(bytes, 0, bytes.length);
}

test('every 32-bit integer reads as it was written, in the bytes announced', () => {
  const integers = fc.oneof(fc.integer(), fc.constantFrom(INT32_MIN, INT32_MAX, 0, -1, 63, 64));
  fc.assert(
    fc.property(integers, (value) => {
      const out = Buffer.alloc(5);
      const end = writeVarint(out, 0, value);
      expect(end).toBe(varintBytes(value));
      expect(cursorOver(out.subarray(0, end)).readVarint()).toBe(value);
    }),
  );
});

test('every safe 64-bit integer reads exactly, others about, in the bytes announced', () => {
  const integers = fc.oneof(
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    fc.maxSafeInteger().map(BigInt),
    fc.integer().map(BigInt),
    fc.constantFrom(2n ** 53n - 1n, 1n - 2n ** 53n, 2n ** 27n, -(2n ** 27n), 2n ** 28n),
  );
  fc.assert(
    fc.property(integers, (value) => {
      const out = Buffer.alloc(10);
      const end = writeVarlong(out, 0, value);
      expect(end).toBe(varlongBytes(value));
      const read = cursorOver(out.subarray(0, end)).readVarlong();
      if (Number.isSafeInteger(Number(value))) expect(BigInt(read)).toBe(value);
      else expect(Math.abs(read - Number(value))).toBeLessThanOrEqual(Math.abs(read) * 2 ** -50);
    }),
    { numRuns: 1000 },
  );
});

test('a varint that is too long, or cut short, is refused', () => {
  const corrupt = expect.objectContaining({ code: 'KAFKA_BATCH_CORRUPT' });
  const long = Buffer.alloc(11, 0x80);
  expect(() => cursorOver(long).readVarint()).toThrow(corrupt);
  expect(() => cursorOver(long).readVarlong()).toThrow(corrupt);
  expect(() => cursorOver(long.subarray(0, 3)).readVarint()).toThrow(corrupt);
  expect(() => cursorOver(long.subarray(0, 8)).readVarlong()).toThrow(corrupt);
  expect(() => new VarintCursor(Buffer.alloc(9), 4, 4).readVarint()).toThrow(corrupt);
});
