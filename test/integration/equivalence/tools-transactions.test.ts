/** Transactions as operators see and end them with kafka-transactions, on all three ways. */
import { Kafka, logLevel, type Producer, type Transaction } from 'kafkajs';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { logContents } from '../support/log-contents.ts';
import { sorted, type ToolOutcome, ToolWay } from './tool-ways.ts';
import { expectSame, openWays, type Ways } from './ways.ts';

/** Columns that chance and clocks fill. */
const CHANGING = new Set([
  'ProducerId',
  'LastTimestamp',
  'CurrentTransactionStartTimeMs',
  'TransactionDurationMs',
]);

let ways: Ways;
let tools: readonly ToolWay[];

beforeAll(async () => {
  ways = await openWays(6);
  tools = await Promise.all(ways.all.map(async (way) => ToolWay.open(way)));
});

afterAll(async () => {
  await Promise.all(tools.map(async (tool) => tool.close()));
  await ways.stop();
});

interface Open {
  readonly producer: Producer;
  readonly transaction: Transaction;
}

/** Begins a transaction, and produces to it. */
async function begin(tool: ToolWay, topic: string, id: string, records: number): Promise<Open> {
  const kafka = new Kafka({ brokers: [tool.way.bootstrap], logLevel: logLevel.NOTHING });
  const producer = kafka.producer({ transactionalId: id, maxInFlightRequests: 1 });
  await producer.connect();
  const transaction = await producer.transaction();
  const messages = Array.from({ length: records }, (_, index) => ({
    value: `${index} ${'.'.repeat(200)}`,
  }));
  await transaction.send({ topic, messages });
  return { producer, transaction };
}

/** Rows of a table with their column names, those of the lines that hold a word, in no order. */
function rows({ stdout }: ToolOutcome, word: string): string[] {
  const [header = '', ...lines] = stdout.split('\n').filter((line) => line.trim() !== '');
  const names = header.trim().split(/\s+/);
  return lines
    .filter((line) => line.includes(word))
    .map((line) => {
      const cells = line.trim().split(/\s+/);
      const entries = names.map((name, column) => [name, cells[column] ?? ''] as const);
      return JSON.stringify(entries.filter(([name]) => !CHANGING.has(name)));
    })
    .sort();
}

test('transactions are listed, described, aborted and terminated', async () => {
  const session = async (tool: ToolWay): Promise<unknown> => {
    const topic = tool.topic('transactions');
    const named = ['--topic', topic];
    await tool.run('kafka-topics', ['--create', ...named]);
    const partition = [...named, '--partition', '0'];
    const transactions = async (...args: string[]): Promise<ToolOutcome> =>
      tool.run('kafka-transactions', args);
    const producers = async (): Promise<unknown> =>
      rows(await transactions('describe-producers', ...partition), '');
    const outcome: unknown[] = [];

    const first = tool.name('first');
    const hung = await begin(tool, topic, first, 50);
    outcome.push(
      rows(await transactions('list'), '<first>'),
      rows(await transactions('describe', '--transactional-id', first), '<first>'),
      await producers(),
      await transactions('find-hanging', ...partition),
      await transactions('abort', ...partition, '--start-offset', '0'),
      await producers(),
    );
    await hung.transaction.abort();
    await hung.producer.disconnect();

    const second = tool.name('second');
    const fenced = await begin(tool, topic, second, 50);
    outcome.push(
      await transactions('forceTerminateTransaction', '--transactionalId', second),
      await fenced.transaction.commit().then(
        () => 'committed',
        (error: unknown) => String(error),
      ),
      rows(await transactions('describe', '--transactional-id', second), '<second>'),
      await producers(),
    );
    await fenced.producer.disconnect();

    const third = await begin(tool, topic, tool.name('third'), 20);
    await third.transaction.commit();
    await third.producer.disconnect();
    const printed = ['--from-beginning', '--formatter-property', 'print.offset=true'];
    const consumed = async (isolation: string, count: number): Promise<ToolOutcome> => {
      const limits = ['--max-messages', String(count), '--timeout-ms', '60000'];
      const args = [...named, ...printed, ...limits, '--isolation-level', isolation];
      return tool.run('kafka-console-consumer', args);
    };
    outcome.push(
      await consumed('read_committed', 20),
      await consumed('read_uncommitted', 120),
      sorted(await tool.run('kafka-get-offsets', named)),
      await producers(),
    );
    const { placeholders } = await logContents(inject('kafka').bootstrap, topic);
    expect(placeholders > 0).toBe(tool.way.isDiskless);
    return outcome;
  };
  expectSame(ways, await Promise.all(tools.map(session)));
});
