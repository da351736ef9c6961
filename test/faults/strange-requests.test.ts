/** Many more requests as no client sends them than the gate has time for. The seed is printed. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runDir } from '../../docker/local/cache.ts';
import { type Kafka, startKafka } from '../../docker/local/kafka.ts';
import { type Outrigger, startOutrigger } from '../../docker/local/outrigger.ts';
import { LEVEL_ERROR, logOf } from './support/site.ts';
import { sendStrangeRequests } from './support/strange-requests.ts';

const SEED = Number(process.env['SEED'] ?? Date.now() % 2 ** 31);
const COUNT = 5_000;

let kafka: Kafka;
let member: Outrigger;

beforeAll(async () => {
  kafka = await startKafka();
  const storeUrl = `file://${await runDir('store')}`;
  member = await startOutrigger({ kafkaBootstrap: kafka.bootstrap, storeUrl });
});

afterAll(async () => {
  await member.stop();
  await kafka.stop();
});

test(`no request, however strange, ends the member (seed ${SEED})`, async () => {
  await sendStrangeRequests(member.bootstrap, SEED, COUNT);
  const entries = await logOf(member);
  expect(entries.filter(({ level }) => level >= LEVEL_ERROR)).toEqual([]);
  // An error without a code is a mistake of ours.
  expect(entries.filter(({ err }) => err !== undefined && err.code === undefined)).toEqual([]);
});
