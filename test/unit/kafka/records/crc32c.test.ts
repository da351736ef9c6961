import { randomBytes } from 'node:crypto';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { crc32c, crc32cOfChunks } from '../../../../kafka/index.ts';
import { joinedCrc32c } from '../../../../kafka/records/crc32c.ts';

test('the checksum is CRC-32C, as its check value says', () => {
  expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283);
});

test('chunks have the checksum of the bytes they are cut from', () => {
  const bytes = randomBytes(10_000);
  const chunks = [bytes.subarray(0, 1), bytes.subarray(1, 1), bytes.subarray(1, 777)];
  expect(crc32cOfChunks([...chunks, bytes.subarray(777)])).toBe(crc32c(bytes));
  expect(crc32cOfChunks([])).toBe(0);
});

test('the checksum of two pieces follows from theirs, wherever they are cut', () => {
  const bytes = randomBytes(300_000);
  const cuts = fc.oneof(fc.nat({ max: 100 }), fc.nat({ max: bytes.length }));
  fc.assert(
    fc.property(cuts, cuts, (some, others) => {
      const [cut, end] = some < others ? [some, others] : [others, some];
      const behind = crc32c(bytes.subarray(cut, end));
      const joined = joinedCrc32c(crc32c(bytes.subarray(0, cut)), behind, end - cut);
      expect(joined).toBe(crc32c(bytes.subarray(0, end)));
    }),
  );
});
