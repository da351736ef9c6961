/** Where real share groups begin to read: what a trim must not go beyond. */
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { kafkaLibs } from '../../../docker/local/kafka-jars.ts';
import { javaProgram } from '../../../docker/local/kafka-tools.ts';
import { ClusterClient } from '../../../kafka/index.ts';
import { KafkaClusterLog } from '../../../workers/log/kafka-cluster-log.ts';
import { createTopic, endpointOf } from '../equivalence/ways.ts';

const PROGRAM = fileURLToPath(new URL('../../java/ShareGroup.java', import.meta.url));
const RECORDS = 200;

let client: ClusterClient;

beforeAll(() => {
  client = new ClusterClient({
    bootstrap: [endpointOf(inject('kafka').bootstrap)],
    connection: { clientId: 'share-group-starts' },
    logger: pino({ level: 'silent' }),
    now: () => performance.now(),
    random: () => 0,
  });
});

afterAll(() => client.close());

test('a partition that share groups read has a start, and another has none', async () => {
  const { bootstrap, version } = inject('kafka');
  const way = { name: 'direct', bootstrap, isDiskless: false } as const;
  const [read, other] = [await createTopic(way, 'shared'), await createTopic(way, 'other')];
  const libs = await kafkaLibs(version);
  const args = [bootstrap, read, String(RECORDS)];
  const { code, stderr } = await javaProgram(libs, PROGRAM, args, { timeoutMs: 110_000 });
  expect(code, stderr).toBe(0);
  const logger = pino({ level: 'silent' });
  const log = new KafkaClusterLog({ client, monotonicMs: () => performance.now(), logger });
  const found = await log.topics([read, other]);
  const [leader] = found.get(read)?.partitions ?? [];
  const [otherLeader] = found.get(other)?.partitions ?? [];
  if (leader === undefined || otherLeader === undefined) throw new Error('there is no leader');
  const start = await log.shareGroupStart(leader);
  const [end] = (await log.logEnds([leader])).values();
  expect(start).toBeDefined();
  expect(start).toBeLessThanOrEqual(end?.endOffset ?? 0n);
  expect(await log.shareGroupStart(otherLeader)).toBeUndefined();
});
