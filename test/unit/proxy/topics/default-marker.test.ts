import { expect, test } from 'vitest';
import { openRoom, type Room } from '../../../support/topics-room.ts';

const SETTLED_MS = 5_000;
const RETRY_MS = 60_000;

function appear(room: Room, name: string, configs: Record<string, string> = {}): string {
  const topicId = room.broker.create(name, configs);
  room.catalog.learn([{ name, topicId }]);
  return topicId;
}

test('a topic that appears is diskless if diskless.topics names it', async () => {
  const room = await openRoom(['logs-*']);
  const topicId = appear(room, 'logs-a', { 'retention.bytes': '5' });
  appear(room, 'other');
  await room.clock.pass(SETTLED_MS);
  expect(room.catalog.byName('logs-a')?.diskless).toBe(true);
  expect(room.catalog.byName('other')?.diskless).toBe(false);
  expect(room.broker.configsOf('logs-a')).toEqual({
    'cleanup.policy': 'delete',
    'compression.type': 'producer',
    'retention.bytes': '-1',
  });
  expect(room.records.byId.get(topicId)?.configs).toEqual({ 'retention.bytes': '5' });
});

test('what was there at the first look stays what it is', async () => {
  const room = await openRoom(['logs-*'], (broker) => void broker.create('logs-old'));
  expect(room.catalog.byName('logs-old')).toBeDefined();
  await room.clock.pass(SETTLED_MS);
  expect(room.catalog.byName('logs-old')?.diskless).toBe(false);
});

test('without patterns the cluster is not looked at', async () => {
  const room = await openRoom([]);
  expect(room.broker.seen).toEqual([]);
});

test('a first look that fails is repeated, and topics that come before it count as old', async () => {
  const room = await openRoom(['logs-*'], (broker) => {
    broker.isAway = true;
  });
  appear(room, 'logs-early');
  room.broker.isAway = false;
  await room.clock.pass(SETTLED_MS);
  appear(room, 'logs-late');
  await room.clock.pass(SETTLED_MS);
  expect(room.catalog.byName('logs-early')?.diskless).toBe(false);
  expect(room.catalog.byName('logs-late')?.diskless).toBe(true);
});

test('what someone else has said of the topic by then holds', async () => {
  const room = await openRoom(['logs-*']);
  const topicId = appear(room, 'logs-a');
  const settings = {
    diskless: false,
    configs: new Map([['diskless.enable', 'false']]),
    mayHoldPlaceholders: false,
  };
  await room.register.write({ name: 'logs-a', topicId }, undefined, settings);
  await room.clock.pass(SETTLED_MS);
  expect(room.catalog.byName('logs-a')?.diskless).toBe(false);
  expect(room.broker.configsOf('logs-a')).toEqual({});
});

test('a topic with tiered storage stays classic', async () => {
  const room = await openRoom(['logs-*']);
  appear(room, 'logs-a', { 'remote.storage.enable': 'true' });
  await room.clock.pass(SETTLED_MS);
  expect(room.records.byId.size).toBe(0);
});

test('a topic that the proxy may not change stays classic, and is tried again a few times', async () => {
  const room = await openRoom(['logs-*']);
  appear(room, 'logs-a', { 'retention.bytes': '5' });
  room.broker.deniedToProxy.add('logs-a');
  await room.clock.pass(SETTLED_MS);
  expect(room.records.byId.size).toBe(0);
  room.broker.deniedToProxy.clear();
  await room.clock.pass(RETRY_MS);
  expect(room.catalog.byName('logs-a')?.diskless).toBe(true);
  appear(room, 'logs-b');
  room.broker.deniedToProxy.add('logs-b');
  await room.clock.pass(SETTLED_MS);
  for (let retry = 0; retry < 10; retry++) await room.clock.pass(RETRY_MS);
  const asked = room.broker.seen.filter((name) => name === 'DescribeConfigs').length;
  // Twice for the first topic, five times for this one.
  expect(asked).toBe(7);
});

test('one member after the other looks whether there is something left to do', async () => {
  const room = await openRoom(['logs-*'], undefined, 2);
  appear(room, 'logs-a');
  await room.clock.pass(2 * SETTLED_MS);
  expect(room.records.byId.size).toBe(0);
  await room.clock.pass(SETTLED_MS);
  expect(room.catalog.byName('logs-a')?.diskless).toBe(true);
});

test('what another member has saved of the user is not taken from the broker anew', async () => {
  const room = await openRoom(['logs-*']);
  const mine = { 'retention.bytes': '5', 'cleanup.policy': 'compact' };
  const topicId = appear(room, 'logs-a', mine);
  const held = { explicit: new Map(Object.entries(mine)), defaults: new Map<string, string>() };
  await room.register.prepare({ name: 'logs-a', topicId }, undefined, held);
  room.broker.topics
    .get('logs-a')
    ?.configs.set('retention.bytes', '-1')
    .set('cleanup.policy', 'delete');
  await room.clock.pass(SETTLED_MS);
  expect(room.records.byId.get(topicId)).toMatchObject({ diskless: true, configs: mine });
});

test('nothing is marked after closing', async () => {
  const room = await openRoom(['logs-*']);
  appear(room, 'logs-a');
  room.marker.close();
  await room.clock.pass(SETTLED_MS);
  expect(room.records.byId.size).toBe(0);
});
