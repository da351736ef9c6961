import { expect, test } from 'vitest';
import { ZERO_UUID } from '../../../../kafka/index.ts';
import type { TopicRecord } from '../../../../storage/index.ts';
import { openRoom, settled, type Room } from '../../../support/topics-room.ts';

const MINUTE_MS = 60_000;

function record(room: Room, name: string, diskless: boolean, version = 1): TopicRecord {
  const topicId = room.broker.topics.get(name)?.topicId ?? room.broker.create(name);
  return { topicId, name, diskless, configs: {}, updatedAtMs: 0, version };
}

function lookUps(room: Room): number {
  return room.broker.seen.filter((name) => name === 'Metadata').length;
}

test('a topic is known from its record alone, and follows its record', async () => {
  const room = await openRoom();
  const on = record(room, 't', true);
  room.coordinator.publishTopic(on);
  expect(room.catalog.byName('t')).toMatchObject({ diskless: true, record: on, configs: null });
  expect(room.catalog.byId(on.topicId)).toBe(room.catalog.byName('t'));
  room.coordinator.publishTopic(record(room, 't', false, 2));
  expect(room.catalog.byName('t')?.diskless).toBe(false);
  room.coordinator.removeTopic(on.topicId);
  expect(room.catalog.byName('t')).toMatchObject({ diskless: false, record: null });
});

test('names and ids are learned from answers that pass by', async () => {
  const room = await openRoom();
  const topicId = room.broker.create('t');
  room.catalog.learn([
    { name: 't', topicId },
    { name: 'old-broker', topicId: ZERO_UUID },
  ]);
  expect(room.catalog.byId(topicId)).toMatchObject({ name: 't', diskless: false, record: null });
  expect(room.catalog.byName('old-broker')).toBeUndefined();
});

test('a topic that was created again under its name is another topic', async () => {
  const room = await openRoom();
  const old = record(room, 't', true);
  room.coordinator.publishTopic(old);
  const topicId = room.broker.create('t');
  room.catalog.learn([{ name: 't', topicId }]);
  expect(room.catalog.byName('t')).toMatchObject({ topicId, diskless: false, record: null });
  expect(room.catalog.byId(old.topicId)).toBeUndefined();
});

test('of two records of one name the cluster says which is now', async () => {
  const room = await openRoom();
  const first = record(room, 't', true);
  room.coordinator.publishTopic(first);
  room.broker.topics.delete('t');
  const second = record(room, 't', false);
  room.coordinator.publishTopic(second);
  await settled();
  expect(room.catalog.byName('t')?.topicId).toBe(second.topicId);
  room.coordinator.publishTopic({ ...first, version: 9 });
  await settled();
  expect(room.catalog.byName('t')?.topicId).toBe(second.topicId);
});

test('topics are looked up by name and by id, together and once', async () => {
  const room = await openRoom();
  const a = room.broker.create('a');
  const b = room.broker.create('b');
  const wanted = { names: ['a', 'nothing'], ids: [b, ZERO_UUID] };
  await Promise.all([room.catalog.lookUp(wanted), room.catalog.lookUp(wanted)]);
  expect(lookUps(room)).toBe(2);
  expect(room.catalog.byId(a)?.name).toBe('a');
  expect(room.catalog.byId(b)?.name).toBe('b');
  expect(room.catalog.byName('nothing')).toBeUndefined();
});

test('a topic that the cluster does not have is not asked for again within a second', async () => {
  const room = await openRoom();
  await room.catalog.lookUp({ names: ['t'] });
  await room.catalog.lookUp({ names: ['t'] });
  expect(lookUps(room)).toBe(1);
  const topicId = room.broker.create('t');
  await room.clock.pass(1_000);
  await room.catalog.lookUp({ names: ['t'] });
  expect(room.catalog.byName('t')?.topicId).toBe(topicId);
});

test('a cluster that does not answer fails no look-up', async () => {
  const room = await openRoom();
  room.broker.isAway = true;
  await room.catalog.lookUp({ names: ['t'] });
  expect(room.catalog.byName('t')).toBeUndefined();
  room.broker.isAway = false;
  room.broker.create('t');
  await room.catalog.lookUp({ names: ['t'] });
  expect(room.catalog.byName('t')).toBeDefined();
});

test('the settings of a topic are described once and then kept fresh', async () => {
  const room = await openRoom();
  room.coordinator.publishTopic(record(room, 't', true));
  const topic = room.catalog.byName('t');
  if (topic === undefined) throw new Error('unknown');
  const [one, two] = await Promise.all([
    room.catalog.ensureConfigs(topic),
    room.catalog.ensureConfigs(topic),
  ]);
  expect(one).toEqual({
    maxMessageBytes: 1_048_588,
    timestampType: 'CreateTime',
    timestampBeforeMaxMs: Number.POSITIVE_INFINITY,
    timestampAfterMaxMs: Number.POSITIVE_INFINITY,
    compacted: false,
  });
  expect(two).toBe(one);
  expect(room.broker.seen.filter((name) => name === 'DescribeConfigs')).toHaveLength(1);
  room.broker.topics.get('t')?.configs.set('max.message.bytes', '7');
  await room.clock.pass(MINUTE_MS);
  expect(room.catalog.byName('t')?.configs?.maxMessageBytes).toBe(7);
  room.broker.topics.get('t')?.configs.set('max.message.bytes', '8');
  await room.clock.pass(MINUTE_MS);
  expect(room.catalog.byName('t')?.configs?.maxMessageBytes).toBe(8);
});

test('whether a diskless topic is compacted is said by its record', async () => {
  const room = await openRoom();
  const compacted = { ...record(room, 't', true), configs: { 'cleanup.policy': 'compact' } };
  room.broker.topics.get('t')?.configs.set('cleanup.policy', 'delete');
  room.coordinator.publishTopic(compacted);
  const topic = room.catalog.byName('t');
  if (topic === undefined) throw new Error('unknown');
  expect((await room.catalog.ensureConfigs(topic)).compacted).toBe(true);
  room.coordinator.publishTopic({ ...compacted, configs: {}, version: 2 });
  await settled();
  expect(room.catalog.byName('t')?.configs?.compacted).toBe(false);
});

test("without the right to read them, the settings are Kafka's defaults", async () => {
  const room = await openRoom();
  room.coordinator.publishTopic(record(room, 't', true));
  room.broker.topics.get('t')?.configs.set('max.message.bytes', '7');
  room.broker.deniedToProxy.add('t');
  const topic = room.catalog.byName('t');
  if (topic === undefined) throw new Error('unknown');
  expect((await room.catalog.ensureConfigs(topic)).maxMessageBytes).toBe(1_048_588);
  expect(room.catalog.byName('t')?.configs).not.toBeNull();
});

test('while the cluster is away the settings are not taken for known', async () => {
  const room = await openRoom();
  room.coordinator.publishTopic(record(room, 't', true));
  room.broker.isAway = true;
  const topic = room.catalog.byName('t');
  if (topic === undefined) throw new Error('unknown');
  expect((await room.catalog.ensureConfigs(topic)).maxMessageBytes).toBe(1_048_588);
  expect(room.catalog.byName('t')?.configs).toBeNull();
});
