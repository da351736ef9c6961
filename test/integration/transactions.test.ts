/**
 * Exactly once: Kafka's own producers and consumers copy records in transactions from a classic
 * topic to a diskless one, from there to another, and back to a classic one, in both versions of
 * Kafka's transactions. All stages are killed in the middle of a transaction and started again.
 */
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { runDir } from '../../docker/local/cache.ts';
import { javaProgram } from '../../docker/local/kafka-tools.ts';
import { type Kafka, startKafka } from '../../docker/local/kafka.ts';
import { type Outrigger, startOutrigger } from '../../docker/local/outrigger.ts';
import type { CommandResult } from '../../docker/local/process.ts';
import { createTopic, type Way } from './equivalence/ways.ts';
import { logContents } from './support/log-contents.ts';

const PROGRAM = fileURLToPath(new URL('../java/ExactlyOnce.java', import.meta.url));
const RECORDS = 6_000;
const PARTITIONS = 3;
/** Of the shared Redis, for clusters of their own. */
const REDIS_DB = 8;
/** Of the first run's first stage; every stage hangs in a transaction in the end. */
const TRANSACTIONS_BEFORE_KILL = 7;

describe.for([1, 2])('with transaction.version %i', (version) => {
  let kafka: Kafka;
  let outrigger: Outrigger;

  beforeAll(async () => {
    kafka = await startKafka({ features: { 'transaction.version': version } });
    outrigger = await startOutrigger({
      kafkaBootstrap: kafka.bootstrap,
      storeUrl: `file://${await runDir('store')}`,
      redisUrl: `${inject('redis').url}/${REDIS_DB + version}`,
    });
  });

  afterAll(async () => {
    await outrigger.stop();
    await kafka.stop();
  });

  async function topicOf(isDiskless: boolean): Promise<string> {
    const name = isDiskless ? 'diskless' : 'classic';
    const way: Way = { name, bootstrap: outrigger.bootstrap, isDiskless };
    return createTopic(way, 'exactly-once', { partitions: PARTITIONS });
  }

  async function run(
    topics: readonly string[],
    hangAfter: number,
    onLine?: (line: string) => void,
    signal?: AbortSignal,
  ): Promise<CommandResult> {
    const args = [outrigger.bootstrap, String(RECORDS), String(hangAfter), ...topics];
    const options = { timeoutMs: 110_000, ...(onLine && { onLine }), ...(signal && { signal }) };
    return javaProgram(kafka.libs, PROGRAM, args, options);
  }

  test('nothing is lost, doubled, out of order or aborted, though all are killed', async () => {
    const topics = [
      await topicOf(false),
      await topicOf(true),
      await topicOf(true),
      await topicOf(false),
    ];
    const kill = new AbortController();
    const killed = await run(
      topics,
      TRANSACTIONS_BEFORE_KILL,
      (line) => {
        if (line === 'hanging') kill.abort();
      },
      kill.signal,
    );
    expect(killed.stdout, killed.stderr).toContain('hanging');

    const { code, stdout, stderr } = await run(topics, -1);
    expect(code, stderr).toBe(0);
    const [first, ...reports] = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    const fenced: unknown = reports.pop();
    const once = { records: RECORDS, distinct: RECORDS, outOfOrder: 0, aborted: 0 };
    expect(first).toEqual({ topic: topics[0], committed: once, all: once });
    expect(reports).toHaveLength(topics.length - 1);
    for (const { committed, all } of reports) {
      expect(committed).toEqual(once);
      expect(all.aborted).toBeGreaterThan(0);
      expect(all.records).toBeGreaterThan(all.distinct + all.aborted);
    }
    expect(fenced).toEqual({ fenced: true });
    for (const [index, topic] of topics.entries()) {
      const { placeholders } = await logContents(kafka.bootstrap, topic);
      expect(placeholders > 0, topic).toBe(index === 1 || index === 2);
    }
  });
});
