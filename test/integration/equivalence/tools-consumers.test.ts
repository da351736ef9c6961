/** Kafka's consumers with limits and protocols of every kind read the same on all three ways. */
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { logContents } from '../support/log-contents.ts';
import { sorted, ToolWay } from './tool-ways.ts';
import { createTopic, expectSame, openWays, type Ways } from './ways.ts';

const PARTITIONS = 50;
const RECORDS = 3_000;
const ROUNDS = 3;

let ways: Ways;
let tools: readonly ToolWay[];
let topics: readonly string[];

beforeAll(async () => {
  ways = await openWays(12);
  tools = await Promise.all(ways.all.map(async (way) => ToolWay.open(way)));
  topics = await Promise.all(tools.map(fill));
});

afterAll(async () => {
  await Promise.all(tools.map(async (tool) => tool.close()));
  await ways.stop();
});

/** Several batches in each of many partitions. */
async function fill(tool: ToolWay): Promise<string> {
  const topic = await createTopic(tool.way, 'many', { partitions: PARTITIONS });
  const reader = ['--reader-property', 'parse.key=true', '--reader-property', 'key.separator=:'];
  const linger = ['--command-property', 'linger.ms=200', '--compression-codec', 'lz4'];
  for (let round = 0; round < ROUNDS; round++) {
    const lines = Array.from({ length: RECORDS / ROUNDS }, (_, index) => {
      return `key-${index}:round ${round} record ${index} ${Math.sin(index)}\n`;
    });
    const args = ['--topic', topic, ...reader, ...linger];
    const { code } = await tool.run('kafka-console-producer', args, lines.join(''));
    expect(code).toBe(0);
  }
  const { placeholders } = await logContents(inject('kafka').bootstrap, topic);
  expect(placeholders > 0).toBe(tool.way.isDiskless);
  return topic;
}

const SMALL = { 'fetch.max.bytes': 5_000, 'max.partition.fetch.bytes': 1_000 };

test.for<Readonly<Record<string, string | number>>>([
  { ...SMALL },
  { ...SMALL, 'group.protocol': 'consumer' },
  { 'group.protocol': 'consumer', 'fetch.min.bytes': 100_000, 'fetch.max.wait.ms': 300 },
  { 'client.rack': 'elsewhere', 'isolation.level': 'read_committed', 'max.poll.records': 7 },
])('%o', async (properties) => {
  const session = async (tool: ToolWay, index: number): Promise<unknown> => {
    const settings = Object.entries(properties).flatMap(([name, value]) => [
      '--command-property',
      `${name}=${value}`,
    ]);
    const printed = ['partition', 'offset', 'key'].flatMap((what) => [
      '--formatter-property',
      `print.${what}=true`,
    ]);
    const until = ['--max-messages', String(RECORDS), '--timeout-ms', '60000'];
    const named = ['--topic', topics[index] ?? '', '--group', tool.name('group')];
    const args = [...named, '--from-beginning', ...until, ...printed, ...settings];
    const outcome = sorted(await tool.run('kafka-console-consumer', args));
    const lag = await tool.run('kafka-consumer-groups', ['--describe', ...named.slice(2)]);
    return { outcome, lag: lag.stdout.match(/<group>.*\d+ {2}\d+ {2}\d+/g)?.length };
  };
  expectSame(ways, await Promise.all(tools.map(session)));
});
