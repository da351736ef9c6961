import { expect, test } from 'vitest';
import { newFileId } from '../../../../storage/index.ts';
import { WalFileCache } from '../../../../proxy/read/wal-file-cache.ts';

const NOW_MS = 1_800_000_000_000;

function cacheOf(tailBytesMax: number, laggingBytesMax: number): WalFileCache {
  return new WalFileCache({
    tailBytesMax,
    laggingBytesMax,
    tailAgeMsMax: 60_000,
    wallMs: () => NOW_MS,
  });
}

test('whatever a lagging reader loads, the end of the log stays', () => {
  const cache = cacheOf(1_000, 1_000);
  const tail = Array.from({ length: 10 }, (_, index) => newFileId(NOW_MS - index * 6_000, index));
  for (const fileId of tail) cache.add(fileId, Buffer.alloc(100));
  for (let index = 0; index < 100; index++) {
    const old = newFileId(NOW_MS - 60_001 - index, index);
    cache.add(old, Buffer.alloc(100));
    expect(cache.get(old)?.length).toBe(100);
  }
  expect(tail.every((fileId) => cache.get(fileId) !== undefined)).toBe(true);
  expect(cache.stats).toEqual({
    tailFiles: 10,
    tailBytes: 1_000,
    laggingFiles: 10,
    laggingBytes: 1_000,
  });
});

test('the tail drops what came first, even if somebody still reads it', () => {
  const cache = cacheOf(300, 300);
  const [first = 0n, ...rest] = Array.from({ length: 4 }, (_, index) => newFileId(NOW_MS, index));
  cache.add(first, Buffer.alloc(100));
  for (const fileId of rest) {
    cache.get(first);
    cache.add(fileId, Buffer.alloc(100));
  }
  expect(cache.get(first)).toBe(undefined);
  expect(rest.every((fileId) => cache.get(fileId) !== undefined)).toBe(true);
});

test('a file larger than the budget is kept alone', () => {
  const cache = cacheOf(300, 300);
  cache.add(newFileId(NOW_MS, 1), Buffer.alloc(100));
  cache.add(newFileId(NOW_MS, 2), Buffer.alloc(1_000));
  expect(cache.stats.tailFiles).toBe(1);
  expect(cache.get(newFileId(NOW_MS, 2))?.length).toBe(1_000);
});

test('a file is kept once, however old it was when it came', () => {
  let nowMs = NOW_MS;
  const cache = new WalFileCache({
    tailBytesMax: 1_000,
    laggingBytesMax: 1_000,
    tailAgeMsMax: 60_000,
    wallMs: () => nowMs,
  });
  const fileId = newFileId(NOW_MS, 1);
  cache.add(fileId, Buffer.alloc(100));
  nowMs += 60_001;
  cache.add(fileId, Buffer.alloc(200));
  expect(cache.get(fileId)?.length).toBe(200);
  expect(cache.stats).toMatchObject({ tailFiles: 0, laggingFiles: 1 });
  cache.delete(fileId);
  expect(cache.get(fileId)).toBe(undefined);
});
