import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { fileCreatedMs, fileIdOf, newFileId, walKey } from '../../../storage/index.ts';

const createdMs = fc.nat({ max: 2 ** 31 }).map((ms) => ms * 2000);
const random22 = fc.nat({ max: 2 ** 22 - 1 });

test('an id gives back its time, and its key gives back the id', () => {
  fc.assert(
    fc.property(createdMs, random22, (ms, random) => {
      const fileId = newFileId(ms, random);
      expect(fileCreatedMs(fileId)).toBe(ms);
      expect(fileIdOf(walKey(fileId))).toBe(fileId);
    }),
  );
});

test('keys sort by time', () => {
  fc.assert(
    fc.property(createdMs, random22, random22, (ms, one, other) => {
      expect(walKey(newFileId(ms, one)) < walKey(newFileId(ms + 1, other))).toBe(true);
    }),
  );
});

test('a key of anything else has no id', () => {
  for (const key of ['wal/', 'wal/123', 'wal/00000000000000zz', 'x/wal/0123456789abcdef', '']) {
    expect(fileIdOf(key)).toBeUndefined();
  }
});

test('times and random numbers that do not fit are refused', () => {
  for (const [ms, random] of [
    [2 ** 42, 0],
    [-1, 0],
    [0.5, 0],
    [0, 2 ** 22],
    [0, -1],
  ] as const) {
    expect(() => newFileId(ms, random)).toThrow();
  }
});
