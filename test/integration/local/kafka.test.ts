import { readFile } from 'node:fs/promises';
import kafkajs from 'kafkajs';
import { expect, inject, onTestFinished, test } from 'vitest';
import { localCertificate } from '../../../docker/local/certificate.ts';
import { startKafka } from '../../../docker/local/kafka.ts';
import { kafkaLibs } from '../../../docker/local/kafka-jars.ts';
import { javaProgram, kafkaTool } from '../../../docker/local/kafka-tools.ts';
import { uniqueName } from '../support/names.ts';

test('a client with TLS and SCRAM finds its topic again after the broker crashed', async () => {
  const tls = await localCertificate();
  const sasl = { mechanisms: ['SCRAM-SHA-512'], users: { alice: 'her-secret' } } as const;
  // The broker may come back once its session has ended.
  const configs = { 'broker.session.timeout.ms': 2_000, 'broker.heartbeat.interval.ms': 500 };
  const cluster = await startKafka({ tls, sasl, configs });
  onTestFinished(async () => cluster.stop());
  const client = new kafkajs.Kafka({
    brokers: [cluster.bootstrap],
    logLevel: kafkajs.logLevel.NOTHING,
    ssl: { ca: [await readFile(tls.certFile, 'utf8')] },
    sasl: { mechanism: 'scram-sha-512', username: 'alice', password: 'her-secret' },
  });
  const topics = async (create: string[]): Promise<string[]> => {
    const admin = client.admin();
    await admin.connect();
    if (create.length > 0) await admin.createTopics({ topics: create.map((topic) => ({ topic })) });
    const names = await admin.listTopics();
    await admin.disconnect();
    return names;
  };
  expect(await topics(['orders'])).toEqual(['orders']);
  const [broker] = cluster.brokers;
  await broker?.kill();
  expect(broker?.pid()).toBeUndefined();
  await broker?.start();
  expect(await topics([])).toEqual(['orders']);
});

test("Kafka's tools and Java programs reach the shared broker", async () => {
  const { bootstrap, version } = inject('kafka');
  const libs = await kafkaLibs(version);
  const topic = uniqueName('tools');
  const server = ['--bootstrap-server', bootstrap];
  const created = await kafkaTool(libs, 'kafka-topics', [...server, '--create', '--topic', topic]);
  expect(created).toMatchObject({ code: 0 });
  await kafkaTool(libs, 'kafka-console-producer', [...server, '--topic', topic], {
    stdin: 'one\ntwo\n',
  });
  const offsets = await kafkaTool(libs, 'kafka-get-offsets', [...server, '--topic', topic]);
  expect(offsets.stdout.trim()).toBe(`${topic}:0:2`);
  const program = new URL('DescribeTopic.java', import.meta.url).pathname;
  const described = await javaProgram(libs, program, [bootstrap, topic]);
  expect(described, described.stderr).toMatchObject({ code: 0, stdout: `${topic} 1\n` });
});
