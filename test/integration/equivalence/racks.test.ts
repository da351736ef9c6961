/**
 * Consumers that name a rack, in front of brokers that would send them to the replica there: on a
 * classic topic they may go, on a diskless one they are served where they are. All get all records.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runDir } from '../../../docker/local/cache.ts';
import { type Kafka, startKafka } from '../../../docker/local/kafka.ts';
import { type Outrigger, startOutrigger } from '../../../docker/local/outrigger.ts';
import { kcat, kcatProduce } from '../support/kcat.ts';
import { logContents } from '../support/log-contents.ts';
import { createTopic } from './ways.ts';

const VALUES = Array.from({ length: 500 }, (_, index) => `value ${index} ${'.'.repeat(300)}`);

let kafka: Kafka;
let outrigger: Outrigger;

beforeAll(async () => {
  kafka = await startKafka({
    brokers: 2,
    configs: {
      'replica.selector.class': 'org.apache.kafka.common.replica.RackAwareReplicaSelector',
    },
    brokerConfigs: { 1: { 'broker.rack': 'a' }, 2: { 'broker.rack': 'b' } },
  });
  outrigger = await startOutrigger({
    kafkaBootstrap: kafka.bootstrap,
    storeUrl: `file://${await runDir('store')}`,
    configs: { 'member.rack': 'a' },
  });
});

afterAll(async () => {
  await outrigger.stop();
  await kafka.stop();
});

test.for([true, false])(
  'a consumer of any rack gets all records; diskless: %o',
  async (isDiskless) => {
    const { bootstrap } = outrigger;
    const name = isDiskless ? 'diskless' : 'classic';
    const topic = await createTopic({ name, bootstrap, isDiskless }, 'racks', { replicas: 2 });
    await kcatProduce(bootstrap, topic, VALUES);
    const args = ['-C', '-b', bootstrap, '-t', topic, '-o', 'beginning', '-e', '-q'];
    for (const rack of ['a', 'b', 'nowhere']) {
      const values = await kcat(args, { properties: { 'client.rack': rack } });
      expect(values.split('\n').slice(0, -1), `in rack ${rack}`).toEqual(VALUES);
    }
    const { placeholders } = await logContents(kafka.bootstrap, topic);
    expect(placeholders > 0).toBe(isDiskless);
  },
);
