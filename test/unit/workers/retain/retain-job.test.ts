import { expect, test } from 'vitest';
import { baseOffset, buildRecordBatch } from '../../../../kafka/index.ts';
import { StartRequests } from '../../../../storage/index.ts';
import { createRetainJob } from '../../../../workers/retain/retain-job.ts';
import type { FakePartition } from '../../../support/fake-cluster-log.ts';
import { JobBench } from '../../../support/job-bench.ts';

const MINUTE = 60_000;
const DELETE = { compact: false, delete: true };

class Bench {
  readonly bench: JobBench;
  readonly log: readonly FakePartition[];
  readonly job = createRetainJob({ intervalMs: 1_000, livePercentMin: 30, rewriteMs: 3_600_000 });

  private constructor(bench: JobBench) {
    this.bench = bench;
    this.log = bench.log.createTopic('orders', 2);
  }

  static async open(): Promise<Bench> {
    return new Bench(await JobBench.open());
  }

  partition(number = 0): FakePartition {
    const found = this.log[number];
    if (found === undefined) throw new Error('no such partition');
    return found;
  }

  /** Appends batches of one record, of the present, to the log. */
  append(number: number, count: number, valueBytes = 100): Buffer[] {
    const baseTimestamp = BigInt(this.bench.clock.wallMs());
    const record = { key: Buffer.from('key'), value: Buffer.alloc(valueBytes) };
    return Array.from({ length: count }, () =>
      this.partition(number).append(buildRecordBatch({ baseTimestamp }, [record])),
    );
  }

  async run(): Promise<void> {
    await this.job.run(this.bench.context());
  }

  start(number = 0): bigint | null {
    return this.bench.partition(this.partition(number).id).logicalStart;
  }
}

test('retention.ms moves the logical start, and the broker deletes what lies below', async () => {
  const site = await Bench.open();
  const { bench } = site;
  const { id } = site.partition();
  bench.settings.set('orders', { cleanup: DELETE, retentionMs: 10 * MINUTE });
  const { id: segment } = await bench.consolidate(id, site.append(0, 3));
  await bench.clock.advance(5 * MINUTE);
  await bench.merge(id, site.append(0, 2));
  await bench.clock.advance(5 * MINUTE);
  await site.run();
  expect(site.start()).toBeNull();
  await bench.clock.advance(1);
  await site.run();
  expect(site.start()).toBe(3n);
  expect(site.partition().logStartOffset).toBe(3n);
  expect([...bench.journal.state.deadSegments.keys()]).toEqual([segment]);
  expect((await bench.stored(id)).map((batch) => baseOffset(batch))).toEqual([3n, 4n]);
  await bench.clock.advance(5 * MINUTE);
  await site.run();
  expect([site.start(), site.partition().logStartOffset]).toEqual([5n, 5n]);
  expect(bench.partition(id).extents).toEqual([]);
});

test('retention.bytes counts the bytes of the data', async () => {
  const site = await Bench.open();
  const { bench } = site;
  const { id } = site.partition();
  const batches = site.append(0, 4, 1_000);
  for (const batch of batches) await bench.merge(id, [batch]);
  const [first] = batches;
  bench.settings.set('orders', { cleanup: DELETE, retentionBytes: 2 * (first?.length ?? 0) });
  await site.run();
  expect(site.start()).toBe(2n);
  const { number } = bench.journal.state;
  await site.run();
  expect(bench.journal.state.number).toBe(number);
});

test('a broker is never asked to delete above its last stable offset', async () => {
  const site = await Bench.open();
  const { bench } = site;
  const { id } = site.partition();
  bench.settings.set('orders', { cleanup: DELETE, retentionMs: MINUTE });
  const open = { producerId: 1n, producerEpoch: 0, baseSequence: 0, transactional: true };
  const first = site.append(0, 1);
  const record = { key: Buffer.from('key') };
  const time = { baseTimestamp: BigInt(bench.clock.wallMs()) };
  const second = site.partition().append(buildRecordBatch({ ...open, ...time }, [record]));
  await bench.merge(id, [...first, second]);
  await bench.clock.advance(MINUTE + 1);
  await site.run();
  expect([site.start(), site.partition().logStartOffset]).toEqual([2n, 1n]);
});

test('users’ requests below the broker’s start are met and forgotten', async () => {
  const site = await Bench.open();
  const { bench } = site;
  const { id } = site.partition();
  const requests = new StartRequests(bench.store);
  await bench.merge(id, site.append(0, 5));
  await requests.put(0, { ...id, offset: 2n });
  await requests.put(0, { ...id, offset: 3n });
  await requests.put(0, { ...id, partition: 7, offset: 1n });
  await site.run();
  expect(site.start()).toBe(3n);
  expect([...bench.store.objects.keys()].filter((key) => key.startsWith('starts/'))).toEqual([]);
  await requests.put(0, { ...id, offset: 1n });
  await site.run();
  expect(site.start()).toBe(3n);
  // What is above the cursor is not the journal's to delete, so the request waits.
  await requests.put(0, { ...id, offset: 9n });
  await site.run();
  expect([site.start(), bench.partition(id).cursor]).toEqual([5n, 5n]);
  expect([...bench.store.objects.keys()].some((key) => key.startsWith('starts/'))).toBe(true);
});

