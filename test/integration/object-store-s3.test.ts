/** What every object store promises, on a real S3 server, and what only a real one can show. */
import { randomBytes, randomUUID } from 'node:crypto';
import { pino } from 'pino';
import { afterAll, describe, expect, inject, test } from 'vitest';
import { openStore, proveStore, type ObjectStore, type S3Settings } from '../../storage/index.ts';
import { describeObjectStore, listKeys, outcomeCode } from '../unit/storage/object-store-suite.ts';

const server = inject('s3');
const prefix = `object-store-${randomUUID()}`;
const stores: ObjectStore[] = [];

async function open(url: string, settings: S3Settings = {}): Promise<ObjectStore> {
  const { endpoint, accessKeyId, secretAccessKey } = server;
  const s3 = { endpoint, credentials: { accessKeyId, secretAccessKey }, ...settings };
  const store = await openStore(
    { url, s3 },
    { now: () => Date.now(), random: randomBytes, logger: pino({ enabled: false }) },
  );
  stores.push(store);
  return store;
}

afterAll(async () => {
  for (const store of stores) await store.close();
});

const store = await open(`s3://${server.bucket}/${prefix}/unsigned`);
const signing = await open(`s3://${server.bucket}/${prefix}/signed`, { signPayload: true });

describe('S3 store', () => {
  describeObjectStore(() => store);
});

describe('S3 store that signs payloads', () => {
  describeObjectStore(() => signing);
});

test('prefixes keep stores apart', async () => {
  const other = await open(`s3://${server.bucket}/${prefix}/other`);
  await store.put('same/key', Buffer.from('one'));
  expect(await other.get('same/key')).toEqual({ kind: 'missing' });
  expect(await listKeys(other, '')).toEqual([]);
});

test('wrong credentials are named as such, without the secret', async () => {
  const secretAccessKey = 'a-wrong-secret';
  const { accessKeyId } = server;
  const wrongSecret = await open(`s3://${server.bucket}`, {
    credentials: { accessKeyId, secretAccessKey },
  });
  const wrongId = await open(`s3://${server.bucket}`, {
    credentials: { accessKeyId: 'nobody', secretAccessKey },
  });
  for (const denied of [wrongSecret, wrongId]) {
    for (const call of [
      async () => await denied.put('a', Buffer.alloc(1)),
      async () => await denied.get('a'),
      async () => await denied.head('a'),
      async () => await denied.delete(['a']),
      async () => await proveStore(denied, randomBytes),
    ]) {
      const error: unknown = await call().catch((error: unknown) => error);
      expect(error).toMatchObject({ code: 'STORAGE_DENIED', retriable: false });
      expect(JSON.stringify(error) + String(error)).not.toContain(secretAccessKey);
    }
  }
});

test('a bucket that does not exist is never taken for one without objects', async () => {
  const nowhere = await open('s3://no-such-bucket-anywhere');
  for (const call of [
    async () => await nowhere.put('a', Buffer.alloc(1)),
    async () => await nowhere.putIfAbsent('a', Buffer.alloc(1)),
    async () => await nowhere.get('a'),
    async () => await nowhere.getRange('a', 0, 1),
    async () => await nowhere.head('a'),
    async () => await nowhere.list('')[Symbol.asyncIterator]().next(),
  ]) {
    expect(await outcomeCode(call())).toBe('STORAGE_BUCKET_MISSING');
  }
});
