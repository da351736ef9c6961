import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { FsObjectStore, proveStore, type ObjectStore } from '../../../storage/index.ts';
import { SlowStore } from '../../support/slow-store.ts';
import { listKeys, outcomeCode } from './object-store-suite.ts';

let root: string;
let store: FsObjectStore;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'outrigger-prove-'));
  store = await FsObjectStore.open({ root, now: () => Date.now(), random: randomBytes });
});

afterEach(async () => {
  expect(await listKeys(store, '')).toEqual([]);
  await rm(root, { recursive: true });
});

/** The store, with some of its calls replaced. */
function broken(overrides: Partial<ObjectStore>): ObjectStore {
  return {
    location: store.location,
    put: store.put.bind(store),
    putIfAbsent: store.putIfAbsent.bind(store),
    get: store.get.bind(store),
    getRange: store.getRange.bind(store),
    head: store.head.bind(store),
    delete: store.delete.bind(store),
    list: store.list.bind(store),
    close: store.close.bind(store),
    ...overrides,
  };
}

test('a store that ignores the condition is refused', async () => {
  const ignoring = broken({
    putIfAbsent: async (key, body) => {
      await store.put(key, body);
      return { kind: 'stored' };
    },
  });
  expect(await outcomeCode(proveStore(ignoring, randomBytes))).toBe(
    'STORAGE_CONDITIONAL_WRITES_UNSUPPORTED',
  );
});

test('a store whose condition does not hold among concurrent puts is refused', async () => {
  const racy = broken({
    putIfAbsent: async (key, body) => {
      const found = await store.head(key);
      if (found.kind === 'found') return { kind: 'exists' };
      await store.put(key, body);
      return { kind: 'stored' };
    },
  });
  expect(await outcomeCode(proveStore(racy, randomBytes))).toBe(
    'STORAGE_CONDITIONAL_WRITES_UNSUPPORTED',
  );
});

test('a store that does not know the condition is refused', async () => {
  const slow = new SlowStore(store);
  slow.failNext('putIfAbsent', 100, 'STORAGE_REFUSED');
  expect(await outcomeCode(proveStore(slow, randomBytes))).toBe(
    'STORAGE_CONDITIONAL_WRITES_UNSUPPORTED',
  );
});

test('a store that returns the whole object, or old bytes, is refused', async () => {
  const whole = broken({ getRange: async (key) => await store.get(key) });
  expect(await outcomeCode(proveStore(whole, randomBytes))).toBe('STORAGE_INCONSISTENT');
  const stale = broken({ put: async () => undefined });
  expect(await outcomeCode(proveStore(stale, randomBytes))).toBe('STORAGE_INCONSISTENT');
  const forgetful = broken({ get: async () => ({ kind: 'missing' }) });
  expect(await outcomeCode(proveStore(forgetful, randomBytes))).toBe('STORAGE_INCONSISTENT');
});

test('a store that cannot be reached is reported as that', async () => {
  const slow = new SlowStore(store);
  slow.failNext('putIfAbsent', 1, 'STORAGE_DENIED');
  expect(await outcomeCode(proveStore(slow, randomBytes))).toBe('STORAGE_DENIED');
  slow.outage = true;
  expect(await outcomeCode(proveStore(slow, randomBytes))).toBe('STORAGE_UNAVAILABLE');
});
