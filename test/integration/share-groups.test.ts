/**
 * Share groups (KIP-932) on a diskless topic: every record once, but for those that are released.
 */
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { runDir } from '../../docker/local/cache.ts';
import { kafkaLibs } from '../../docker/local/kafka-jars.ts';
import { javaProgram } from '../../docker/local/kafka-tools.ts';
import { type Outrigger, startOutrigger } from '../../docker/local/outrigger.ts';
import { createTopic } from './equivalence/ways.ts';
import { logContents } from './support/log-contents.ts';

const PROGRAM = fileURLToPath(new URL('../java/ShareGroup.java', import.meta.url));
const RECORDS = 12_000;
const PARTITIONS = 2;

let outrigger: Outrigger;

beforeAll(async () => {
  outrigger = await startOutrigger({
    kafkaBootstrap: inject('kafka').bootstrap,
    storeUrl: `file://${await runDir('store')}`,
  });
});

afterAll(() => outrigger.stop());

test('two consumers of a share group get every record once, released ones again', async () => {
  const { bootstrap } = outrigger;
  const topic = await createTopic({ name: 'diskless', bootstrap, isDiskless: true }, 'shared', {
    partitions: PARTITIONS,
  });
  const libs = await kafkaLibs(inject('kafka').version);
  const { code, stdout, stderr } = await javaProgram(
    libs,
    PROGRAM,
    [bootstrap, topic, String(RECORDS)],
    { timeoutMs: 110_000 },
  );
  expect(code, stderr).toBe(0);
  const groups = stdout
    .trimEnd()
    .split('\n')
    .map((line): unknown => JSON.parse(line));
  const all = { distinct: RECORDS, deliveredWrong: 0 };
  expect(groups).toEqual([all, all]);
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const { placeholders } = await logContents(inject('kafka').bootstrap, topic, partition);
    expect(placeholders).toBeGreaterThan(0);
  }
});
