import { expect, test } from 'vitest';
import { apis } from '../../../../kafka/index.ts';
import { deleteTopicsHandler } from '../../../../proxy/handlers/delete-topics.ts';
import { openRoom, send, settled, type Room } from '../../../support/topics-room.ts';

const { DeleteTopics } = apis;
const VERSIONS = [1, 2, 3, 4, 5, 6];
const VERSION_IDS = 6;

async function markedTopic(room: Room, name: string): Promise<string> {
  const topicId = room.broker.create(name);
  const settings = { diskless: true, configs: new Map(), mayHoldPlaceholders: true };
  await room.register.write({ name, topicId }, undefined, settings);
  return topicId;
}

async function remove(room: Room, version: number, name: string, topicId: string, byId = false) {
  const handler = deleteTopicsHandler({ admin: room.admin, catalog: room.catalog });
  const topics = [byId ? { name: null, topicId } : { name, topicId: 'A'.repeat(22) }];
  const body =
    version < VERSION_IDS ? { topicNames: [name], timeoutMs: 1 } : { topics, timeoutMs: 1 };
  const answer = await send(room, handler, DeleteTopics, version, body);
  await settled();
  return answer?.responses[0]?.errorCode;
}

test.each(VERSIONS)('v%i: a deleted topic is forgotten, record and all', async (version) => {
  const room = await openRoom();
  const topicId = await markedTopic(room, 't');
  expect(room.catalog.byName('t')?.diskless).toBe(true);
  expect(await remove(room, version, 't', topicId)).toBe(0);
  expect(room.catalog.byName('t')).toBeUndefined();
  expect(room.catalog.byId(topicId)).toBeUndefined();
  expect(room.records.byId.size).toBe(0);
  expect(room.coordinator.topics().size).toBe(0);
});

test('a topic is deleted by its id too', async () => {
  const room = await openRoom();
  const topicId = await markedTopic(room, 't');
  expect(await remove(room, VERSION_IDS, 't', topicId, true)).toBe(0);
  expect(room.records.byId.size).toBe(0);
});

test.each(VERSIONS)('v%i: a topic that the broker does not delete stays known', async (version) => {
  const room = await openRoom();
  const topicId = await markedTopic(room, 't');
  room.broker.topics.delete('t');
  expect(await remove(room, version, 't', topicId)).toBe(3);
  expect(room.catalog.byName('t')?.diskless).toBe(true);
  expect(room.records.byId.size).toBe(1);
});

test('a record that cannot be deleted does not fail the deletion', async () => {
  const room = await openRoom();
  const topicId = await markedTopic(room, 't');
  room.records.failing = true;
  expect(await remove(room, VERSION_IDS, 't', topicId)).toBe(0);
  expect(room.catalog.byName('t')).toBeUndefined();
});
