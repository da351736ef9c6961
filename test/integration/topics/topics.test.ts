/** Topics through a real member, changed and looked at with the tools that Kafka's users have. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import kafkajs from 'kafkajs';
import { afterAll, beforeAll, expect, inject, onTestFinished, test } from 'vitest';
import { kafkaLibs, type KafkaLibs } from '../../../docker/local/kafka-jars.ts';
import { javaProgram, kafkaTool, type KafkaTool } from '../../../docker/local/kafka-tools.ts';
import { type Outrigger, startOutrigger } from '../../../docker/local/outrigger.ts';
import type { CommandResult } from '../../../docker/local/process.ts';
import { uniqueName } from '../support/names.ts';

const PREFIX = uniqueName('byname');

/** Of the shared Redis: one belongs to one cluster and bucket. */
const REDIS_DB = 8;

let folder: string;
let member: Outrigger;
let libs: KafkaLibs;

beforeAll(async () => {
  const { bootstrap, version } = inject('kafka');
  folder = await mkdtemp(join(tmpdir(), 'outrigger-topics-'));
  libs = await kafkaLibs(version);
  member = await startOutrigger({
    kafkaBootstrap: bootstrap,
    storeUrl: `file://${folder}`,
    configs: { 'diskless.topics': `${PREFIX}*` },
  });
});

afterAll(async () => {
  await member.stop();
  await rm(folder, { recursive: true });
});

async function throughMember(tool: KafkaTool, ...args: string[]): Promise<CommandResult> {
  return kafkaTool(libs, tool, ['--bootstrap-server', member.bootstrap, ...args]);
}

/** What the broker itself holds of a topic: its own keys and values. */
async function heldByBroker(topic: string): Promise<Record<string, string>> {
  const { bootstrap } = inject('kafka');
  const server = ['--bootstrap-server', bootstrap];
  const args = [...server, '--describe', '--entity-type', 'topics', '--entity-name', topic];
  return valuesOf((await kafkaTool(libs, 'kafka-configs', args)).stdout);
}

async function describedByTool(topic: string): Promise<Record<string, string>> {
  const entity = ['--entity-type', 'topics', '--entity-name', topic];
  const described = await throughMember('kafka-configs', '--describe', ...entity);
  return valuesOf(described.stdout);
}

/** Lines of `kafka-configs`, as in `  retention.bytes=5 sensitive=false synonyms={…}`. */
function valuesOf(stdout: string): Record<string, string> {
  return Object.fromEntries(
    [...stdout.matchAll(/^ {2}(\S+?)=(\S*) sensitive=/gm)].map(([, key, value]) => [key, value]),
  );
}

async function withAdmin<T>(act: (admin: kafkajs.Admin) => Promise<T>): Promise<T> {
  const client = new kafkajs.Kafka({
    brokers: [member.bootstrap],
    logLevel: kafkajs.logLevel.NOTHING,
    retry: { retries: 0 },
  });
  const admin = client.admin();
  await admin.connect();
  try {
    return await act(admin);
  } finally {
    await admin.disconnect();
  }
}

async function alter(topic: string, ...changes: string[]): Promise<CommandResult> {
  const entity = ['--entity-type', 'topics', '--entity-name', topic];
  return throughMember('kafka-configs', '--alter', ...entity, ...changes);
}

const SAFE = {
  'cleanup.policy': 'delete',
  'compression.type': 'producer',
  'retention.bytes': '-1',
};

