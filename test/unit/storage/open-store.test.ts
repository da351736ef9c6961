import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { openStore, parseStoreUrl, type S3Settings } from '../../../storage/index.ts';
import { outcomeCode } from './object-store-suite.ts';

const dependencies = {
  now: () => Date.now(),
  random: randomBytes,
  logger: pino({ enabled: false }),
};

test('URLs of folders and buckets are understood', () => {
  expect(parseStoreUrl('file:///var/lib/outrigger')).toEqual({
    kind: 'file',
    root: '/var/lib/outrigger',
  });
  expect(parseStoreUrl('file:///with%20space')).toEqual({ kind: 'file', root: '/with space' });
  for (const [url, prefix] of [
    ['s3://bucket', ''],
    ['s3://bucket/', ''],
    ['s3://bucket/a', 'a/'],
    ['s3://bucket/a/b/', 'a/b/'],
  ] as const) {
    expect(parseStoreUrl(url)).toEqual({ kind: 's3', bucket: 'bucket', prefix });
  }
});

test('other URLs are refused, and credentials in one are not repeated', () => {
  for (const url of [
    '',
    'bucket',
    '/var/lib/outrigger',
    'http://bucket',
    'file://var/lib/outrigger',
    's3://',
    's3:///prefix',
    's3://b',
    's3://bucket/a b',
    's3://bucket?region=x',
    `s3://bucket/${'x'.repeat(200)}`,
    's3://id:hunter2@bucket',
  ]) {
    let message = 'accepted';
    try {
      parseStoreUrl(url);
    } catch (error) {
      message = String(error);
    }
    expect(message).toContain('store.url is wrong');
    expect(message).not.toContain('hunter2');
  }
});

test('settings of a bucket are checked before anything is sent', async () => {
  const open = async (s3: S3Settings) => await openStore({ url: 's3://bucket', s3 }, dependencies);
  for (const endpoint of ['localhost:9000', 'ftp://host', 'http://host/path', 'http://a:b@host']) {
    expect(await outcomeCode(open({ endpoint }))).toBe('STORAGE_CONFIG_INVALID');
  }
  for (const credentials of [
    { accessKeyId: 'id', secretAccessKey: '' },
    { accessKeyId: '', secretAccessKey: 'secret' },
  ]) {
    expect(await outcomeCode(open({ credentials }))).toBe('STORAGE_CONFIG_INVALID');
  }
  const store = await open({ endpoint: 'http://127.0.0.1:9000' });
  expect(store.location).toBe('s3://bucket/ at http://127.0.0.1:9000');
  await store.close();
});

test('a folder opens as a store', async () => {
  const root = await mkdtemp(join(tmpdir(), 'outrigger-open-'));
  const store = await openStore({ url: `file://${root}/new` }, dependencies);
  await store.put('a', Buffer.from('x'));
  expect(await store.get('a')).toEqual({ kind: 'found', bytes: Buffer.from('x') });
  await rm(root, { recursive: true });
});
