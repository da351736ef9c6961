/** A session with kcat (librdkafka) is the same on all three ways. */
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { runCommand } from '../../../docker/local/process.ts';
import { kcat } from '../support/kcat.ts';
import { logContents } from '../support/log-contents.ts';
import { uniqueName } from '../support/names.ts';
import {
  createTopic,
  expectSameOutcome,
  openWays,
  realNodeId,
  type Way,
  type Ways,
} from './ways.ts';

const CODECS = ['none', 'gzip', 'snappy', 'lz4', 'zstd'];
const PARTITIONS = 3;
const RECORDS = 100;
/** Everything about a record but its topic. */
const FORMAT = '%p %o %k %K %S %h %s\n';

let ways: Ways;

beforeAll(async () => {
  ways = await openWays(3);
});

afterAll(() => ways.stop());

interface Session {
  readonly way: Way;
  readonly topic: string;
}

async function open(way: Way, what: string, configs = {}): Promise<Session> {
  return { way, topic: await createTopic(way, what, { partitions: PARTITIONS, configs }) };
}

async function produce(
  { way, topic }: Session,
  lines: readonly string[],
  args: readonly string[] = [],
): Promise<void> {
  const all = ['-P', '-b', way.bootstrap, '-t', topic, '-K', ':', '-X', 'linger.ms=20', ...args];
  await kcat(all, { stdin: lines.map((line) => `${line}\n`).join('') });
}

/** @returns the records, one a line, partition by partition */
async function consume(
  { way, topic }: Session,
  args: readonly string[] = ['-o', 'beginning'],
): Promise<string[]> {
  const all = ['-C', '-b', way.bootstrap, '-t', topic, '-e', '-q', '-f', FORMAT, ...args];
  return lines(await kcat(all));
}

/** Sorted by partition and offset: partitions are read in no order. */
function lines(output: string): string[] {
  return output
    .split('\n')
    .slice(0, -1)
    .sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
}

function someRecords(what: string, count = RECORDS): string[] {
  return Array.from({ length: count }, (_, index) => {
    return `key-${index % 17}:${what} ${index} ${'value '.repeat(20)}`;
  });
}

async function expectDiskless({ way, topic }: Session): Promise<void> {
  let found = 0;
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const { placeholders } = await logContents(inject('kafka').bootstrap, topic, partition);
    found += placeholders;
  }
  expect(found > 0, `placeholders in ${topic}`).toBe(way.isDiskless);
}

test('records in every codec, with keys, headers and nulls', async () => {
  await expectSameOutcome(ways, async (way) => {
    const session = await open(way, 'codecs');
    for (const codec of CODECS) {
      await produce(session, someRecords(codec), [
        '-z',
        codec,
        '-H',
        'a=1',
        '-H',
        'b',
        '-H',
        'a=2',
      ]);
    }
    await produce(session, ['null:', 'other:'], ['-Z']);
    await expectDiskless(session);
    return consume(session);
  });
});

test('acks, idempotence and transactions', async () => {
  await expectSameOutcome(ways, async (way) => {
    const session = await open(way, 'acks');
    for (const acks of ['0', '1', '-1']) {
      await produce(session, someRecords(`acks ${acks}`), ['-X', `acks=${acks}`]);
    }
    await produce(session, someRecords('idempotent'), ['-X', 'enable.idempotence=true']);
    const transactional = ['-X', `transactional.id=${uniqueName('kcat')}`];
    await produce(session, someRecords('one'), transactional);
    await produce(session, someRecords('two'), transactional);
    await expectDiskless(session);
    return {
      committed: await consume(session, [
        '-o',
        'beginning',
        '-X',
        'isolation.level=read_committed',
      ]),
      all: await consume(session, ['-o', 'beginning', '-X', 'isolation.level=read_uncommitted']),
    };
  });
});

