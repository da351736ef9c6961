/** Kafka's tools that produce and consume, in groups or not, are the same on all three ways. */
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { logContents } from '../support/log-contents.ts';
import { sorted, timeless, type ToolOutcome, ToolWay } from './tool-ways.ts';
import { expectSame, openWays, type Ways } from './ways.ts';

const PARTITIONS = 2;
const CODECS = ['none', 'gzip', 'snappy', 'lz4', 'zstd'];
const LINES = 40;
/** A consumer gives up when it has seen nothing for so long; none is meant to. */
const TIMEOUT = ['--timeout-ms', '60000'];
/** Every property of a record but its timestamp. */
const PRINT = ['partition', 'offset', 'key', 'headers'].flatMap((what) => [
  '--formatter-property',
  `print.${what}=true`,
]);

let ways: Ways;
let tools: readonly ToolWay[];

beforeAll(async () => {
  ways = await openWays(5);
  tools = await Promise.all(ways.all.map(async (way) => ToolWay.open(way)));
});

afterAll(async () => {
  await Promise.all(tools.map(async (tool) => tool.close()));
  await ways.stop();
});

async function expectSameOutcome(session: (tool: ToolWay) => Promise<unknown>): Promise<void> {
  const outcomes = await Promise.all(tools.map(async (tool) => session(tool)));
  expectSame(ways, outcomes);
}

async function createTopic(tool: ToolWay, what: string, partitions = PARTITIONS): Promise<string> {
  const topic = tool.topic(what);
  const args = ['--create', '--topic', topic, '--partitions', String(partitions)];
  expect(await tool.run('kafka-topics', args)).toMatchObject({ code: 0 });
  return topic;
}

/** Produces LINES records with keys and headers. */
async function produce(
  tool: ToolWay,
  topic: string,
  what: string,
  args: readonly string[] = [],
): Promise<ToolOutcome> {
  const lines = Array.from({ length: LINES }, (_, index) => {
    return `h:${what}|key-${index}|${what} ${index} ${'.'.repeat(200)}\n`;
  });
  const reader = ['parse.key=true', 'key.separator=|', 'parse.headers=true', 'headers.delimiter=|'];
  const all = ['--topic', topic, ...reader.flatMap((one) => ['--reader-property', one]), ...args];
  return tool.run('kafka-console-producer', all, lines.join(''));
}

async function consume(tool: ToolWay, args: readonly string[]): Promise<ToolOutcome> {
  return tool.run('kafka-console-consumer', [...args, ...TIMEOUT, ...PRINT]);
}

async function expectDiskless(tool: ToolWay, topic: string): Promise<void> {
  const { placeholders } = await logContents(inject('kafka').bootstrap, topic);
  expect(placeholders > 0, `placeholders in ${topic}`).toBe(tool.way.isDiskless);
}

test('console producer and consumer: codecs, acks, keys, headers, offsets, isolation', async () => {
  await expectSameOutcome(async (tool) => {
    const topic = await createTopic(tool, 'console');
    const produced: ToolOutcome[] = [];
    for (const codec of CODECS) {
      produced.push(await produce(tool, topic, codec, ['--compression-codec', codec]));
    }
    for (const acks of ['0', '1', 'all']) {
      const property = ['--command-property', `acks=${acks}`];
      const idempotence = ['--command-property', `enable.idempotence=${acks === 'all'}`];
      produced.push(await produce(tool, topic, `acks ${acks}`, [...property, ...idempotence]));
    }
    const all = String((CODECS.length + 3) * LINES);
    const named = ['--topic', topic];
    await expectDiskless(tool, topic);
    return [
      produced,
      sorted(await consume(tool, [...named, '--from-beginning', '--max-messages', all])),
      await consume(tool, [...named, '--partition', '1', '--offset', '9', '--max-messages', '5']),
      await consume(tool, [
        ...named,
        '--partition',
        '0',
        '--offset',
        'earliest',
        '--max-messages',
        '50',
        '--isolation-level',
        'read_committed',
      ]),
    ];
  });
});

