import { describe, expect, test } from 'vitest';
import { apis, type AlterConfigsResponse } from '../../../../kafka/index.ts';
import {
  alterConfigsHandler,
  incrementalAlterConfigsHandler,
} from '../../../../proxy/handlers/alter-configs.ts';
import { type Accident, openRoom, send, settled, type Room } from '../../../support/topics-room.ts';

const { AlterConfigs, IncrementalAlterConfigs } = apis;
const OP = { set: 0, delete: 1, append: 2, subtract: 3 };
const TOPIC = 2;
const BROKER = 4;
const DISKLESS_NODE = 3 * 2 ** 20 + 7;

interface Options {
  readonly version?: number;
  readonly validateOnly?: boolean;
  readonly accident?: Accident;
  readonly type?: number;
}

type Op = [name: string, operation: number, value: string | null];
type Results = AlterConfigsResponse['responses'];

async function incremental(
  room: Room,
  changes: Record<string, Op[]>,
  options: Options = {},
): Promise<Results> {
  const handler = incrementalAlterConfigsHandler({ admin: room.admin });
  const resources = Object.entries(changes).map(([resourceName, ops]) => ({
    resourceType: options.type ?? TOPIC,
    resourceName,
    configs: ops.map(([name, configOperation, value]) => ({ name, configOperation, value })),
  }));
  const body = { resources, validateOnly: options.validateOnly ?? false };
  const version = options.version ?? 1;
  const api = IncrementalAlterConfigs;
  return (await send(room, handler, api, version, body, options.accident))?.responses ?? [];
}

async function replace(
  room: Room,
  sets: Record<string, Record<string, string | null>>,
  options: Options = {},
): Promise<Results> {
  const handler = alterConfigsHandler({ admin: room.admin });
  const resources = Object.entries(sets).map(([resourceName, values]) => ({
    resourceType: options.type ?? TOPIC,
    resourceName,
    configs: Object.entries(values).map(([name, value]) => ({ name, value })),
  }));
  const body = { resources, validateOnly: options.validateOnly ?? false };
  const version = options.version ?? 2;
  return (
    (await send(room, handler, AlterConfigs, version, body, options.accident))?.responses ?? []
  );
}

function recordOf(room: Room, name: string) {
  return room.records.byId.get(room.broker.topics.get(name)?.topicId ?? '');
}

const ON: Op[] = [['diskless.enable', OP.set, 'true']];
const OFF: Op[] = [['diskless.enable', OP.set, 'false']];

describe.each([0, 1])('IncrementalAlterConfigs v%i', (version) => {
  test('a topic is switched on and off at once, and keeps what its user has set', async () => {
    const room = await openRoom();
    const mine = { 'retention.bytes': '5', 'compression.type': 'gzip', 'retention.ms': '7' };
    room.broker.create('t', mine);
    const [on] = await incremental(room, { t: ON }, { version });
    expect(on).toMatchObject({ errorCode: 0, resourceName: 't' });
    expect(room.catalog.byName('t')?.diskless).toBe(true);
    expect(room.broker.configsOf('t')).toEqual({
      'cleanup.policy': 'delete',
      'compression.type': 'producer',
      'retention.bytes': '-1',
      'retention.ms': '7',
    });
    const [off] = await incremental(room, { t: OFF }, { version });
    expect(off?.errorCode).toBe(0);
    expect(room.catalog.byName('t')?.diskless).toBe(false);
    expect(room.broker.configsOf('t')).toEqual(mine);
    expect(recordOf(room, 't')).toMatchObject({ diskless: false, placeholdersLeft: true });
  });
});

describe.each([0, 1, 2])('AlterConfigs v%i', (version) => {
  test('replaces the whole set, the switch included', async () => {
    const room = await openRoom();
    room.broker.create('t', { 'segment.bytes': '1' });
    const set = { 'diskless.enable': 'true', 'retention.bytes': '5', 'max.message.bytes': '9' };
    await replace(room, { t: set }, { version });
    expect(room.catalog.byName('t')?.diskless).toBe(true);
    expect(room.broker.configsOf('t')).toEqual({
      'cleanup.policy': 'delete',
      'compression.type': 'producer',
      'max.message.bytes': '9',
      'retention.bytes': '-1',
    });
    const [off] = await replace(room, { t: { 'retention.bytes': '6' } }, { version });
    expect(off?.errorCode).toBe(0);
    expect(room.catalog.byName('t')?.diskless).toBe(false);
    expect(room.broker.configsOf('t')).toEqual({ 'retention.bytes': '6' });
  });
});

