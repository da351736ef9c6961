/**
 * Brokers that are killed and restarted behind a member: placeholders follow the leader as any
 * batch does, and clients are sent to the node of the new one.
 */
import { afterAll, beforeAll, expect, onTestFailed, test } from 'vitest';
import { runDir } from '../../docker/local/cache.ts';
import { type Kafka, startKafka } from '../../docker/local/kafka.ts';
import { type Outrigger, startOutrigger } from '../../docker/local/outrigger.ts';
import { createTopic, deleteTopic } from '../faults/support/site.ts';
import { Workload } from '../faults/support/workload.ts';

let kafka: Kafka;
let member: Outrigger;

beforeAll(async () => {
  // A dead broker is found out in 3 s instead of 9.
  const configs = {
    'broker.session.timeout.ms': 3_000,
    'broker.heartbeat.interval.ms': 500,
    // Or a producer makes a topic anew as soon as it is deleted.
    'auto.create.topics.enable': false,
  };
  kafka = await startKafka({ brokers: 3, configs });
  member = await startOutrigger({
    kafkaBootstrap: kafka.bootstrap,
    storeUrl: `file://${await runDir('store')}`,
    configs: { 'wal.linger.ms': 50 },
  });
});

afterAll(async () => {
  await member.stop();
  await kafka.stop();
});

test('nothing is lost when a broker is killed, and when another is restarted', async () => {
  const { bootstrap } = member;
  const configs = { 'min.insync.replicas': '2' };
  const topic = await createTopic(bootstrap, { partitions: 6, replicationFactor: 3, configs });
  const workload = Workload.start({ bootstrap, topic, partitions: 6 });
  onTestFailed(() => console.log(workload.history.summary(), workload.history.complaints));
  await workload.reads(30);
  const [killed, stopped] = kafka.brokers;
  await killed?.kill();
  await workload.acks(30);
  await killed?.start();
  await workload.reads(30);
  await stopped?.stop();
  await workload.acks(30);
  await stopped?.start();
  const history = await workload.finish();
  expect(history.faults()).toEqual([]);
  expect(history.failures).toEqual([]);
  expect(history.consumerErrors).toEqual([]);
  const again = await workload.readAgain();
  expect(history.differences(again)).toEqual([]);
});

test('a topic deleted and created again under load holds what it was given since', async () => {
  const { bootstrap } = member;
  const topic = await createTopic(bootstrap, { replicationFactor: 3 });
  const workload = Workload.start({ bootstrap, topic });
  onTestFailed(() => console.log(workload.history.summary(), workload.history.complaints));
  await workload.reads(30);
  await deleteTopic(bootstrap, topic);
  await createTopic(bootstrap, { name: topic, replicationFactor: 3 });
  const marks = workload.history.marks();
  await workload.acks(60);
  await workload.finish();
  const reading = await workload.readAgain();
  expect(reading.faults()).toEqual([]);
  expect(workload.history.faultsSince(marks, reading)).toEqual([]);
});