test('kafka-topics makes a topic, kafka-configs switches it on, shows it and switches it off', async () => {
  const topic = uniqueName('switched');
  const own = ['--config', 'retention.bytes=1000000', '--config', 'retention.ms=500000'];
  const created = await throughMember('kafka-topics', '--create', '--topic', topic, ...own);
  expect(created, created.stderr).toMatchObject({ code: 0 });
  const on = await alter(topic, '--add-config', 'diskless.enable=true');
  expect(on, on.stderr).toMatchObject({ code: 0 });
  expect(on.stdout).toContain('Completed updating config for topic');
  expect(await heldByBroker(topic)).toEqual({ ...SAFE, 'retention.ms': '500000' });
  const seen = { 'retention.bytes': '1000000', 'retention.ms': '500000' };
  expect(await describedByTool(topic)).toEqual({ ...seen, 'diskless.enable': 'true' });
  const described = await throughMember('kafka-topics', '--describe', '--topic', topic);
  expect(described.stdout).toContain('diskless.enable=true');
  expect(described.stdout).toContain('retention.bytes=1000000');
  expect(described.stdout).not.toContain('retention.bytes=-1');

  await alter(topic, '--add-config', 'retention.bytes=2000000,compression.type=zstd');
  expect(await heldByBroker(topic)).toEqual({ ...SAFE, 'retention.ms': '500000' });
  const off = await alter(topic, '--delete-config', 'diskless.enable');
  expect(off, off.stderr).toMatchObject({ code: 0 });
  const mine = { ...seen, 'retention.bytes': '2000000', 'compression.type': 'zstd' };
  expect(await heldByBroker(topic)).toEqual(mine);
  expect(await describedByTool(topic)).toEqual(mine);
});

test('a topic that diskless.topics names is diskless from kafka-topics --create on', async () => {
  const topic = uniqueName(PREFIX);
  await throughMember('kafka-topics', '--create', '--topic', topic);
  expect(await heldByBroker(topic)).toEqual(SAFE);
  const described = await throughMember('kafka-topics', '--describe', '--topic', topic);
  expect(described.stdout).toContain('diskless.enable=true');
});

test('a topic that is made behind the back of the member is diskless once it was seen', async () => {
  const topic = uniqueName(PREFIX);
  const server = ['--bootstrap-server', inject('kafka').bootstrap];
  await kafkaTool(libs, 'kafka-topics', [...server, '--create', '--topic', topic]);
  await withAdmin(async (admin) => admin.fetchTopicMetadata({ topics: [topic] }));
  await expect.poll(async () => heldByBroker(topic), { timeout: 30_000 }).toEqual(SAFE);
});

test('kafka-configs is refused what cannot be, with the reason', async () => {
  const topic = uniqueName('refused');
  await throughMember('kafka-topics', '--create', '--topic', topic);
  const typo = await alter(topic, '--add-config', 'diskless.enable=yes');
  expect(typo.stderr + typo.stdout).toContain(
    'Invalid value yes for configuration diskless.enable: Expected value to be either true or false',
  );
  const unknown = await alter(topic, '--add-config', 'diskless.enable=true,no.such.key=1');
  expect(unknown.stderr + unknown.stdout).toContain('no.such.key');
  expect(await heldByBroker(topic)).toEqual({});
  expect(await describedByTool(topic)).toEqual({});
});

test('kafkajs creates, alters, describes and deletes', async () => {
  const topic = uniqueName('kafkajs');
  const { TOPIC } = kafkajs.ConfigResourceTypes;
  const seen = await withAdmin(async (admin) => {
    const describe = async () => {
      const { resources } = await admin.describeConfigs({
        includeSynonyms: false,
        resources: [{ type: TOPIC, name: topic }],
      });
      const entries = resources[0]?.configEntries ?? [];
      return Object.fromEntries(entries.map((entry) => [entry.configName, entry.configValue]));
    };
    const configEntries = [
      { name: 'diskless.enable', value: 'true' },
      { name: 'retention.bytes', value: '5000' },
    ];
    await admin.createTopics({ topics: [{ topic, configEntries }] });
    const created = await describe();
    const replaced = [
      { name: 'diskless.enable', value: 'true' },
      { name: 'compression.type', value: 'gzip' },
    ];
    const validateOnly = false;
    const resources = [{ type: TOPIC, name: topic, configEntries: replaced }];
    await admin.alterConfigs({ validateOnly, resources });
    return { created, altered: await describe() };
  });
  expect(seen.created).toMatchObject({ 'diskless.enable': 'true', 'retention.bytes': '5000' });
  expect(seen.altered).toMatchObject({
    'diskless.enable': 'true',
    'retention.bytes': '-1',
    'compression.type': 'gzip',
    'cleanup.policy': 'delete',
  });
  expect(await heldByBroker(topic)).toEqual(SAFE);
  await withAdmin(async (admin) => admin.deleteTopics({ topics: [topic] }));
  const listed = await withAdmin(async (admin) => admin.listTopics());
  expect(listed).not.toContain(topic);
});