test('a change of a classic topic passes as the bytes that it came in', async () => {
  const room = await openRoom(['t*']);
  room.broker.create('t');
  await incremental(room, { t: [['retention.bytes', OP.set, '5']] });
  await replace(room, { t: { 'retention.bytes': '6' } });
  expect(room.broker.configsOf('t')).toEqual({ 'retention.bytes': '6' });
  expect(room.broker.seen).not.toContain('DescribeConfigs');
  expect(room.records.byId.size).toBe(0);
});

test('what the broker refuses changes nothing, here and there', async () => {
  const room = await openRoom();
  room.broker.create('secret', { 'retention.bytes': '5' });
  room.broker.denied.add('secret');
  const [denied] = await incremental(room, { secret: ON });
  expect(denied).toMatchObject({ errorCode: 29, errorMessage: 'no' });
  room.broker.create('odd', { 'retention.bytes': '5' });
  const [odd] = await incremental(room, { odd: [...ON, ['no.such.key', OP.set, '1']] });
  expect(odd?.errorCode).toBe(40);
  expect(room.records.byId.size).toBe(0);
  expect(room.catalog.byName('odd')?.diskless).toBe(false);
});

test('one resource that is refused does not stop the others, and answers keep their order', async () => {
  const room = await openRoom();
  for (const name of ['a', 'b', 'c']) room.broker.create(name);
  room.broker.create('__d');
  const results = await incremental(room, {
    a: ON,
    __d: ON,
    b: [['diskless.enable', OP.set, 'perhaps']],
    missing: ON,
    c: [['segment.bytes', OP.set, '5']],
  });
  expect(results.map(({ resourceName, errorCode }) => [resourceName, errorCode])).toEqual([
    ['a', 0],
    ['__d', 40],
    ['b', 40],
    ['missing', 3],
    ['c', 0],
  ]);
  expect(room.broker.configsOf('b')).toEqual({});
  expect(room.broker.configsOf('c')).toEqual({ 'segment.bytes': '5' });
});

test('validateOnly changes nothing and refuses the same', async () => {
  const room = await openRoom();
  room.broker.create('t', { 'retention.bytes': '5' });
  room.broker.create('__t');
  const results = await incremental(room, { t: ON, __t: ON }, { validateOnly: true });
  expect(results.map(({ errorCode }) => errorCode)).toEqual([0, 40]);
  expect(room.broker.configsOf('t')).toEqual({ 'retention.bytes': '5' });
  expect(room.records.byId.size).toBe(0);
});

test('while the object store is away nothing is switched', async () => {
  const room = await openRoom();
  room.broker.create('t');
  room.records.failing = true;
  const [result] = await incremental(room, { t: ON });
  expect(result?.errorCode).toBe(56);
  expect(result?.errorMessage).toBe('Nothing was changed about topic t: the store is away.');
  expect(room.broker.configsOf('t')).toEqual({});
});

test('what a user has set survives an answer that never came', async () => {
  const room = await openRoom();
  const mine = { 'retention.bytes': '5', 'cleanup.policy': 'compact', 'retention.ms': '8' };
  room.broker.create('t', mine);
  await incremental(room, { t: [...ON, ['retention.bytes', OP.set, '6']] }, { accident: 'lost' });
  expect(room.broker.configsOf('t')).toMatchObject({ 'retention.bytes': '-1' });
  expect(recordOf(room, 't')).toMatchObject({ diskless: false, configs: mine });
  const [again] = await incremental(room, { t: ON });
  expect(again?.errorCode).toBe(0);
  expect(recordOf(room, 't')).toMatchObject({
    diskless: true,
    configs: { ...mine, 'diskless.enable': 'true' },
  });
});

test('a request that was never sent leaves nothing behind, and no lock', async () => {
  const room = await openRoom();
  room.broker.create('t', { 'retention.bytes': '5' });
  await incremental(room, { t: ON }, { accident: 'unsent' });
  await settled();
  expect(room.records.byId.size).toBe(0);
  expect((await incremental(room, { t: ON }))[0]?.errorCode).toBe(0);
});

