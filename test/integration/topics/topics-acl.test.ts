/**
 * Who may switch a topic is the broker's to say: the member's own principal lends nobody a right.
 */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import kafkajs from 'kafkajs';
import { pino } from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import { CONFIG_KEYS } from '../../../cli/config/config-keys.ts';
import { loadConfig } from '../../../cli/config/load-config.ts';
import { proxyOptionsOf } from '../../../cli/config/proxy-options-of.ts';
import { startKafka } from '../../../docker/local/kafka.ts';
import { freePort, freePortRange } from '../../../docker/local/ports.ts';
import { startProxy, type Proxy } from '../../../proxy/index.ts';

const USERS = { outrigger: 'own-secret', alice: 'her-secret', bob: 'his-secret' };
const { TOPIC } = kafkajs.ConfigResourceTypes;

async function startMember(keys: Record<string, string>): Promise<Proxy> {
  const [first, last] = await freePortRange(4);
  const all = {
    ...keys,
    'listener.host': '127.0.0.1',
    'listener.port': String(await freePort()),
    'node.ports': `${first}-${last}`,
  };
  const text = Object.entries(all).map(([key, value]) => `${key}=${value}`);
  const file = { name: 'test', text: text.join('\n') };
  const { values } = loadConfig(CONFIG_KEYS, { environment: {}, file });
  const proxy = await startProxy(proxyOptionsOf(values), pino({ level: 'warn' }));
  onTestFinished(async () => proxy.stop());
  return proxy;
}

async function adminOf(bootstrap: string, username: keyof typeof USERS): Promise<kafkajs.Admin> {
  const client = new kafkajs.Kafka({
    brokers: [bootstrap],
    logLevel: kafkajs.logLevel.NOTHING,
    retry: { retries: 0 },
    sasl: { mechanism: 'plain', username, password: USERS[username] },
  });
  const admin = client.admin();
  await admin.connect();
  onTestFinished(async () => admin.disconnect());
  return admin;
}

test('a user switches a topic exactly if the broker lets him alter it', async () => {
  const cluster = await startKafka({
    sasl: { mechanisms: ['PLAIN'], users: USERS },
    configs: {
      'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
      'super.users': 'User:ANONYMOUS;User:outrigger;User:alice',
    },
  });
  onTestFinished(async () => cluster.stop());
  const folder = await mkdtemp(join(tmpdir(), 'outrigger-acl-'));
  onTestFinished(async () => rm(folder, { recursive: true }));
  const member = await startMember({
    'kafka.bootstrap.servers': cluster.bootstrap,
    'kafka.security.protocol': 'SASL_PLAINTEXT',
    'kafka.sasl.mechanism': 'PLAIN',
    'kafka.sasl.username': 'outrigger',
    'kafka.sasl.password': USERS.outrigger,
    'store.url': `file://${folder}`,
  });

  const alice = await adminOf(member.bootstrap, 'alice');
  const bob = await adminOf(member.bootstrap, 'bob');
  const diskless = [{ name: 'diskless.enable', value: 'true' }];
  const change = {
    validateOnly: false,
    resources: [{ type: TOPIC, name: 'orders', configEntries: diskless }],
  };
  await alice.createTopics({ topics: [{ topic: 'orders' }] });

  await expect(bob.alterConfigs(change)).rejects.toThrow('Not authorized');
  const bobs = [{ topic: 'bobs', configEntries: diskless }];
  await expect(bob.createTopics({ topics: bobs })).rejects.toThrow();
  expect(await readdir(join(folder, 'topics')).catch(() => [])).toEqual([]);

  await alice.alterConfigs(change);
  expect(await readdir(join(folder, 'topics'))).toHaveLength(1);
  await expect(
    bob.alterConfigs({
      validateOnly: false,
      resources: [{ type: TOPIC, name: 'orders', configEntries: [] }],
    }),
  ).rejects.toThrow('Not authorized');
  const { resources } = await alice.describeConfigs({
    includeSynonyms: false,
    resources: [{ type: TOPIC, name: 'orders', configNames: ['diskless.enable'] }],
  });
  expect(resources[0]?.configEntries).toMatchObject([{ configValue: 'true' }]);
  await alice.deleteTopics({ topics: ['orders'] });
  await expect.poll(async () => readdir(join(folder, 'topics'))).toEqual([]);
});