test('a request stays until its entry is committed', async () => {
  const site = await Bench.open();
  const { bench } = site;
  const { id } = site.partition();
  const requests = new StartRequests(bench.store);
  await bench.merge(id, site.append(0, 5));
  await requests.put(0, { ...id, offset: 2n });
  for (const step of ['retain:before-commit', 'retain:after-commit']) {
    bench.onFailpoint = async (name) => {
      if (name === step) throw new Error(`crash at ${name}`);
    };
    await expect(site.run()).rejects.toThrow('crash');
    expect([...bench.store.objects.keys()].some((key) => key.startsWith('starts/'))).toBe(true);
  }
  bench.onFailpoint = async () => undefined;
  await site.run();
  expect(site.start()).toBe(2n);
});

test('what is left of a mostly dead file is copied, as it is, and the file dies', async () => {
  const site = await Bench.open();
  const { bench } = site;
  const [large, small] = [site.partition(0).id, site.partition(1).id];
  await bench.mergeAll([
    { ...large, batches: site.append(0, 3, 3_000) },
    { ...small, batches: site.append(1, 2, 100) },
  ]);
  const before = await bench.stored(small);
  await bench.consolidate(large, []);
  await site.run();
  const { files } = bench.journal.state;
  expect(files.get(1)?.death?.by).toBe('re-merge');
  expect(bench.partition(small).extents.length).toBe(1);
  expect(bench.partition(small).extents[0]?.file).not.toBe(1);
  expect(await bench.stored(small)).toEqual(before);
  const { number } = bench.journal.state;
  await site.run();
  expect(bench.journal.state.number).toBe(number);
  expect(bench.memory.bytesHeld).toBe(0);
});

test('a file is left alone while enough of it is live, or something of it in quarantine', async () => {
  const site = await Bench.open();
  const { bench } = site;
  const [first, second] = [site.partition(0).id, site.partition(1).id];
  await bench.mergeAll([
    { ...first, batches: site.append(0, 3, 3_000) },
    { ...second, batches: site.append(1, 2, 100) },
  ]);
  await site.run();
  expect(bench.journal.state.number).toBe(1);
  const offsets = [{ ...first, offset: 0n }];
  await bench.journal.commit({ kind: 'quarantine', offsets, reason: 'a test' });
  await site.run();
  expect(bench.journal.state.number).toBe(2);
});

test('a file of which anything is wasted is copied once it is old', async () => {
  const site = await Bench.open();
  const { bench } = site;
  const [first, second] = [site.partition(0).id, site.partition(1).id];
  await bench.mergeAll([
    { ...first, batches: site.append(0, 1, 100) },
    { ...second, batches: site.append(1, 1, 9_000) },
  ]);
  await bench.clock.advance(60 * MINUTE);
  await site.run();
  expect(bench.partition(second).extents[0]?.file).toBe(1);
  await bench.consolidate(first, []);
  await site.run();
  expect(bench.journal.state.files.get(1)?.death?.by).toBe('re-merge');
  expect((await bench.stored(second)).length).toBe(1);
});

test('files are copied together where the extents of each partition follow on each other', async () => {
  const site = await Bench.open();
  const { bench } = site;
  const [large, small] = [site.partition(0).id, site.partition(1).id];
  for (const bytes of [9_000, 9_000, 10, 9_000]) {
    await bench.mergeAll([
      { ...large, batches: site.append(0, 1, bytes) },
      { ...small, batches: site.append(1, 1, 500) },
    ]);
  }
  const before = await bench.stored(small);
  await bench.consolidate(large, []);
  await site.run();
  // The third file is not wasted: what lies before it and behind it becomes two files.
  const { extents } = bench.partition(small);
  expect(extents.map(({ file, startOffset, endOffset }) => [file, startOffset, endOffset])).toEqual(
    [
      [6, 0n, 2n],
      [3, 2n, 3n],
      [7, 3n, 4n],
    ],
  );
  expect(await bench.stored(small)).toEqual(before);
});

test('an extent that was cut is copied without what lies below the start', async () => {
  const site = await Bench.open();
  const { bench } = site;
  const [first, second] = [site.partition(0).id, site.partition(1).id];
  await bench.mergeAll([
    { ...first, batches: site.append(0, 4, 100) },
    { ...second, batches: site.append(1, 2, 9_000) },
  ]);
  const move = (id: typeof first, offset: bigint) => ({ ...id, offset });
  const offsets = [move(first, 2n), move(second, 2n)];
  await bench.journal.commit({ kind: 'start-moved', offsets });
  await site.run();
  const [extent] = bench.partition(first).extents;
  expect([extent?.startOffset, extent?.endOffset]).toEqual([2n, 4n]);
  expect(extent?.file).toBe(3);
  expect((await bench.stored(first)).map((batch) => baseOffset(batch))).toEqual([2n, 3n]);
});
