import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { FsObjectStore, parseTopicRecord, TopicRecordStore } from '../../../storage/index.ts';
import { outcomeCode } from './object-store-suite.ts';

const record = {
  topicId: 'AAAAAAAAAAAAAAAAAAAAAQ',
  name: 'orders',
  diskless: true,
  configs: { 'retention.bytes': '1000' },
  updatedAtMs: 1_700_000_000_000,
  version: 3,
};
let root: string;
let store: FsObjectStore;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'outrigger-topics-'));
  store = await FsObjectStore.open({ root, now: () => Date.now(), random: randomBytes });
});

afterEach(async () => {
  await rm(root, { recursive: true });
});

test('a record of the documented shape is read', () => {
  expect(parseTopicRecord(Buffer.from(JSON.stringify(record)), 'x')).toEqual(record);
});

test('a record with a backfill is read', () => {
  const backfill = { requestedAtMs: 1_700_000_000_000, cancelledAtMs: 1_700_000_000_001 };
  const whole = { ...record, backfill };
  expect(parseTopicRecord(Buffer.from(JSON.stringify(whole)), 'x')).toEqual(whole);
});

test('anything else is refused, and the wrong field named', () => {
  for (const [field, value] of [
    ['topicId', 'short'],
    ['topicId', '../../../etc/passwd.aa'],
    ['name', ''],
    ['name', 'with space'],
    ['diskless', 'true'],
    ['configs', { 'retention.bytes': 1000 }],
    ['updatedAtMs', -1],
    ['version', 0],
    ['version', undefined],
  ] as const) {
    const bytes = Buffer.from(JSON.stringify({ ...record, [field]: value }));
    expect(() => parseTopicRecord(bytes, 'the record')).toThrow(`wrong: ${field}`);
  }
});

test('a record under the key of another topic is refused', async () => {
  const topics = new TopicRecordStore(store);
  const other = 'BBBBBBBBBBBBBBBBBBBBBB';
  await store.put(`topics/${other}.json`, Buffer.from(JSON.stringify(record)));
  expect(await outcomeCode(topics.get(other))).toBe('STORAGE_RECORD_CORRUPT');
});

test('a topic id that is none never becomes a key', async () => {
  const topics = new TopicRecordStore(store);
  expect(await outcomeCode(topics.get('../bucket'))).toBe('STORAGE_KEY_INVALID');
  expect(await outcomeCode(topics.put({ ...record, topicId: 'x' }))).not.toBe('accepted');
});

test('all records are listed, and other objects beside them are not', async () => {
  const topics = new TopicRecordStore(store);
  const ids = Array.from({ length: 5 }, (_, i) => `${'C'.repeat(21)}${i}`);
  for (const topicId of ids) await topics.put({ ...record, topicId });
  await store.put('topics/README.txt', Buffer.from('hello'));
  const listed: string[] = [];
  for await (const { topicId } of topics.list()) listed.push(topicId);
  expect(listed).toEqual(ids);
});
