/**
 * Outrigger's image in front of Kafka's: what its users do, with the clients of that release and
 * with kafkajs, while workers do their work, and with containers that are killed.
 */
import {
  afterAll,
  beforeAll,
  beforeEach,
  describe,
  expect,
  inject,
  onTestFailed,
  test,
  vi,
} from 'vitest';
import { inOrder, type Place } from './support/place.ts';
import { type Site, startSite } from './support/site.ts';

const VERSIONS = (process.env['KAFKA_VERSION'] ?? '3.7.2,3.9.2,4.3.1').split(',');
const PARTITIONS = 3;
const CLASSIC = 'orders-classic';
const DISKLESS = 'orders-diskless';
const TRANSACTIONS = 'transactions-diskless';
const BOTH = [CLASSIC, DISKLESS];
/** Segments as soon and as small as Kafka allows. */
const DISKLESS_CONFIGS = {
  'diskless.enable': 'true',
  'segment.bytes': '1048576',
  'segment.ms': '1000',
};
const JAVA_RECORDS = 2_000;
const JS_RECORDS = 4_500;
const GROUP_RECORDS = 150;
const TRANSACTION_RECORDS = 200;
/** At so many a second, which is long enough for all that happens meanwhile. */
const RECORDS_UNDER_KILLS = 9_000;
const PER_SECOND = 150;
const ACKS_BETWEEN = 300;
const PATIENCE = { timeout: 180_000, interval: 1_000 } as const;