test('the Java admin client sees a topic as it has set it, in every step', async () => {
  const topic = uniqueName('java');
  const program = new URL('AdminTopics.java', import.meta.url).pathname;
  const run = await javaProgram(libs, program, [member.bootstrap, topic]);
  expect(run, run.stderr).toMatchObject({ code: 0 });
  const unset = 'compression.type=producer/DEFAULT_CONFIG';
  const kept = 'retention.bytes=77/DYNAMIC_TOPIC_CONFIG, retention.ms=604800000/DEFAULT_CONFIG';
  const compacted = `{cleanup.policy=compact/DYNAMIC_TOPIC_CONFIG, ${unset}, diskless.enable=true/DYNAMIC_TOPIC_CONFIG, ${kept}}`;
  expect(run.stdout.trim().split('\n')).toEqual([
    `created 2: ${compacted}`,
    `described: ${compacted}`,
    'compacted off: InvalidConfigurationException',
    `subtracted: {cleanup.policy=delete/DYNAMIC_TOPIC_CONFIG, ${unset}, diskless.enable=true/DYNAMIC_TOPIC_CONFIG, ${kept}}`,
    `classic: {cleanup.policy=delete/DYNAMIC_TOPIC_CONFIG, ${unset}, diskless.enable=false/DYNAMIC_TOPIC_CONFIG, ${kept}}`,
    expect.stringMatching(/^BOOLEAN true \[ConfigSynonym\(name=diskless.enable, value=false/),
  ]);
});

test('what was switched is still switched after the member has started again', async () => {
  const topic = uniqueName('restarted');
  await throughMember('kafka-topics', '--create', '--topic', topic);
  await alter(topic, '--add-config', 'diskless.enable=true,cleanup.policy=compact');
  await member.kill();
  await member.start();
  expect(await describedByTool(topic)).toEqual({
    'diskless.enable': 'true',
    'cleanup.policy': 'compact',
  });
  expect(await heldByBroker(topic)).toEqual({ ...SAFE, 'retention.ms': '-1' });
});

test('what one member switches, the others know', async () => {
  const { bootstrap } = inject('kafka');
  const redisUrl = `${inject('redis').url}/${REDIS_DB}`;
  const shared = { kafkaBootstrap: bootstrap, storeUrl: `file://${folder}`, redisUrl };
  const [one, two] = await Promise.all([
    startOutrigger({ ...shared, configs: { 'member.id': 1 } }),
    startOutrigger({ ...shared, configs: { 'member.id': 2 } }),
  ]);
  onTestFinished(async () => {
    await Promise.all([one.stop(), two.stop()]);
  });
  const topic = uniqueName('shared');
  const { TOPIC } = kafkajs.ConfigResourceTypes;
  const configEntries = [{ name: 'diskless.enable', value: 'true' }];
  const adminOf = async (bootstrapServer: string): Promise<kafkajs.Admin> => {
    const client = new kafkajs.Kafka({
      brokers: [bootstrapServer],
      logLevel: kafkajs.logLevel.NOTHING,
    });
    const admin = client.admin();
    await admin.connect();
    onTestFinished(async () => admin.disconnect());
    return admin;
  };
  const [here, there] = await Promise.all([adminOf(one.bootstrap), adminOf(two.bootstrap)]);
  const seenThere = async (): Promise<string | undefined> => {
    const resources = [{ type: TOPIC, name: topic, configNames: ['diskless.enable'] }];
    const answer = await there.describeConfigs({ includeSynonyms: false, resources });
    return answer.resources[0]?.configEntries[0]?.configValue;
  };
  await here.createTopics({ topics: [{ topic, configEntries }] });
  await expect.poll(seenThere).toBe('true');
  const off = [{ type: TOPIC, name: topic, configEntries: [] }];
  await here.alterConfigs({ validateOnly: false, resources: off });
  await expect.poll(seenThere).toBe('false');
});
