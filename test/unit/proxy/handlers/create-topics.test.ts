import { expect, test } from 'vitest';
import { apis, type CreateTopicsResponse } from '../../../../kafka/index.ts';
import { createTopicsHandler } from '../../../../proxy/handlers/create-topics.ts';
import { openRoom, send, settled, type Room } from '../../../support/topics-room.ts';

const { CreateTopics } = apis;
const VERSIONS = [0, 1, 2, 3, 4, 5, 6, 7];
const VERSION_MESSAGES = 1;
const VERSION_CONFIGS = 5;

interface NewTopic {
  readonly name: string;
  readonly configs?: Record<string, string | null>;
}

async function create(
  room: Room,
  version: number,
  topics: readonly NewTopic[],
  validateOnly = false,
): Promise<CreateTopicsResponse['topics']> {
  const handler = createTopicsHandler({ admin: room.admin });
  const answer = await send(room, handler, CreateTopics, version, {
    topics: topics.map(({ name, configs }) => ({
      name,
      numPartitions: 1,
      replicationFactor: 1,
      assignments: [],
      configs: Object.entries(configs ?? {}).map(([key, value]) => ({ name: key, value })),
    })),
    validateOnly,
  });
  return answer?.topics ?? [];
}

function configsOf(topic: CreateTopicsResponse['topics'][number] | undefined) {
  return Object.fromEntries(
    (topic?.configs ?? []).map(({ name, value, configSource }) => [name, [value, configSource]]),
  );
}

test.each(VERSIONS)('v%i: a diskless topic is created, recorded, and known at once', async (v) => {
  const room = await openRoom();
  const [topic] = await create(room, v, [
    { name: 'orders', configs: { 'diskless.enable': 'true', 'retention.bytes': '5000' } },
  ]);
  expect(topic?.errorCode).toBe(0);
  expect(room.broker.configsOf('orders')).toEqual({
    'cleanup.policy': 'delete',
    'compression.type': 'producer',
    'retention.bytes': '-1',
  });
  const topicId = room.broker.topics.get('orders')?.topicId ?? '';
  expect(room.records.byId.get(topicId)).toMatchObject({
    topicId,
    name: 'orders',
    diskless: true,
    configs: { 'diskless.enable': 'true', 'retention.bytes': '5000' },
    version: 1,
  });
  expect(room.catalog.byName('orders')).toMatchObject({ topicId, diskless: true });
  if (v < VERSION_CONFIGS) return;
  expect(configsOf(topic)).toMatchObject({
    'diskless.enable': ['true', 1],
    'retention.bytes': ['5000', 1],
    'compression.type': ['producer', 5],
    'cleanup.policy': ['delete', 5],
  });
});

test.each(VERSIONS)('v%i: a classic topic is left to the broker', async (v) => {
  const room = await openRoom(['logs-*']);
  const [topic] = await create(room, v, [{ name: 'orders', configs: { 'retention.bytes': '9' } }]);
  expect(topic?.errorCode).toBe(0);
  expect(room.broker.configsOf('orders')).toEqual({ 'retention.bytes': '9' });
  expect(room.records.byId.size).toBe(0);
  if (v >= VERSION_CONFIGS) {
    expect(configsOf(topic)).toMatchObject({
      'diskless.enable': ['false', 5],
      'retention.bytes': ['9', 1],
    });
  }
});

test('topics that diskless.topics names are diskless, unless their creator says otherwise', async () => {
  const room = await openRoom(['logs-*']);
  const topics = await create(room, 7, [
    { name: 'logs-a' },
    { name: 'logs-b', configs: { 'diskless.enable': 'false' } },
    { name: 'other' },
  ]);
  expect(topics.map(({ errorCode }) => errorCode)).toEqual([0, 0, 0]);
  expect(configsOf(topics[0])['diskless.enable']).toEqual(['true', 4]);
  expect(configsOf(topics[1])['diskless.enable']).toEqual(['false', 1]);
  expect(configsOf(topics[2])['diskless.enable']).toEqual(['false', 5]);
  const records = [...room.records.byId.values()];
  expect(records.map(({ name, diskless }) => [name, diskless])).toEqual([
    ['logs-a', true],
    ['logs-b', false],
  ]);
  await room.clock.pass(10_000);
  expect(room.records.byId.size).toBe(2);
});

test('a topic that cannot be diskless is refused, and the others of the request are made', async () => {
  const room = await openRoom();
  const diskless = { 'diskless.enable': 'true' };
  const topics = await create(room, 7, [
    { name: '__mine', configs: diskless },
    { name: 'tiered', configs: { ...diskless, 'remote.storage.enable': 'true' } },
    { name: 'typo', configs: { 'diskless.enable': 'yes' } },
    { name: 'null', configs: { ...diskless, 'segment.bytes': null } },
    { name: 'fine', configs: diskless },
  ]);
  const byName = new Map(topics.map((topic) => [topic.name, topic]));
  expect([...room.broker.topics.keys()]).toEqual(['fine']);
  for (const name of ['__mine', 'tiered', 'typo', 'null']) {
    expect(byName.get(name)?.errorCode).toBe(40);
  }
  expect(byName.get('__mine')?.errorMessage).toContain('reserved');
  expect(byName.get('null')?.errorMessage).toBe(
    'Null value not supported for topic configs: segment.bytes',
  );
  expect(byName.get('fine')?.errorCode).toBe(0);
});

