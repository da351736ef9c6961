import { pino } from 'pino';
import { expect, test } from 'vitest';
import { type CoordinatorEvent, SoloCoordinator } from '../../../coordinator/index.ts';
import type { TopicRecord } from '../../../storage/index.ts';

const record: TopicRecord = {
  topicId: 'AAAAAAAAAAAAAAAAAAAAAA',
  name: 'orders',
  diskless: true,
  configs: {},
  updatedAtMs: 0,
  version: 1,
};
const self = {
  memberId: 0,
  rack: 'a',
  host: 'proxy',
  bootstrapPort: 9092,
  nodes: [],
  startedAtMs: 0,
  version: '0.1.0',
  formatLevel: 1,
};

test('a lone member is its own coordinator', async () => {
  const source = {
    get: async () => record,
    async *list() {
      yield record;
    },
  };
  const solo = await SoloCoordinator.start(source, pino({ level: 'silent' }));
  const events: CoordinatorEvent[] = [];
  solo.subscribe((event) => events.push(event));
  expect(solo.topics().get(record.topicId)).toEqual(record);

  solo.update(self);
  expect(solo.members()).toEqual([]);
  expect(await solo.join(self)).toEqual({ kind: 'joined' });
  solo.update({ ...self, rack: 'b' });
  expect(solo.members()).toEqual([{ ...self, rack: 'b' }]);
  await expect(solo.join({ ...self, memberId: -1 })).rejects.toMatchObject({
    code: 'COORDINATOR_MEMBER_ID_INVALID',
  });

  const newer = { ...record, version: 2, diskless: false };
  solo.publishTopic(newer);
  solo.removeTopic(record.topicId);
  expect(events).toEqual([
    { kind: 'members-changed' },
    { kind: 'members-changed' },
    { kind: 'topic-changed', record: newer },
    { kind: 'topic-removed', topicId: record.topicId },
  ]);
  await solo.leave();
  expect(solo.members()).toEqual([]);
  expect(solo.status()).toMatchObject({ mode: 'solo', connected: true });
  await solo.close();
});