test('performance and verification tools count the same records', async () => {
  await expectSameOutcome(async (tool) => {
    const named = ['--topic', await createTopic(tool, 'perf', 1)];
    const group = ['--group-id', tool.name('verified'), '--reset-policy', 'earliest'];
    const load = ['--num-records', '3000', '--record-size', '300', '--throughput', '-1'];
    const transactional = [
      '--transactional-id',
      tool.name('perf'),
      '--transaction-duration-ms',
      '20',
    ];
    const hundred = ['--max-messages', '100'];
    const all = ['--num-records', '6100', '--timeout', '60000'];
    const verified = await tool.runApart('kafka-verifiable-producer', [...named, ...hundred]);
    const consumed = await tool.runApart('kafka-verifiable-consumer', [
      ...named,
      ...group,
      ...hundred,
    ]);
    const loaded = await tool.run('kafka-producer-perf-test', [...named, ...load]);
    const committed = await tool.run('kafka-producer-perf-test', [
      ...named,
      ...load,
      ...transactional,
    ]);
    const read = await tool.run('kafka-consumer-perf-test', [...named, ...all]);
    await expectDiskless(tool, named[1] ?? '');
    return [
      sorted(timeless(verified)).stdout.match(/"producer_send_success".*|"(sent|acked)":\d+/g),
      consumed.stdout.match(/"(minOffset|maxOffset|offset)":\d+/g),
      /^\d+ records sent/m.exec(loaded.stdout)?.[0],
      /^\d+ records sent/m.exec(committed.stdout)?.[0],
      columns(read.stdout.split('\n')[1] ?? '', [MEGABYTES_COLUMN, RECORDS_COLUMN]),
    ];
  });
});

/** Of a line of kafka-consumer-perf-test: start, end, MB, MB a second, records, ... */
const MEGABYTES_COLUMN = 2;
const RECORDS_COLUMN = 4;

function columns(line: string, wanted: readonly number[]): (string | undefined)[] {
  const all = line.split(', ');
  return wanted.map((column) => all[column]);
}

test('groups: lag, offsets that are reset in every way, deletion', async () => {
  await expectSameOutcome(async (tool) => {
    const topic = await createTopic(tool, 'grouped');
    await produce(tool, topic, 'first');
    const lastFirst = Date.now();
    let between = lastFirst;
    while (between === lastFirst) between = Date.now();
    await produce(tool, topic, 'second');
    const group = tool.name('group');
    const named = ['--group', group];
    const groups = async (...args: string[]): Promise<ToolOutcome> =>
      tool.run('kafka-consumer-groups', [...named, ...args]);
    const reset = async (...args: string[]): Promise<ToolOutcome> =>
      sorted(await groups('--reset-offsets', '--topic', topic, '--execute', ...args));
    const described = async (): Promise<ToolOutcome> => sorted(await groups('--describe'));
    const all = String(2 * LINES);
    const outcome = [
      sorted(
        await consume(tool, [
          '--topic',
          topic,
          ...named,
          '--from-beginning',
          '--max-messages',
          all,
        ]),
      ),
      await described(),
      await reset('--to-earliest'),
      await described(),
      await reset('--to-datetime', new Date(between).toISOString().replace('Z', '')),
      await reset('--by-duration', 'PT0S'),
      await reset('--by-duration', 'P1D'),
      await reset('--shift-by', '7'),
      await reset('--to-offset', '11'),
      await reset('--to-latest'),
      await reset('--shift-by', '-5'),
      await described(),
      sorted(await consume(tool, ['--topic', topic, ...named, '--max-messages', '10'])),
      await described(),
      await groups('--describe', '--state'),
      await groups('--describe', '--members'),
      await groups('--delete-offsets', '--topic', topic),
      await groups('--delete'),
      await described(),
    ];
    await expectDiskless(tool, topic);
    return outcome;
  });
});

test('the console share consumer gets all records, each once', async () => {
  await expectSameOutcome(async (tool) => {
    const topic = await createTopic(tool, 'shared');
    const group = tool.name('share');
    await produce(tool, topic, 'shared');
    await produce(tool, topic, 'again', ['--compression-codec', 'zstd']);
    const settings = ['--add-config', 'share.auto.offset.reset=earliest'];
    const entity = ['--entity-type', 'groups', '--entity-name', group];
    const all = String(2 * LINES);
    const args = ['--topic', topic, '--group', group, '--max-messages', all, ...TIMEOUT, ...PRINT];
    const outcome = [
      await tool.run('kafka-configs', ['--alter', ...entity, ...settings]),
      sorted(await tool.run('kafka-console-share-consumer', args)),
      sorted(await tool.run('kafka-share-groups', ['--describe', '--group', group])),
    ];
    await expectDiskless(tool, topic);
    return outcome;
  });
});
