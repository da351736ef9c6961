/**
 * Writes the fixtures in test/unit/kafka/messages/fixtures anew: what Java's tools, librdkafka
 * (kcat) and kafkajs say to a real broker, and what it answers.
 *
 *     node test/oracle/record-fixtures.ts
 */

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startKafka } from '../../docker/local/kafka.ts';
import type { Kafka } from '../../docker/local/kafka.ts';
import { kafkaTool } from '../../docker/local/kafka-tools.ts';
import type { KafkaTool } from '../../docker/local/kafka-tools.ts';
import { freePorts } from '../../docker/local/ports.ts';
import { runCommand } from '../../docker/local/process.ts';
import { ensureCommands } from '../../docker/local/system-packages.ts';
import { FrameRecorder } from './frame-recorder.ts';

const FIXTURES = new URL('../unit/kafka/messages/fixtures/', import.meta.url).pathname;
const TOPIC = 'orders';

interface Session {
  readonly kafka: Kafka;
  /** HOST:PORT of the recorder, which the broker advertises as its own. */
  readonly bootstrap: string;
  readonly recorder: FrameRecorder;
}

async function withRecorder(
  version: string,
  use: (session: Session) => Promise<void>,
): Promise<void> {
  const [port = 0, recorderPort = 0] = await freePorts(2);
  const kafka = await startKafka({
    version,
    ports: [port],
    configs: { 'advertised.listeners': `INTERNAL://127.0.0.1:${recorderPort}` },
  });
  const recorder = new FrameRecorder(port);
  await recorder.listen(recorderPort);
  try {
    await use({ kafka, recorder, bootstrap: `127.0.0.1:${recorderPort}` });
  } finally {
    await recorder.close();
    await kafka.stop();
  }
}

async function write(name: string, recorder: FrameRecorder): Promise<void> {
  const lines = recorder.take();
  await writeFile(join(FIXTURES, `${name}.hex`), `${lines.join('\n')}\n`);
  console.log(`${name}: ${lines.length} frames`);
}

async function recordJava({ kafka, recorder, bootstrap }: Session): Promise<void> {
  const tool = async (name: KafkaTool, args: string, stdin = ''): Promise<void> => {
    const all = ['--bootstrap-server', bootstrap, ...args.split(' ')];
    const result = await kafkaTool(kafka.libs, name, all, { stdin, timeoutMs: 60_000 });
    if (result.code !== 0) console.log(`${name} ${args}: ${result.code} ${result.stderr}`);
  };
  const dir = await mkdtemp(join(tmpdir(), 'record-fixtures-'));
  const offsets = join(dir, 'offsets.json');
  const partitions = [{ topic: TOPIC, partition: 0, offset: 0 }];
  await writeFile(offsets, JSON.stringify({ version: 1, partitions }));
  await tool('kafka-topics', `--create --topic ${TOPIC} --partitions 2 --config retention.ms=9999`);
  await tool('kafka-topics', `--alter --topic ${TOPIC} --partitions 3`);
  await tool('kafka-topics', `--describe --topic ${TOPIC}`);
  await tool('kafka-console-producer', `--topic ${TOPIC}`, 'one\ntwo\nthree\n');
  await tool('kafka-console-consumer', `--topic ${TOPIC} --from-beginning --max-messages 3`);
  await tool('kafka-get-offsets', `--topic ${TOPIC} --time -2`);
  await tool('kafka-configs', `--describe --topic ${TOPIC} --all`);
  await tool('kafka-configs', `--alter --topic ${TOPIC} --add-config segment.ms=600000`);
  await tool('kafka-consumer-groups', '--list');
  await tool('kafka-log-dirs', `--describe --topic-list ${TOPIC}`);
  await tool('kafka-delete-records', `--offset-json-file ${offsets}`);
  await tool('kafka-transactions', 'list');
  await tool('kafka-transactions', `describe-producers --topic ${TOPIC} --partition 0`);
  await tool('kafka-leader-election', '--election-type preferred --all-topic-partitions');
  await tool('kafka-reassign-partitions', '--list');
  if (kafka.libs.version === '4.3.1') {
    const reset = '--add-config share.auto.offset.reset=earliest';
    await tool('kafka-configs', `--alter --entity-type groups --entity-name share ${reset}`);
    const share = `--topic ${TOPIC} --group share --max-messages 3`;
    await tool('kafka-console-share-consumer', share);
  }
  await tool('kafka-topics', `--delete --topic ${TOPIC}`);
  await rm(dir, { recursive: true });
  await write(`java-${kafka.libs.version}`, recorder);
}

async function recordKcat(session: Session, name: string, options: string[]): Promise<void> {
  const { recorder, bootstrap } = session;
  const kcat = async (args: string[], stdin = ''): Promise<void> => {
    const all = ['-b', bootstrap, ...options, ...args];
    const result = await runCommand('kcat', all, { stdin, timeoutMs: 60_000 });
    if (result.code !== 0) console.log(`kcat ${args.join(' ')}: ${result.stderr}`);
  };
  const topic = `kcat-${name}`;
  await kcat(['-P', '-t', topic, '-K:'], 'a:one\nb:two\n');
  await kcat(['-C', '-t', topic, '-e', '-o', 'beginning']);
  await kcat(['-L']);
  await kcat(['-Q', '-t', `${topic}:0:0`]);
  await write(name, recorder);
}

async function recordKafkaJs({ recorder, bootstrap }: Session): Promise<void> {
  const { ConfigResourceTypes, Kafka: KafkaJs, logLevel } = (await import('kafkajs')).default;
  const client = new KafkaJs({ brokers: [bootstrap], logLevel: logLevel.ERROR });
  const topic = 'kafkajs';
  const admin = client.admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic, numPartitions: 2 }], waitForLeaders: true });
  await admin.fetchTopicOffsets(topic);
  await admin.describeCluster();
  await admin.describeConfigs({
    resources: [{ type: ConfigResourceTypes.TOPIC, name: topic }],
    includeSynonyms: true,
  });
  await admin.listGroups();
  const producer = client.producer({
    transactionalId: 'tx',
    idempotent: true,
    maxInFlightRequests: 1,
  });
  await producer.connect();
  const transaction = await producer.transaction();
  await transaction.send({ topic, messages: [{ key: 'k', value: 'v' }] });
  await transaction.commit();
  await producer.disconnect();
  const consumer = client.consumer({ groupId: 'g' });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  await new Promise<void>((resolve, reject) => {
    consumer.run({ eachMessage: async () => resolve() }).catch(reject);
  });
  await consumer.disconnect();
  await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '0' }] });
  await admin.deleteTopics({ topics: [topic] });
  await admin.disconnect();
  await write('kafkajs-2.2.4', recorder);
}

await ensureCommands('kcat');
await mkdir(FIXTURES, { recursive: true });
await withRecorder('4.3.1', async (session) => {
  await recordJava(session);
  await recordKafkaJs(session);
  await recordKcat(session, 'librdkafka-2.0.2', []);
});
await withRecorder('3.9.2', async (session) => {
  await recordJava(session);
  await recordKcat(session, 'librdkafka-2.0.2-as-0.9', [
    '-X',
    'api.version.request=false',
    '-X',
    'broker.version.fallback=0.9.0',
  ]);
});
