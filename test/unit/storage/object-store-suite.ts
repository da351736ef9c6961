/**
 * What every object store promises, as tests. They run on the filesystem store in unit tests and
 * on an S3 server in integration tests; each uses a folder of its own, so the store may be shared.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { crc32c } from '@node-rs/crc32';
import { expect, test } from 'vitest';
import {
  openBucket,
  proveStore,
  TopicRecordStore,
  type ObjectStore,
} from '../../../storage/index.ts';

const RACERS = 20;

/** @returns the code of the error that the call ends with, or `accepted` */
export async function outcomeCode(call: Promise<unknown>): Promise<string> {
  try {
    await call;
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : String(error);
  }
  return 'accepted';
}

/** @returns the keys below a prefix, in the order listed */
export async function listKeys(
  store: ObjectStore,
  prefix: string,
  startAfter?: string,
): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list(prefix, { startAfter })) keys.push(key);
  return keys;
}

/** @param getStore called within tests, after the hooks that open the store */
export function describeObjectStore(getStore: () => ObjectStore): void {
  const folder = (): string => `suite/${randomUUID()}`;

  test('what was put is read back, whole and in ranges', async () => {
    const store = getStore();
    const key = `${folder()}/object`;
    const body = randomBytes(100_000);
    await store.put(key, body);
    expect(await store.get(key)).toEqual({ kind: 'found', bytes: body });
    for (const [position, length] of [
      [0, 1],
      [0, 100_000],
      [12_345, 54_321],
      [99_999, 1],
      [99_000, 5_000],
    ] as const) {
      const bytes = body.subarray(position, position + length);
      expect(await store.getRange(key, position, length)).toEqual({ kind: 'found', bytes });
    }
  });

  test('a range at or past the end of an object is empty', async () => {
    const store = getStore();
    const key = `${folder()}/object`;
    await store.put(key, Buffer.from('ten bytes.'));
    const empty = { kind: 'found', bytes: Buffer.alloc(0) };
    expect(await store.getRange(key, 10, 5)).toEqual(empty);
    expect(await store.getRange(key, 1000, 5)).toEqual(empty);
  });

  test('an empty object is an object', async () => {
    const store = getStore();
    const key = `${folder()}/empty`;
    await store.put(key, Buffer.alloc(0));
    expect(await store.get(key)).toEqual({ kind: 'found', bytes: Buffer.alloc(0) });
    expect(await store.head(key)).toMatchObject({ kind: 'found', byteCount: 0 });
  });

  test('a body in many pieces is stored as one', async () => {
    const store = getStore();
    const key = `${folder()}/pieces`;
    const pieces = Array.from({ length: 3000 }, (_, index) => Buffer.alloc(index % 7, index));
    const whole = Buffer.concat(pieces);
    await store.put(key, pieces, { crc32c: crc32c(whole) });
    expect(await store.get(key)).toEqual({ kind: 'found', bytes: whole });
  });

  test('an object of 8 MiB goes in and out', async () => {
    const store = getStore();
    const key = `${folder()}/large`;
    const body = randomBytes(8 * 1024 * 1024);
    expect(await store.putIfAbsent(key, body, { crc32c: crc32c(body) })).toEqual({
      kind: 'stored',
    });
    const outcome = await store.get(key);
    expect(outcome.kind === 'found' && outcome.bytes.equals(body)).toBe(true);
  });

  test('what is not there is missing, and deleting it is no error', async () => {
    const store = getStore();
    const key = `${folder()}/nothing`;
    expect(await store.get(key)).toEqual({ kind: 'missing' });
    expect(await store.getRange(key, 0, 10)).toEqual({ kind: 'missing' });
    expect(await store.head(key)).toEqual({ kind: 'missing' });
    await store.delete([key]);
  });

  test('a put replaces what was there', async () => {
    const store = getStore();
    const key = `${folder()}/object`;
    await store.put(key, Buffer.from('a longer first value'));
    await store.put(key, Buffer.from('second'));
    expect(await store.get(key)).toEqual({ kind: 'found', bytes: Buffer.from('second') });
  });

  test('a put-if-absent never replaces what was there', async () => {
    const store = getStore();
    const key = `${folder()}/object`;
    expect(await store.putIfAbsent(key, Buffer.from('first'))).toEqual({ kind: 'stored' });
    expect(await store.putIfAbsent(key, Buffer.from('second'))).toEqual({ kind: 'exists' });
    expect(await store.get(key)).toEqual({ kind: 'found', bytes: Buffer.from('first') });
  });

  test(`of ${RACERS} concurrent put-if-absents one stores, and its bytes stay`, async () => {
    const store = getStore();
    const parent = folder();
    for (let round = 0; round < 5; round++) {
      const key = `${parent}/new-folder-${round}/object`;
      const bodies = Array.from({ length: RACERS }, (_, index) => Buffer.alloc(50_000, index));
      const outcomes = await Promise.all(
        bodies.map(async (body) => await store.putIfAbsent(key, body)),
      );
      const winners = bodies.filter((_body, index) => outcomes[index]?.kind === 'stored');
      expect(winners).toHaveLength(1);
      expect(await store.get(key)).toEqual({ kind: 'found', bytes: winners[0] });
    }
  });

  test('bytes that do not have the CRC32C given are refused, and nothing is stored', async () => {
    const store = getStore();
    const key = `${folder()}/object`;
    const body = randomBytes(10_000);
    const options = { crc32c: (crc32c(body) ^ 1) >>> 0 };
    expect(await outcomeCode(store.put(key, body, options))).toBe('STORAGE_CORRUPT');
    expect(await outcomeCode(store.putIfAbsent(key, body, options))).toBe('STORAGE_CORRUPT');
    expect(await store.get(key)).toEqual({ kind: 'missing' });
  });

  test('head tells size and age', async () => {
    const store = getStore();
    const key = `${folder()}/object`;
    await store.put(key, Buffer.alloc(1234));
    const outcome = await store.head(key);
    expect(outcome).toMatchObject({ kind: 'found', byteCount: 1234 });
    if (outcome.kind === 'found') expect(outcome.modifiedMs).toBeGreaterThan(1_500_000_000_000);
  });

  test('deleted objects are gone, the others stay', async () => {
    const store = getStore();
    const parent = folder();
    const keys = Array.from({ length: 7 }, (_, index) => `${parent}/${index}`);
    for (const key of keys) await store.put(key, Buffer.from(key));
    await store.delete(keys.slice(0, 5));
    await store.delete(keys.slice(4, 6));
    await store.delete([]);
    expect(await listKeys(store, `${parent}/`)).toEqual(keys.slice(6));
  });

  test('a listing has all keys of a prefix in byte order, and can be continued', async () => {
    const store = getStore();
    const parent = folder();
    const names = [
      'a-b',
      'a/b',
      'a/c/d',
      'a.b',
      'ab',
      'b',
      'B',
      '0',
      '_',
      'a-/z',
      'wal/0',
      'wal/1',
    ];
    const keys = names.map((name) => `${parent}/${name}`).sort();
    for (const key of keys) await store.put(key, Buffer.alloc(3));
    expect(await listKeys(store, `${parent}/`)).toEqual(keys);
    expect(await listKeys(store, `${parent}/a`)).toEqual(
      keys.filter((key) => key.startsWith(`${parent}/a`)),
    );
    expect(await listKeys(store, `${parent}/wal/`)).toHaveLength(2);
    expect(await listKeys(store, `${parent}/nothing`)).toEqual([]);
    for (const after of [...keys, `${parent}/a`, `${parent}/a/`, `${parent}/zzz`]) {
      const expected = keys.filter((key) => key > after);
      expect(await listKeys(store, `${parent}/`, after)).toEqual(expected);
    }
    for await (const { byteCount } of store.list(`${parent}/`)) expect(byteCount).toBe(3);
  });

  test('a listing of many pages is complete, and so is the deletion of as many keys', async () => {
    const store = getStore();
    const parent = folder();
    const keys = Array.from({ length: 1100 }, (_, i) => `${parent}/${String(i).padStart(5, '0')}`);
    const rest = [...keys];
    const putAll = async (): Promise<void> => {
      for (let key = rest.pop(); key !== undefined; key = rest.pop()) {
        await store.put(key, Buffer.from('x'));
      }
    };
    await Promise.all(Array.from({ length: 16 }, putAll));
    expect(await listKeys(store, `${parent}/`)).toEqual(keys);
    await store.delete(keys);
    expect(await listKeys(store, `${parent}/`)).toEqual([]);
  });

  test('keys that are no plain relative paths are refused', async () => {
    const store = getStore();
    const wrong = ['', '/', '/a', 'a/', 'a//b', '..', 'a/../b', './a', 'a b', 'a\\b', 'ä', 'a\0b'];
    for (const key of [...wrong, '~tmp/x', 'x'.repeat(256), 'x/'.repeat(500)]) {
      expect(await outcomeCode(store.put(key, Buffer.alloc(1)))).toBe('STORAGE_KEY_INVALID');
      expect(await outcomeCode(store.putIfAbsent(key, Buffer.alloc(1)))).toBe(
        'STORAGE_KEY_INVALID',
      );
      expect(await outcomeCode(store.get(key))).toBe('STORAGE_KEY_INVALID');
      expect(await outcomeCode(store.getRange(key, 0, 1))).toBe('STORAGE_KEY_INVALID');
      expect(await outcomeCode(store.head(key))).toBe('STORAGE_KEY_INVALID');
      expect(await outcomeCode(store.delete([key]))).toBe('STORAGE_KEY_INVALID');
    }
  });

  test('a range is read into memory that the caller makes', async () => {
    const store = getStore();
    const key = `${folder()}/object`;
    await store.put(key, Buffer.from('0123456789'));
    const made: Buffer[] = [];
    const allocate = (byteCount: number): Buffer => {
      const memory = Buffer.alloc(byteCount, 'x');
      made.push(memory);
      return memory;
    };
    const outcome = await store.getRange(key, 7, 5, { allocate });
    expect(outcome).toEqual({ kind: 'found', bytes: Buffer.from('789') });
    expect(made).toEqual([Buffer.from('789')]);
    expect(outcome.kind === 'found' && outcome.bytes.buffer === made[0]?.buffer).toBe(true);
  });

  test('a call whose signal has fired does nothing', async () => {
    const store = getStore();
    const parent = folder();
    const key = `${parent}/object`;
    const options = { signal: AbortSignal.abort() };
    for (const call of [
      async () => await store.put(key, Buffer.alloc(1), options),
      async () => await store.putIfAbsent(key, Buffer.alloc(1), options),
      async () => await store.get(key, options),
      async () => await store.getRange(key, 0, 1, options),
      async () => await store.head(key, options),
      async () => await store.delete([key], options),
      async () => await store.list(parent, options)[Symbol.asyncIterator]().next(),
    ]) {
      expect(await outcomeCode(call())).toBe('STORAGE_ABORTED');
    }
    expect(await store.get(key)).toEqual({ kind: 'missing' });
  });

  test('the proof of a store succeeds and leaves nothing behind', async () => {
    const store = getStore();
    await proveStore(store, randomBytes);
    expect(await listKeys(store, 'probe/')).toEqual([]);
  });

  test('members that start at once on an empty bucket agree on identity and tag key', async () => {
    const store = getStore();
    const dependencies = { random: randomBytes, now: () => Date.now() };
    const opened = await Promise.all(
      Array.from({ length: 10 }, async () => await openBucket(store, 'cluster-1', dependencies)),
    );
    for (const bucket of opened) expect(bucket).toEqual(opened[0]);
    expect(opened[0]?.keyRing).toHaveLength(1);
    expect(await openBucket(store, 'cluster-1', dependencies)).toEqual(opened[0]);
    const foreign = openBucket(store, 'cluster-2', dependencies);
    expect(await outcomeCode(foreign)).toBe('STORAGE_FOREIGN_BUCKET');
  });

  test('topic records are kept by topic id', async () => {
    const topics = new TopicRecordStore(getStore());
    const topicId = randomBytes(16).toString('base64url');
    const configs = { 'retention.bytes': '1000', 'cleanup.policy': 'compact' };
    const record = { topicId, name: 'orders', diskless: true, configs, updatedAtMs: 5, version: 1 };
    expect(await topics.get(topicId)).toBeUndefined();
    await topics.put(record);
    await topics.put({ ...record, diskless: false, version: 2 });
    expect(await topics.get(topicId)).toEqual({ ...record, diskless: false, version: 2 });
    const listed: string[] = [];
    for await (const { topicId } of topics.list()) listed.push(topicId);
    expect(listed).toContain(topicId);
    await topics.delete(topicId);
    expect(await topics.get(topicId)).toBeUndefined();
  });
}
