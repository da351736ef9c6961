import { expect, test } from 'vitest';
import type { TopicRecord } from '../../../../storage/index.ts';
import type { DescribeTopics } from '../../../../workers/topics/describe-topics.ts';
import { SETTINGS_AGE_MS_MAX, SettingsCache } from '../../../../workers/topics/settings-cache.ts';
import { segmentMsMax, topicSettings } from '../../../../workers/topics/topic-settings.ts';
import type { DescribedSetting } from '../../../../workers/topics/topic-settings.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

const TOPIC_CONFIG = 1;
const STATIC_BROKER = 4;

function record(configs: Record<string, string>, diskless = true): TopicRecord {
  const topicId = 'lZ6vvmajTWKDBUTV6SQAtQ';
  return { topicId, name: 'orders', diskless, configs, updatedAtMs: 0, version: 1 };
}

/** @param own set on the topic itself, or undefined */
function setting(name: string, own: string | undefined, inherited?: string): DescribedSetting {
  const synonyms = [
    ...(own === undefined ? [] : [{ value: own, source: TOPIC_CONFIG }]),
    ...(inherited === undefined ? [] : [{ value: inherited, source: STATIC_BROKER }]),
  ];
  return { name, value: own ?? inherited ?? null, synonyms };
}

test('what a broker does not tell is as Kafka has it', () => {
  expect(topicSettings([], undefined)).toEqual({
    segmentBytes: 1_073_741_824,
    segmentMs: 604_800_000,
    retentionMs: 604_800_000,
    retentionBytes: Number.POSITIVE_INFINITY,
    cleanup: { compact: false, delete: true },
    deleteRetentionMs: 86_400_000,
    minCompactionLagMs: 0,
    maxCompactionLagMs: Number.POSITIVE_INFINITY,
    minCleanableDirtyRatio: 0.5,
  });
});

test("the user's values count where the broker holds Outrigger's own", () => {
  const described = [
    setting('cleanup.policy', 'delete', 'delete'),
    setting('retention.bytes', '-1', '5000'),
    setting('retention.ms', '-1', '604800000'),
    setting('segment.bytes', '2000000', '1073741824'),
  ];
  const kept = record({
    'cleanup.policy': 'compact, delete',
    'retention.bytes': '777',
    'retention.ms': '888',
  });
  expect(topicSettings(described, kept)).toMatchObject({
    segmentBytes: 2_000_000,
    retentionMs: 888,
    retentionBytes: 777,
    cleanup: { compact: true, delete: true },
  });
});

test('a safe value at the broker is never taken for one that the user has set', () => {
  const described = [
    setting('retention.bytes', '-1', '5000'),
    setting('cleanup.policy', 'delete', 'compact'),
  ];
  expect(topicSettings(described, record({}))).toMatchObject({
    retentionBytes: 5_000,
    cleanup: { compact: true, delete: false },
  });
  expect(topicSettings(described, record({}, false)).retentionBytes).toBe(Number.POSITIVE_INFINITY);
  expect(topicSettings(described, undefined).cleanup.compact).toBe(false);
});

test('a compacted topic closes segments before its records must be compacted', () => {
  const described = [
    setting('segment.ms', '1000'),
    setting('max.compaction.lag.ms', '300'),
    setting('cleanup.policy', 'compact'),
  ];
  expect(segmentMsMax(topicSettings(described, undefined))).toBe(300);
  expect(segmentMsMax(topicSettings(described.slice(0, 2), undefined))).toBe(1_000);
});

test('topics are described once in a while, and records count at once', async () => {
  const clock = new FakeClock();
  const asked: string[][] = [];
  const describe: DescribeTopics = async (topics) => {
    asked.push([...topics]);
    const known = topics.filter((topic) => topic !== 'gone');
    return new Map(known.map((topic) => [topic, [setting('segment.ms', '5')]]));
  };
  const records = new Map<string, TopicRecord>();
  const cache = new SettingsCache({ describe, topics: { topics: () => records }, clock });
  const first = await cache.get(['orders', 'gone', 'orders']);
  expect([...first.keys()]).toEqual(['orders']);
  records.set('id', record({ 'segment.ms': '7' }));
  expect((await cache.get(['orders'])).get('orders')?.segmentMs).toBe(7);
  expect(asked).toEqual([['orders', 'gone']]);
  await cache.get(['orders', 'other']);
  await clock.advance(SETTINGS_AGE_MS_MAX);
  await cache.get(['orders']);
  expect(asked.slice(1)).toEqual([['other'], ['orders']]);
});

test('a topic is described once for jobs that begin together, and each has its own failures', async () => {
  const asked: string[][] = [];
  let isAway = false;
  const describe: DescribeTopics = async (topics) => {
    asked.push([...topics]);
    await new Promise((resolve) => setImmediate(resolve));
    if (isAway) throw new Error('no broker');
    return new Map(topics.map((topic) => [topic, []]));
  };
  const topics = { topics: () => new Map<string, TopicRecord>() };
  const clock = new FakeClock();
  const cache = new SettingsCache({ describe, topics, clock });
  const [first, second] = await Promise.all([cache.get(['a', 'b']), cache.get(['b', 'c'])]);
  expect(asked).toEqual([['a', 'b'], ['c']]);
  expect([...first.keys(), ...second.keys()]).toEqual(['a', 'b', 'b', 'c']);
  isAway = true;
  await expect(cache.get(['d'])).rejects.toThrow('no broker');
  isAway = false;
  expect((await cache.get(['d'])).size).toBe(1);
});