test('a record that cannot be written after the broker has agreed is an error that says so', async () => {
  const room = await openRoom();
  room.broker.create('t');
  room.broker.onClientRequest = () => {
    room.records.failing = true;
  };
  const [result] = await incremental(room, { t: ON });
  expect(result?.errorCode).toBe(56);
  expect(result?.errorMessage).toContain('Kafka has changed topic t, but Outrigger has not');
  expect(room.catalog.byName('t')?.diskless).toBe(false);
});

test('two changes of one topic at once are made one after the other', async () => {
  const room = await openRoom();
  room.broker.create('t');
  await incremental(room, { t: ON });
  await Promise.all([
    incremental(room, { t: [['retention.bytes', OP.set, '5']] }),
    incremental(room, { t: [['compression.type', OP.set, 'gzip']] }),
  ]);
  expect(recordOf(room, 't')?.configs).toEqual({
    'diskless.enable': 'true',
    'retention.bytes': '5',
    'compression.type': 'gzip',
  });
});

test('a proxy that may not read the configuration of a topic says what it needs', async () => {
  const room = await openRoom();
  room.broker.create('t');
  room.broker.deniedToProxy.add('t');
  const [result] = await incremental(room, { t: ON });
  expect(result?.errorCode).toBe(42);
  expect(result?.errorMessage).toContain('DESCRIBE_CONFIGS');
});

test('a topic that was created again under its name is switched, not its predecessor', async () => {
  const room = await openRoom();
  room.broker.create('t');
  await incremental(room, { t: ON });
  const first = room.broker.topics.get('t')?.topicId ?? '';
  room.broker.topics.delete('t');
  const second = room.broker.create('t');
  const [result] = await incremental(room, { t: OFF });
  expect(result?.errorCode).toBe(0);
  expect(room.catalog.byName('t')).toMatchObject({ topicId: second, diskless: false });
  expect(room.records.byId.get(first)?.diskless).toBe(true);
});

test('requests that the broker refuses whole are its own to refuse', async () => {
  const room = await openRoom();
  room.broker.create('t');
  const twice: Op[] = [
    ['retention.bytes', OP.set, '1'],
    ['retention.bytes', OP.set, '2'],
  ];
  expect((await incremental(room, { t: twice }))[0]?.errorCode).toBe(42);
  expect(room.records.byId.size).toBe(0);
});

test('a broker is found behind its diskless node, and the client reads the name that it gave', async () => {
  const room = await openRoom();
  const name = String(DISKLESS_NODE);
  const [one] = await incremental(room, { [name]: [['x', OP.set, '1']] }, { type: BROKER });
  expect(one).toMatchObject({ errorCode: 0, resourceName: name, resourceType: BROKER });
  const [two] = await replace(room, { [name]: { x: '1' } }, { type: BROKER });
  expect(two).toMatchObject({ errorCode: 0, resourceName: name });
  const [whole] = await incremental(room, { '': [['x', OP.set, '1']] }, { type: BROKER });
  expect(whole?.resourceName).toBe('');
});

test('throttled replicas name brokers, also of a classic topic', async () => {
  const room = await openRoom();
  room.broker.create('t');
  const key = 'follower.replication.throttled.replicas';
  await incremental(room, { t: [[key, OP.set, `0:${DISKLESS_NODE},1:9`]] });
  expect(room.broker.configsOf('t')).toEqual({ [key]: '0:7,1:9' });
});

test('the settings that produced batches are checked against follow a change', async () => {
  const room = await openRoom();
  room.broker.create('t');
  await incremental(room, { t: ON });
  const topic = room.catalog.byName('t');
  if (topic === undefined) throw new Error('unknown');
  expect((await room.catalog.ensureConfigs(topic)).maxMessageBytes).toBe(1_048_588);
  await incremental(room, { t: [['max.message.bytes', OP.set, '99']] });
  await settled();
  expect(room.catalog.byName('t')?.configs?.maxMessageBytes).toBe(99);
  await incremental(room, { t: [['cleanup.policy', OP.append, 'compact']] });
  await settled();
  expect(room.catalog.byName('t')?.configs?.compacted).toBe(true);
});
