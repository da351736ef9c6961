import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { FORMAT_LEVEL, FsObjectStore, openBucket } from '../../../storage/index.ts';
import { SlowStore } from '../../support/slow-store.ts';
import { listKeys, outcomeCode } from './object-store-suite.ts';

const dependencies = { random: randomBytes, now: () => Date.UTC(2026, 10, 22) };
let root: string;
let store: FsObjectStore;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'outrigger-bucket-'));
  store = await FsObjectStore.open({ root, now: () => Date.now(), random: randomBytes });
});

afterEach(async () => {
  await rm(root, { recursive: true });
});

async function putJson(key: string, value: unknown): Promise<void> {
  await store.put(key, Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)));
}

test('an empty bucket gets an identity and one tag key of 32 bytes', async () => {
  const { identity, keyRing } = await openBucket(store, 'cluster', dependencies);
  expect(identity).toEqual({
    clusterId: 'cluster',
    formatLevel: FORMAT_LEVEL,
    createdAt: '2026-11-22T00:00:00.000Z',
  });
  expect(keyRing.map(({ id, secret }) => [id, secret.length])).toEqual([[0, 32]]);
  expect(await listKeys(store, '')).toEqual(['bucket.json', 'keys/00.json']);
});

test('the whole key ring is read, in order', async () => {
  await openBucket(store, 'cluster', dependencies);
  const secrets = Array.from({ length: 20 }, () => randomBytes(32));
  for (const [index, secret] of secrets.entries()) {
    const id = index + 1;
    const key = `keys/${id.toString(16).padStart(2, '0')}.json`;
    await putJson(key, { id, secret: secret.toString('base64') });
  }
  const { keyRing } = await openBucket(store, 'cluster', dependencies);
  expect(keyRing.map(({ id }) => id)).toEqual(Array.from({ length: 21 }, (_, id) => id));
  expect(keyRing.slice(1).map(({ secret }) => secret)).toEqual(secrets);
});

test('a bucket of another cluster is refused with both ids, and left alone', async () => {
  await openBucket(store, 'theirs', dependencies);
  const refusal = openBucket(store, 'ours', dependencies);
  await expect(refusal).rejects.toMatchObject({
    code: 'STORAGE_FOREIGN_BUCKET',
    message: expect.stringMatching(/theirs.*ours/s),
  });
});

test('a bucket of a newer version is refused before anything else of it is believed', async () => {
  await putJson('bucket.json', { formatLevel: FORMAT_LEVEL + 1, clusterId: { new: 'shape' } });
  expect(await outcomeCode(openBucket(store, 'cluster', dependencies))).toBe(
    'STORAGE_FORMAT_UNKNOWN',
  );
});

test('an identity that cannot be understood is refused', async () => {
  for (const value of [
    '',
    '{"clusterId": "cluster"',
    'null',
    [],
    { clusterId: 'cluster' },
    { clusterId: '', formatLevel: 1, createdAt: '2026-11-22T00:00:00.000Z' },
    { clusterId: 'cluster', formatLevel: 0, createdAt: '2026-11-22T00:00:00.000Z' },
    { clusterId: 'cluster', formatLevel: 1, createdAt: 'yesterday' },
  ]) {
    await putJson('bucket.json', value);
    expect(await outcomeCode(openBucket(store, 'cluster', dependencies))).toBe(
      'STORAGE_RECORD_CORRUPT',
    );
  }
});

test('a tag key that cannot be understood is refused, without its secret', async () => {
  await openBucket(store, 'cluster', dependencies);
  const secret = randomBytes(32).toString('base64');
  for (const value of [
    `{"id": 0, "secret": "${secret}", oops}`,
    `"${secret}`,
    secret,
    { id: 0, secret: `${secret}!` },
    { id: 0, secret: secret.slice(0, 20) },
    { id: 1, secret },
    { id: 'zero', secret },
  ]) {
    await putJson('keys/00.json', value);
    const error: unknown = await openBucket(store, 'cluster', dependencies).catch(
      (error: unknown) => error,
    );
    expect(error).toMatchObject({ code: 'STORAGE_RECORD_CORRUPT' });
    expect(error).not.toHaveProperty('cause');
    const shown = error instanceof Error ? `${error.stack} ${JSON.stringify(error)}` : '';
    expect(shown).toContain('keys/00.json');
    for (let i = 0; i < secret.length - 8; i++) {
      expect(shown).not.toContain(secret.slice(i, i + 8));
    }
  }
});

test('a bucket in use whose tag key is gone gets no new one', async () => {
  await openBucket(store, 'cluster', dependencies);
  await store.delete(['keys/00.json']);
  expect(await outcomeCode(openBucket(store, 'cluster', dependencies))).toBe(
    'STORAGE_RECORD_CORRUPT',
  );
  expect(await store.get('keys/00.json')).toEqual({ kind: 'missing' });
});

test('a first start that ended between key and identity is completed by the next', async () => {
  const secret = randomBytes(32);
  await putJson('keys/00.json', { id: 0, secret: secret.toString('base64') });
  const { keyRing } = await openBucket(store, 'cluster', dependencies);
  expect(keyRing).toEqual([{ id: 0, secret }]);
});

test('a first start whose answers are lost goes by what it then reads', async () => {
  const lossy = new SlowStore(store);
  lossy.loseNextAnswer('putIfAbsent');
  lossy.loseNextAnswer('putIfAbsent');
  const { identity } = await openBucket(lossy, 'cluster', dependencies);
  expect(identity.clusterId).toBe('cluster');
});

test('two clusters that start on one empty bucket: one gets it, the other is refused', async () => {
  const outcomes = await Promise.all(
    ['a', 'b'].map(async (id) => await outcomeCode(openBucket(store, id, dependencies))),
  );
  expect(outcomes.sort()).toEqual(['STORAGE_FOREIGN_BUCKET', 'accepted']);
});