describe.each(VERSIONS)('Kafka %s', (version) => {
  let site: Site;
  /** What was acknowledged, by topic. */
  const written = new Map<string, Place[]>(BOTH.map((topic) => [topic, []]));

  beforeAll(async () => {
    site = await startSite(version, inject('image'));
  });

  beforeEach(() => {
    onTestFailed(async () => {
      for (const server of [site.inside, site.outside, site.worker]) {
        console.log(await server.log());
      }
    });
  });

  afterAll(async () => {
    await site?.stop();
  });

  function writtenTo(topic: string): Place[] {
    return inOrder(written.get(topic) ?? []);
  }

  /** Reads everything, in one zone with Java and in the other with JavaScript. */
  async function expectWhole(topic: string, group: string): Promise<void> {
    const expected = writtenTo(topic);
    expect(inOrder(await site.java.read(topic, expected.length))).toEqual(expected);
    expect(inOrder(await site.js.read(topic, expected.length, group))).toEqual(expected);
  }

  async function expectTrimmedBeyond(offsets: readonly number[]): Promise<void> {
    await vi.waitFor(async () => {
      const starts = await site.direct.offsets(DISKLESS, 'earliest');
      expect(starts).toHaveLength(PARTITIONS);
      expect(starts.every((start, partition) => start > (offsets[partition] ?? 0))).toBe(true);
    }, PATIENCE);
  }

  test('both kinds of topic are read as they were written, in either zone', async () => {
    for (const topic of BOTH) await site.java.createTopic(topic, PARTITIONS);
    await site.java.alterTopic(DISKLESS, DISKLESS_CONFIGS);
    for (const topic of BOTH) {
      const byJava = site.java.startProducer(topic, 0, JAVA_RECORDS);
      written.get(topic)?.push(...(await byJava.finish()));
      written.get(topic)?.push(...(await site.js.produce(topic, JS_RECORDS, PARTITIONS)));
      await expectWhole(topic, `first-${topic}`);
    }
  });

  test('the broker has the records of the classic topic, and none of the diskless one', async () => {
    const count = JAVA_RECORDS + JS_RECORDS;
    expect(inOrder(await site.direct.read(CLASSIC, count))).toEqual(writtenTo(CLASSIC));
    const hollow = await site.direct.read(DISKLESS, ACKS_BETWEEN);
    expect(hollow.filter(({ value }) => value !== '')).toEqual([]);
    expect(await site.objectKeys('topics')).toHaveLength(1);
  });

  test('a consumer group goes on where it was, with another client in another zone', async () => {
    for (const topic of BOTH) {
      const more = await site.java.startProducer(topic, 1, GROUP_RECORDS).finish();
      written.get(topic)?.push(...more);
      const group = `first-${topic}`;
      const read = await site.java.read(topic, GROUP_RECORDS, { group });
      expect(inOrder(read)).toEqual(inOrder(more));
      expect(await site.java.lag(group, topic)).toEqual([0, 0, 0]);
    }
  });

  test('of transactions those are read that were committed', async () => {
    await site.java.createTopic(TRANSACTIONS, 1);
    await site.java.alterTopic(TRANSACTIONS, DISKLESS_CONFIGS);
    const committed = await site.js.produceTransactions(TRANSACTIONS, 'js', TRANSACTION_RECORDS);
    await site.java.produceTransactions(TRANSACTIONS, 'java', TRANSACTION_RECORDS);
    const count = 2 * TRANSACTION_RECORDS;
    const byJava = await site.java.read(TRANSACTIONS, count);
    expect(byJava.slice(0, TRANSACTION_RECORDS)).toEqual(committed);
    expect(await site.js.read(TRANSACTIONS, count, 'transactions')).toEqual(byJava);
    const all = await site.java.read(TRANSACTIONS, count + TRANSACTION_RECORDS, {
      isolationLevel: 'read_uncommitted',
    });
    expect(all.filter(({ value }) => value.startsWith('aborted'))).toHaveLength(
      TRANSACTION_RECORDS,
    );
  });

  test('a worker moves everything out of the WAL files and trims the broker', async () => {
    await expectTrimmedBeyond([]);
    await vi.waitFor(async () => expect(await site.objectKeys('wal')).toEqual([]), PATIENCE);
    expect(await site.objectKeys('segments')).not.toEqual([]);
    expect(await site.java.offsets(DISKLESS, 'earliest')).toEqual([0, 0, 0]);
    await expectWhole(DISKLESS, 'after-trim');
    expect(await site.js.read(TRANSACTIONS, 2 * TRANSACTION_RECORDS, 'after-trim')).toEqual(
      await site.java.read(TRANSACTIONS, 2 * TRANSACTION_RECORDS),
    );
  });

  test('members and a worker that are killed lose nothing and repeat nothing', async () => {
    const endBefore = await site.direct.offsets(DISKLESS, 'latest');
    const producers = BOTH.map((topic) =>
      site.java.startProducer(topic, 2, RECORDS_UNDER_KILLS, PER_SECOND),
    );
    onTestFailed(async () => {
      for (const producer of producers) console.log(await producer.log());
    });
    const moreAcked = async (): Promise<void> => {
      const acked = async () => Promise.all(producers.map(async (each) => each.acked()));
      const before = await acked();
      const hasMore = async (): Promise<void> => {
        const now = await acked();
        expect(now.every((count, index) => count >= (before[index] ?? 0) + ACKS_BETWEEN)).toBe(
          true,
        );
      };
      await vi.waitFor(hasMore, PATIENCE);
    };
    for (const server of [site.inside, site.worker, site.outside]) {
      await moreAcked();
      await server.kill();
      await server.start();
    }
    await moreAcked();
    for (const [index, topic] of BOTH.entries()) {
      written.get(topic)?.push(...((await producers[index]?.finish()) ?? []));
      await expectWhole(topic, `after-kills-${topic}`);
    }
    await expectTrimmedBeyond(endBefore);
    await expectWhole(DISKLESS, 'in-the-end');
  });

  test('SIGTERM ends them in good order, and none has raised an alarm', async () => {
    for (const server of [site.outside, site.worker, site.inside]) {
      expect(await server.stop()).toBe(0);
      expect(await server.alarms()).toEqual([]);
    }
  });
});
