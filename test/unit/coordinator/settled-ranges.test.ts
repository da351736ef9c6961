import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { StoreSettledRangeClaims } from '../../../coordinator/index.ts';
import { FsObjectStore, type ObjectStore } from '../../../storage/index.ts';

let dir: string;
let store: ObjectStore;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'outrigger-ranges-'));
  store = await FsObjectStore.open({ root: dir, random: randomBytes, now: Date.now });
});
afterEach(async () => {
  await store.close();
  await rm(dir, { recursive: true, force: true });
});

test('no two claims get the same range, however many come at once', async () => {
  const claims = Array.from({ length: 12 }, () => new StoreSettledRangeClaims(store, 'cluster'));
  const ranges = await Promise.all(claims.map(async (claim) => claim.claim(0)));
  expect(new Set(ranges)).toEqual(new Set(Array.from({ length: 12 }, (_, index) => index + 1)));
});

test('a claim is above what Redis counted and above what the bucket remembers', async () => {
  const claims = new StoreSettledRangeClaims(store, 'cluster');
  expect(await claims.claim(41)).toBe(42);
  expect(await claims.claim(0)).toBe(43);
  expect(await new StoreSettledRangeClaims(store, 'cluster').claim(0)).toBe(44);
});

test('a listing that lags costs tries, not uniqueness', async () => {
  const claims = new StoreSettledRangeClaims(store, 'cluster');
  await claims.claim(0);
  await claims.claim(0);
  const lagging: ObjectStore = Object.create(store, {
    list: {
      value: async function* none() {
        // Nothing is listed yet.
      },
    },
    putIfAbsent: { value: store.putIfAbsent.bind(store) },
  });
  expect(await new StoreSettledRangeClaims(lagging, 'cluster').claim(0)).toBe(3);
});
