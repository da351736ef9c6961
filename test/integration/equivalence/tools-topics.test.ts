/** Kafka's tools for topics, their settings and offsets are the same on all three ways. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { runDir } from '../../../docker/local/cache.ts';
import { logContents } from '../support/log-contents.ts';
import { sorted, timeless, ToolWay } from './tool-ways.ts';
import { expectSame, openWays, type Ways } from './ways.ts';

let ways: Ways;
let tools: readonly ToolWay[];
let dir: string;

beforeAll(async () => {
  ways = await openWays(4);
  tools = await Promise.all(ways.all.map(async (way) => ToolWay.open(way)));
  dir = await runDir('tools');
});

afterAll(async () => {
  await Promise.all(tools.map(async (tool) => tool.close()));
  await ways.stop();
});

async function expectSameOutcome(session: (tool: ToolWay) => Promise<unknown>): Promise<void> {
  const outcomes = await Promise.all(tools.map(async (tool) => session(tool)));
  expectSame(ways, outcomes);
}

test('a topic is created, described, given partitions, deleted', async () => {
  await expectSameOutcome(async (tool) => {
    const topic = tool.topic('made');
    const named = ['--topic', topic];
    const settings = ['--config', 'retention.ms=3600000', '--config', 'retention.bytes=5000000'];
    const made = ['--partitions', '3', '--replication-factor', '1', ...settings];
    return [
      await tool.run('kafka-topics', ['--create', ...named, ...made]),
      await tool.run('kafka-topics', ['--create', ...named]),
      timeless(await tool.run('kafka-topics', ['--describe', ...named])),
      await tool.run('kafka-topics', ['--alter', ...named, '--partitions', '5']),
      await tool.run('kafka-topics', ['--alter', ...named, '--partitions', '2']),
      timeless(await tool.run('kafka-topics', ['--describe', ...named])),
      await tool.run('kafka-topics', ['--list', ...named]),
      await tool.run('kafka-topics', ['--delete', ...named]),
      await tool.run('kafka-topics', ['--describe', ...named]),
    ];
  });
});

test('settings are described, set and dropped as if the broker held them all', async () => {
  await expectSameOutcome(async (tool) => {
    const topic = tool.topic('configured');
    const named = ['--entity-type', 'topics', '--entity-name', topic];
    const describe = async (...more: string[]): Promise<unknown> =>
      tool.run('kafka-configs', ['--describe', ...named, ...more]);
    const alter = async (...more: string[]): Promise<unknown> => [
      await tool.run('kafka-configs', ['--alter', ...named, ...more]),
      await describe(),
    ];
    return [
      await tool.run('kafka-topics', ['--create', '--topic', topic]),
      await describe(),
      await describe('--all'),
      await alter('--add-config', 'retention.bytes=77,max.message.bytes=5000'),
      await alter('--add-config', 'compression.type=gzip'),
      await alter('--add-config', 'cleanup.policy=[compact,delete],retention.ms=100000'),
      await describe('--all'),
      await alter('--delete-config', 'retention.bytes,compression.type'),
      await alter('--add-config', 'no.such.key=1'),
      await alter('--add-config', 'retention.ms=soon'),
      await alter('--delete-config', 'cleanup.policy,retention.ms,max.message.bytes'),
      await describe('--all'),
    ];
  });
});

test('offsets are listed, and records deleted up to one', async () => {
  await expectSameOutcome(async (tool) => {
    const topic = tool.topic('offsets');
    const named = ['--topic', topic];
    const listed = async (time: string): Promise<unknown> =>
      tool.run('kafka-get-offsets', [...named, '--time', time]);
    const plan = join(dir, `${topic}.json`);
    const partitions = [0, 1].map((partition) => ({ topic, partition, offset: 40 - partition }));
    await writeFile(plan, JSON.stringify({ version: 1, partitions }));
    const outcome = [
      await tool.run('kafka-topics', ['--create', ...named, '--partitions', '2']),
      await produceKeyed(tool, topic),
      await listed('latest'),
      await listed('earliest'),
      await listed('1000'),
      await listed('9999999999999'),
      sorted(await tool.run('kafka-delete-records', ['--offset-json-file', plan])),
      await listed('earliest'),
      await listed('latest'),
      await listed('earliest-local'),
      await tool.run('kafka-console-consumer', [
        ...named,
        '--partition',
        '0',
        '--from-beginning',
        '--timeout-ms',
        '5000',
        '--max-messages',
        '1',
      ]),
    ];
    const { placeholders } = await logContents(inject('kafka').bootstrap, topic);
    expect(placeholders > 0).toBe(tool.way.isDiskless);
    return outcome;
  });
});

async function produceKeyed(tool: ToolWay, topic: string): Promise<unknown> {
  const lines = Array.from(
    { length: 200 },
    (_, index) => `key-${index}:${'v'.repeat(50)}${index}\n`,
  );
  const reader = ['--reader-property', 'parse.key=true', '--reader-property', 'key.separator=:'];
  const args = ['--topic', topic, ...reader, '--command-property', 'linger.ms=100'];
  return tool.run('kafka-console-producer', args, lines.join(''));
}
