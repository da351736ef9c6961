import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { crc32c, crc32cOfChunks } from '../../../../kafka/index.ts';

test('the checksum is CRC-32C, as its check value says', () => {
  expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283);
});

test('chunks have the checksum of the bytes they are cut from', () => {
  const bytes = randomBytes(10_000);
  const chunks = [bytes.subarray(0, 1), bytes.subarray(1, 1), bytes.subarray(1, 777)];
  expect(crc32cOfChunks([...chunks, bytes.subarray(777)])).toBe(crc32c(bytes));
  expect(crc32cOfChunks([])).toBe(0);
});
