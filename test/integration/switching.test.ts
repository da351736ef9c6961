/**
 * A topic becomes diskless, classic, and diskless again while idempotent producers write it and
 * groups of both protocols read it, through two members of which only one is told.
 */
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { runDir } from '../../docker/local/cache.ts';
import { kafkaLibs } from '../../docker/local/kafka-jars.ts';
import { javaProgram } from '../../docker/local/kafka-tools.ts';
import { type Outrigger, startOutrigger } from '../../docker/local/outrigger.ts';
import { apis, BrokerConnection } from '../../kafka/index.ts';
import { createTopic, endpointOf } from './equivalence/ways.ts';
import { logContents } from './support/log-contents.ts';

const PROGRAM = fileURLToPath(new URL('../java/KeyedLoad.java', import.meta.url));
const RECORDS = 24_000;
const PARTITIONS = 4;
/** A switch after each so many acknowledged records. */
const RECORDS_PER_SWITCH = 3_000;
const REDIS_DB = 11;

const TOPIC_RESOURCE = 2;
const SET = 0;

let members: Outrigger[] = [];

beforeAll(async () => {
  const storeUrl = `file://${await runDir('store')}`;
  members = await Promise.all(
    [0, 1].map(async (id) =>
      startOutrigger({
        kafkaBootstrap: inject('kafka').bootstrap,
        redisUrl: `${inject('redis').url}/${REDIS_DB}`,
        storeUrl,
        configs: { 'member.id': id },
      }),
    ),
  );
});

afterAll(async () => {
  await Promise.all(members.map(async (member) => member.stop()));
});

function first(): Outrigger {
  const [member] = members;
  if (member === undefined) throw new Error('no member runs');
  return member;
}

test('records are neither lost nor doubled nor out of order when a topic is switched', async () => {
  const { bootstrap } = first();
  const topic = await createTopic({ name: 'classic', bootstrap, isDiskless: false }, 'switched', {
    partitions: PARTITIONS,
  });
  const admin = await BrokerConnection.open(endpointOf(bootstrap), { clientId: 'switch' });
  const switches: Promise<unknown>[] = [];
  const switchTopic = (isDiskless: boolean): void => {
    const configs = [{ name: 'diskless.enable', configOperation: SET, value: String(isDiskless) }];
    switches.push(
      admin
        .request(apis.IncrementalAlterConfigs, {
          resources: [{ resourceType: TOPIC_RESOURCE, resourceName: topic, configs }],
          validateOnly: false,
        })
        .then(({ responses }) => responses[0]?.errorCode),
    );
  };
  const bootstraps = members.map((member) => member.bootstrap).join(',');
  const libs = await kafkaLibs(inject('kafka').version);
  const { code, stdout, stderr } = await javaProgram(
    libs,
    PROGRAM,
    [bootstraps, topic, String(RECORDS)],
    {
      timeoutMs: 110_000,
      onLine: (line) => {
        const acknowledged = Number(/^acknowledged (\d+)$/.exec(line)?.[1] ?? Number.NaN);
        if (acknowledged % RECORDS_PER_SWITCH !== 0) return;
        switchTopic(switches.length % 2 === 0);
      },
    },
  );
  await admin.close();
  expect(code, stderr).toBe(0);
  expect(new Set(await Promise.all(switches))).toEqual(new Set([0]));
  expect(switches.length).toBeGreaterThanOrEqual(RECORDS / RECORDS_PER_SWITCH - 1);
  const groups = stdout
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line): unknown => JSON.parse(line));
  const all = { records: RECORDS, distinct: RECORDS, outOfOrder: 0 };
  expect(groups).toEqual([
    { protocol: 'classic', ...all },
    { protocol: 'consumer', ...all },
  ]);
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const contents = await logContents(inject('kafka').bootstrap, topic, partition);
    expect(contents.changes, `changes in partition ${partition}`).toBeGreaterThanOrEqual(4);
  }
});