test("the broker's own refusals are passed on, and nothing is recorded", async () => {
  const room = await openRoom();
  room.broker.create('there');
  room.broker.denied.add('secret');
  const diskless = { 'diskless.enable': 'true' };
  const topics = await create(room, 7, [
    { name: 'there', configs: diskless },
    { name: 'secret', configs: diskless },
    { name: 'odd', configs: { ...diskless, 'no.such.key': '1' } },
  ]);
  expect(topics.map(({ errorCode }) => errorCode)).toEqual([36, 29, 40]);
  expect(room.records.byId.size).toBe(0);
});

test('validateOnly makes and records nothing', async () => {
  const room = await openRoom();
  const [topic] = await create(
    room,
    7,
    [{ name: 't', configs: { 'diskless.enable': 'true' } }],
    true,
  );
  expect(topic?.errorCode).toBe(0);
  expect(configsOf(topic)['diskless.enable']).toEqual(['true', 1]);
  expect(room.broker.topics.size + room.records.byId.size).toBe(0);
});

test('while the object store is away no diskless topic is created, and classic ones are', async () => {
  const room = await openRoom();
  room.records.failing = true;
  const topics = await create(room, 7, [
    { name: 'diskless', configs: { 'diskless.enable': 'true' } },
    { name: 'classic' },
  ]);
  const byName = new Map(topics.map((topic) => [topic.name, topic]));
  expect(byName.get('diskless')).toMatchObject({ errorCode: 56 });
  expect(byName.get('diskless')?.errorMessage).toContain('was not created: the store is away');
  expect([...room.broker.topics.keys()]).toEqual(['classic']);
});

test('a record that cannot be written is an error that says what the topic is now', async () => {
  const room = await openRoom();
  room.broker.onClientRequest = () => {
    room.records.failing = true;
  };
  const [topic] = await create(room, 7, [{ name: 't', configs: { 'diskless.enable': 'true' } }]);
  expect(topic?.errorCode).toBe(-1);
  expect(topic?.errorMessage).toContain('Topic t was created, but could not be recorded');
  expect(room.broker.topics.has('t')).toBe(true);
});

test('an older client is answered once the cluster shows the id of the new topic', async () => {
  const room = await openRoom();
  room.catalog.learn([{ name: 't', topicId: 'A'.repeat(21) + 'B' }]);
  room.broker.unseenOnce.add('t');
  const creating = create(room, 4, [{ name: 't', configs: { 'diskless.enable': 'true' } }]);
  await settled();
  expect(room.records.byId.size).toBe(0);
  await room.clock.pass(100);
  expect((await creating)[0]?.errorCode).toBe(0);
  const topicId = room.broker.topics.get('t')?.topicId ?? '';
  expect(room.catalog.byName('t')).toMatchObject({ topicId, diskless: true });
});

test('a topic that is named twice is the broker’s to refuse, without keys that it does not know', async () => {
  const room = await openRoom();
  const twice = { name: 't', configs: { 'diskless.enable': 'true' } };
  const topics = await create(room, 7, [twice, twice]);
  expect(topics).toHaveLength(2);
  expect(room.records.byId.size).toBe(0);
});

test('replicas that a client knows as diskless nodes go to the brokers behind them', async () => {
  const room = await openRoom();
  const handler = createTopicsHandler({ admin: room.admin });
  const seen: unknown[] = [];
  room.broker.onClientRequest = (body, version) => {
    seen.push(CreateTopics.request.decode(body, version).topics[0]);
  };
  const node = 3 * 2 ** 20 + 7;
  const throttled = 'follower.replication.throttled.replicas';
  await send(room, handler, CreateTopics, 7, {
    topics: [
      {
        name: 't',
        numPartitions: -1,
        replicationFactor: -1,
        assignments: [{ partitionIndex: 0, brokerIds: [node, 8] }],
        configs: [{ name: throttled, value: `0:${node},1:8` }],
      },
    ],
  });
  expect(seen).toMatchObject([
    { assignments: [{ brokerIds: [7, 8] }], configs: [{ name: throttled, value: '0:7,1:8' }] },
  ]);
});

test('errors reach clients of every version', async () => {
  for (const version of VERSIONS) {
    const room = await openRoom();
    const [topic] = await create(room, version, [
      { name: '__t', configs: { 'diskless.enable': 'true' } },
    ]);
    expect(topic?.errorCode).toBe(40);
    if (version >= VERSION_MESSAGES) expect(topic?.errorMessage).toContain('reserved');
  }
});
