/** What records say of where merging begins. */
import { expect, test } from 'vitest';
import { openRoom, type Room } from '../../../support/topics-room.ts';

const NAME = 'orders';

async function roomWithTopic(): Promise<{ room: Room; topicId: string }> {
  const room = await openRoom([], (broker) => void broker.create(NAME));
  return { room, topicId: room.broker.topics.get(NAME)?.topicId ?? '' };
}

async function change(room: Room, topicId: string, diskless: boolean, isNew = false) {
  const present = await room.register.read(topicId);
  const settings = { diskless, configs: new Map<string, string>(), mayHoldPlaceholders: true };
  await room.register.write({ name: NAME, topicId }, present, settings, isNew);
  return room.records.byId.get(topicId);
}

test('a topic that is made diskless is merged from where its logs ended then', async () => {
  const { room, topicId } = await roomWithTopic();
  room.broker.logEnds.set(NAME, [7, 0, 12]);
  expect((await change(room, topicId, true))?.startOffsets).toEqual([7, 0, 12]);
});

test('a new topic is merged from its beginning', async () => {
  const { room, topicId } = await roomWithTopic();
  room.broker.logEnds.set(NAME, [7]);
  expect((await change(room, topicId, true, true))?.startOffsets).toEqual([]);
});

test('as long as placeholders may be left, switching back and forth moves no start', async () => {
  const { room, topicId } = await roomWithTopic();
  room.broker.logEnds.set(NAME, [7]);
  await change(room, topicId, true);
  const classic = await change(room, topicId, false);
  expect(classic).toMatchObject({ placeholdersLeft: true, startOffsets: [7] });
  room.broker.logEnds.set(NAME, [100]);
  const marked = await change(room, topicId, true);
  expect(marked).toMatchObject({ diskless: true, startOffsets: [7] });
  expect(marked).not.toHaveProperty('placeholdersLeft');
});

test('once no placeholder is left, a topic that is marked again begins anew', async () => {
  const { room, topicId } = await roomWithTopic();
  const classic = await change(room, topicId, true);
  if (classic === undefined) throw new Error('there is no record');
  await room.records.put({ ...classic, diskless: false, startOffsets: [0] });
  room.broker.logEnds.set(NAME, [100]);
  expect((await change(room, topicId, true))?.startOffsets).toEqual([100]);
});
