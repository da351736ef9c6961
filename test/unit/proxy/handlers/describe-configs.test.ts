import { expect, test } from 'vitest';
import { apis, type DescribeConfigsResponse } from '../../../../kafka/index.ts';
import { incrementalAlterConfigsHandler } from '../../../../proxy/handlers/alter-configs.ts';
import { describeConfigsHandler } from '../../../../proxy/handlers/describe-configs.ts';
import { openRoom, send, type Room } from '../../../support/topics-room.ts';

const { DescribeConfigs, IncrementalAlterConfigs } = apis;
const VERSIONS = [1, 2, 3, 4];
const TOPIC = 2;
const BROKER = 4;

async function describeResource(
  room: Room,
  resourceName: string,
  options: {
    readonly version?: number;
    readonly keys?: readonly string[] | null;
    readonly synonyms?: boolean;
    readonly documentation?: boolean;
    readonly type?: number;
  } = {},
): Promise<DescribeConfigsResponse['results'][number]> {
  const handler = describeConfigsHandler({ admin: room.admin, catalog: room.catalog });
  const answer = await send(room, handler, DescribeConfigs, options.version ?? 4, {
    resources: [
      {
        resourceType: options.type ?? TOPIC,
        resourceName,
        configurationKeys: options.keys ?? null,
      },
    ],
    includeSynonyms: options.synonyms ?? false,
    includeDocumentation: options.documentation ?? false,
  });
  const result = answer?.results[0];
  if (result === undefined) throw new Error('no result');
  return result;
}

async function switchOn(room: Room, name: string, set: Record<string, string> = {}) {
  const handler = incrementalAlterConfigsHandler({ admin: room.admin });
  const configs = Object.entries({ 'diskless.enable': 'true', ...set }).map(([key, value]) => {
    return { name: key, configOperation: 0, value };
  });
  const resources = [{ resourceType: TOPIC, resourceName: name, configs }];
  const answer = await send(room, handler, IncrementalAlterConfigs, 1, {
    resources,
    validateOnly: false,
  });
  expect(answer?.responses[0]?.errorCode).toBe(0);
}

function values(result: DescribeConfigsResponse['results'][number]) {
  return Object.fromEntries(
    result.configs.map(({ name, value, configSource }) => [name, [value, configSource]]),
  );
}

test.each(VERSIONS)('v%i: a diskless topic looks as its user has set it', async (version) => {
  const room = await openRoom();
  room.broker.create('t', { 'retention.bytes': '5', 'segment.bytes': '77' });
  await switchOn(room, 't');
  expect(values(await describeResource(room, 't', { version }))).toEqual({
    'diskless.enable': ['true', 1],
    'cleanup.policy': ['delete', 5],
    'compression.type': ['producer', 5],
    'retention.bytes': ['5', 1],
    'retention.ms': ['604800000', 5],
    'max.message.bytes': ['1048588', 5],
    'segment.bytes': ['77', 1],
    'remote.storage.enable': ['false', 5],
    'follower.replication.throttled.replicas': ['', 5],
  });
});

test('what the broker does for compact alone is not seen', async () => {
  const room = await openRoom();
  room.broker.create('t', { 'cleanup.policy': 'compact' });
  await switchOn(room, 't');
  expect(room.broker.configsOf('t')['retention.ms']).toBe('-1');
  expect(values(await describeResource(room, 't'))).toMatchObject({
    'cleanup.policy': ['compact', 1],
    'retention.ms': ['604800000', 5],
  });
  const only = await describeResource(room, 't', { keys: ['retention.ms'] });
  expect(values(only)).toEqual({ 'retention.ms': ['604800000', 5] });
});

test('a retention time of -1 that the user has set is his', async () => {
  const room = await openRoom();
  room.broker.create('t', { 'retention.ms': '-1' });
  await switchOn(room, 't');
  expect(values(await describeResource(room, 't'))).toMatchObject({ 'retention.ms': ['-1', 1] });
});

test('a classic topic says that it is one', async () => {
  const room = await openRoom();
  room.broker.create('t', { 'retention.bytes': '5' });
  const seen = values(await describeResource(room, 't'));
  expect(seen['diskless.enable']).toEqual(['false', 5]);
  expect(seen['retention.bytes']).toEqual(['5', 1]);
});

test('synonyms come only if they were asked for, and hide what Outrigger has set', async () => {
  const room = await openRoom();
  room.broker.create('t', { 'retention.bytes': '5' });
  await switchOn(room, 't', { 'cleanup.policy': 'compact,delete' });
  const plain = await describeResource(room, 't');
  expect(plain.configs.every(({ synonyms }) => synonyms.length === 0)).toBe(true);
  const full = await describeResource(room, 't', { synonyms: true });
  const synonyms = new Map(full.configs.map((config) => [config.name, config.synonyms]));
  expect(synonyms.get('diskless.enable')).toEqual([
    { name: 'diskless.enable', value: 'true', source: 1 },
    { name: 'diskless.enable', value: 'false', source: 5 },
  ]);
  expect(synonyms.get('retention.bytes')).toEqual([
    { name: 'retention.bytes', value: '5', source: 1 },
    { name: 'log.retention.bytes', value: '-1', source: 5 },
  ]);
  expect(synonyms.get('cleanup.policy')?.[0]?.value).toBe('compact,delete');
  expect(synonyms.get('compression.type')).toEqual([
    { name: 'compression.type', value: 'producer', source: 5 },
  ]);
});

test('only the keys that were asked for are described; none asked for means all', async () => {
  const room = await openRoom();
  room.broker.create('t');
  await switchOn(room, 't', { 'diskless.color': 'red' });
  const one = await describeResource(room, 't', { keys: ['diskless.enable'] });
  expect(values(one)).toEqual({ 'diskless.enable': ['true', 1] });
  const other = await describeResource(room, 't', { keys: ['segment.bytes'] });
  expect(Object.keys(values(other))).toEqual(['segment.bytes']);
  const all = await describeResource(room, 't', { keys: [] });
  expect(values(all)).toMatchObject({
    'diskless.enable': ['true', 1],
    'diskless.color': ['red', 1],
  });
});

test('the switch has a type, and documentation for who asks', async () => {
  const room = await openRoom();
  room.broker.create('t');
  const keys = ['diskless.enable'];
  const [silent] = (await describeResource(room, 't', { keys })).configs;
  expect(silent).toMatchObject({ configType: 1, documentation: null, readOnly: false });
  const [documented] = (await describeResource(room, 't', { keys, documentation: true })).configs;
  expect(documented?.documentation).toContain('object storage');
});

test('errors are passed on without additions', async () => {
  const room = await openRoom();
  const result = await describeResource(room, 'missing');
  expect(result).toMatchObject({ errorCode: 3, configs: [] });
});

test('a broker is found behind its diskless node, and keeps the name that it was asked by', async () => {
  const room = await openRoom();
  const name = String(2 ** 20 + 7);
  const result = await describeResource(room, name, { type: BROKER });
  expect(result).toMatchObject({ errorCode: 0, resourceName: name });
  expect(result.configs.some((config) => config.name === 'diskless.enable')).toBe(false);
});

test('v0, which knows no synonyms, is answered too', async () => {
  const room = await openRoom();
  room.broker.create('t', { 'retention.bytes': '5' });
  await switchOn(room, 't');
  const { configs } = await describeResource(room, 't', { version: 0 });
  const byName = new Map(configs.map((config) => [config.name, config]));
  expect(byName.get('diskless.enable')).toMatchObject({ value: 'true', isDefault: false });
  expect(byName.get('retention.bytes')).toMatchObject({ value: '5', isDefault: false });
});