test('offsets: absolute, from the end, by timestamp, of one partition', async () => {
  await expectSameOutcome(ways, async (way) => {
    const session = await open(way, 'offsets');
    await produce(session, someRecords('before'));
    const lastBefore = Date.now();
    let between = lastBefore;
    while (between === lastBefore) between = Date.now();
    await produce(session, someRecords('after'));
    const {
      topic,
      way: { bootstrap },
    } = session;
    const queries = [between, 0, between + 3_600_000].flatMap((at) => ['-t', `${topic}:0:${at}`]);
    const queried = await kcat(['-Q', '-b', bootstrap, ...queries]);
    return {
      absolute: await consume(session, ['-p', '1', '-o', '5', '-c', '10']),
      fromEnd: await consume(session, ['-o', '-3']),
      fromTime: await consume(session, ['-o', `s@${between}`]),
      toTime: await consume(session, ['-o', 'beginning', '-o', `e@${between}`]),
      end: await consume(session, ['-o', 'end']),
      queried: queried.replaceAll(topic, 'TOPIC'),
    };
  });
});

test('a group goes on where it was', async () => {
  await expectSameOutcome(ways, async (way) => {
    const session = await open(way, 'group');
    await produce(session, someRecords('grouped', 5 * RECORDS));
    const args = ['-G', uniqueName('group'), '-b', way.bootstrap, '-q', '-f', FORMAT];
    const reset = ['-X', 'auto.offset.reset=earliest', session.topic];
    const first = lines(await kcat([...args, '-c', '77', ...reset]));
    const second = lines(await kcat([...args, '-e', ...reset]));
    expect(first).toHaveLength(77);
    return lines([...first, ...second, ''].join('\n'));
  });
});

test('small limits, large records, records that are too large', async () => {
  await expectSameOutcome(ways, async (way) => {
    const session = await open(way, 'sizes', { 'max.message.bytes': '2000000' });
    await produce(session, someRecords('small', 10 * RECORDS), ['-X', 'batch.num.messages=10']);
    const large = ['-X', 'message.max.bytes=3000000'];
    await produce(session, [`large:${'x'.repeat(1_900_000)}`], large);
    const limits = [
      'fetch.message.max.bytes=2000',
      'fetch.max.bytes=20000',
      'message.max.bytes=20000',
      'receive.message.max.bytes=4000000',
    ];
    const tooLarge = await runCommand(
      'kcat',
      ['-P', '-b', way.bootstrap, '-t', session.topic, ...large],
      { stdin: 'y'.repeat(2_100_000) },
    );
    await expectDiskless(session);
    return {
      read: await consume(session, ['-o', 'beginning', ...limits.flatMap((one) => ['-X', one])]),
      code: tooLarge.code,
      says: /% ERROR.*/.exec(tooLarge.stderr)?.[0],
    };
  });
});

interface ListedMetadata {
  readonly topics: {
    readonly partitions: {
      readonly partition: number;
      readonly leader: number;
      readonly replicas: { readonly id: number }[];
      readonly isrs: { readonly id: number }[];
    }[];
  }[];
}

test('metadata names each partition’s leader and replicas', async () => {
  await expectSameOutcome(ways, async (way) => {
    const { topic } = await open(way, 'listed');
    const listed = await kcat(['-L', '-J', '-b', way.bootstrap, '-t', topic]);
    const { topics } = JSON.parse(listed) as ListedMetadata;
    return topics.map(({ partitions }) =>
      partitions.map(({ partition, leader, replicas, isrs }) => ({
        partition,
        leader: realNodeId(leader),
        replicas: replicas.map(({ id }) => realNodeId(id)),
        isrs: isrs.map(({ id }) => realNodeId(id)),
      })),
    );
  });
});

test('a topic that is not there is refused', async () => {
  await expectSameOutcome(ways, async (way) => {
    const args = ['-C', '-b', way.bootstrap, '-t', 'no-such-topic', '-e'];
    const { code, stderr } = await runCommand('kcat', args, { timeoutMs: 60_000 });
    return { code, stderr };
  });
});
