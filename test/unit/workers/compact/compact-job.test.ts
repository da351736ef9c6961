import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  BATCH_FIELD,
  baseOffset,
  buildRecordBatch,
  computeBatchCrc,
  lastOffset,
} from '../../../../kafka/index.ts';
import type { TopicSettings } from '../../../../workers/topics/topic-settings.ts';
import { createCompactJob } from '../../../../workers/compact/compact-job.ts';
import { StoredBatches } from '../../../../workers/extents/stored-batches.ts';
import { JobBench } from '../../../support/job-bench.ts';
import { KeyedLog, actions, latest, readCommitted } from './keyed-log.ts';
import type { Action } from './keyed-log.ts';

const ID = { topicId: 'AAAAAAAAAAAAAAAAAAAAAA', topic: 'orders', partition: 0 };
const COMPACT: Partial<TopicSettings> = {
  cleanup: { compact: true, delete: false },
  minCleanableDirtyRatio: 0,
};
const job = createCompactJob({ intervalMs: 1_000, mapBytes: 64 * 1024 });

async function benchWith(settings: Partial<TopicSettings> = {}): Promise<JobBench> {
  const bench = await JobBench.open();
  bench.settings.set(ID.topic, { ...COMPACT, ...settings });
  return bench;
}

/** One batch of one record for each name, as values of keys. */
function keyed(start: number, ...keys: string[]): Buffer[] {
  return keys.map((key, index) =>
    buildRecordBatch(
      { baseOffset: BigInt(start + index), partitionLeaderEpoch: 0, baseTimestamp: 1_000n },
      [{ key: Buffer.from(key), value: Buffer.from(`at ${start + index}`) }],
    ),
  );
}

const ends = (bench: JobBench): bigint[][] =>
  bench.partition(ID).segments.map(({ startOffset, endOffset }) => [startOffset, endOffset]);

test('random logs end in the same values, in segments that cover the same offsets', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(actions, { minLength: 1, maxLength: 4 }),
      fc.constantFrom(200, 64 * 1024),
      async (rounds, mapBytes) => {
        const bench = await benchWith();
        const narrow = createCompactJob({ intervalMs: 1_000, mapBytes });
        const log = new KeyedLog();
        let stored = 0;
        for (const steps of rounds) {
          for (const step of steps) log.add(step);
          log.end();
          const fresh = log.batches.slice(stored);
          stored = log.batches.length;
          if (fresh.length === 0) continue;
          await bench.consolidate(ID, fresh);
          await narrow.run(bench.context());
          const { segments, cleanedTo, consolidatedTo } = bench.partition(ID);
          expect(cleanedTo).toBe(consolidatedTo);
          expect(consolidatedTo).toBe(log.endOffset);
          expect([segments[0]?.startOffset, segments.at(-1)?.endOffset]).toEqual([
            0n,
            log.endOffset,
          ]);
          const batches = await bench.stored(ID);
          const last = batches.at(-1);
          expect(last === undefined ? -1n : lastOffset(last)).toBe(log.endOffset - 1n);
          const read = readCommitted(batches);
          expect(latest(read)).toEqual(latest(readCommitted(log.batches)));
          expect(new Set(read.map(({ key }) => key)).size).toBe(read.length);
          await bench.clock.advance(100_000);
        }
        expect(bench.memory.bytesHeld).toBe(0);
      },
    ),
    { numRuns: 25 },
  );
}, 60_000);

test('every segment can be opened and has the aborted transactions of which data is left', async () => {
  const bench = await benchWith();
  const log = new KeyedLog();
  const data = (producer: number, ...keys: number[]): Action => ({
    kind: 'data',
    producer,
    codec: 4,
    records: keys.map((key) => ({ key, value: 1 })),
  });
  const end = (kind: 'abort' | 'commit', producer: number): Action => ({
    kind,
    producer,
    codec: 0,
    records: [],
  });
  // The last batch of producer 0 was aborted: it stays, empty, and so do marker and index entry.
  for (const step of [data(1, 1), end('abort', 1), data(1, 1), end('commit', 1)]) log.add(step);
  for (const step of [data(0, 1, 2), end('abort', 0)]) log.add(step);
  await bench.consolidate(ID, log.batches);
  await job.run(bench.context());
  const partition = bench.partition(ID);
  const [segment] = partition.segments;
  if (segment === undefined) throw new Error('no segment');
  const stored = new StoredBatches({ store: bench.store, group: 0 });
  const { manifest, indexes } = await stored.openSegment(partition, segment);
  expect(manifest.endOffset + 1n).toBe(segment.endOffset);
  expect(
    [...indexes.aborted()].map(({ firstOffset, lastOffset: last }) => [firstOffset, last]),
  ).toEqual([
    [0n, 1n],
    [4n, 6n],
  ]);
  const before = log.producers.list().map(({ producerId, lastOffset: last }) => [producerId, last]);
  const after = indexes
    .state()
    .producers.map(({ producerId, lastOffset: last }) => [producerId, last]);
  expect(after).toEqual(before.sort((a, b) => Number(a[0]) - Number(b[0])));
  // Once more, with something new: nothing is left of the first transaction, so its entry goes.
  await bench.consolidate(ID, keyed(7, 'key-9'));
  await job.run(bench.context());
  const again = bench.partition(ID);
  const entries = await Promise.all(
    again.segments.map(async (one) => [
      ...(await stored.openSegment(again, one)).indexes.aborted(),
    ]),
  );
  expect(entries.flat().map(({ firstOffset }) => firstOffset)).toEqual([4n]);
});

test('segments are put together up to segment.bytes, and dead ones are left to the sweep', async () => {
  const bench = await benchWith({ segmentBytes: 400 });
  const segments = [];
  for (let at = 0; at < 6; at += 2)
    segments.push(await bench.consolidate(ID, keyed(at, `a${at}`, 'b')));
  await job.run(bench.context());
  expect(ends(bench)).toEqual([
    [0n, 4n],
    [4n, 6n],
  ]);
  const dead = [...bench.journal.state.deadSegments.keys()];
  expect(dead).toEqual(segments.slice(0, 2).map(({ id }) => id));
  expect(readCommitted(await bench.stored(ID)).map(({ offset }) => offset)).toEqual([
    0n,
    2n,
    4n,
    5n,
  ]);
});

test('a run that loses everything keeps an empty batch', async () => {
  const bench = await benchWith({ segmentBytes: 1 });
  await bench.consolidate(ID, keyed(0, 'a', 'a'));
  await bench.consolidate(ID, keyed(2, 'a'));
  await job.run(bench.context());
  expect(ends(bench)).toEqual([
    [0n, 2n],
    [2n, 3n],
  ]);
  const batches = await bench.stored(ID);
  expect(batches.map((batch) => [baseOffset(batch), batch.length])).toEqual([
    [1n, 61],
    [2n, 73],
  ]);
});

test('what is clean is left alone, and what only had to be looked at is only marked', async () => {
  const bench = await benchWith();
  const { id } = await bench.consolidate(ID, keyed(0, 'a', 'b'));
  await job.run(bench.context());
  expect(bench.partition(ID)).toMatchObject({ cleanedTo: 2n, segments: [{ id }] });
  const { number } = bench.journal.state;
  await job.run(bench.context());
  expect(bench.journal.state.number).toBe(number);
});

test('min.cleanable.dirty.ratio and max.compaction.lag.ms decide when', async () => {
  const bench = await benchWith({ minCleanableDirtyRatio: 0.5 });
  await bench.consolidate(ID, keyed(0, 'a', 'b', 'c'));
  await job.run(bench.context());
  expect(bench.partition(ID).cleanedTo).toBe(3n);
  await bench.consolidate(ID, keyed(3, 'a'));
  await job.run(bench.context());
  expect(bench.partition(ID).cleanedTo).toBe(3n);
  bench.settings.set(ID.topic, {
    ...COMPACT,
    minCleanableDirtyRatio: 0.5,
    maxCompactionLagMs: bench.clock.wallMs() - 1_000,
  });
  await job.run(bench.context());
  expect(bench.partition(ID).cleanedTo).toBe(3n);
  await bench.clock.advance(1);
  await job.run(bench.context());
  expect(bench.partition(ID).cleanedTo).toBe(4n);
});

test('min.compaction.lag.ms: what is younger is not cleaned, nor what comes after it', async () => {
  const bench = await benchWith();
  const lag = bench.clock.wallMs() - 500;
  bench.settings.set(ID.topic, { ...COMPACT, minCompactionLagMs: lag });
  await bench.consolidate(ID, keyed(0, 'a', 'a'));
  await job.run(bench.context());
  expect(bench.partition(ID).cleanedTo).toBeUndefined();
  await bench.clock.advance(500);
  await job.run(bench.context());
  expect(bench.partition(ID).cleanedTo).toBe(2n);
});

test('topics that are not compacted are left alone', async () => {
  const bench = await benchWith({ cleanup: { compact: false, delete: true } });
  await bench.consolidate(ID, keyed(0, 'a', 'a'));
  await job.run(bench.context());
  expect(bench.partition(ID).cleanedTo).toBeUndefined();
});

test('nothing of a transaction is touched whose end is not in the segments', async () => {
  const bench = await benchWith();
  const log = new KeyedLog();
  const record = { key: 1, value: 1 };
  log.add({ kind: 'plain', producer: 0, codec: 0, records: [record, record] });
  await bench.consolidate(ID, log.batches);
  log.add({ kind: 'data', producer: 0, codec: 0, records: [record] });
  await bench.consolidate(ID, log.batches.slice(1));
  await job.run(bench.context());
  expect(bench.partition(ID).cleanedTo).toBe(2n);
  // It was aborted: the value before it is the one that counts.
  log.add({ kind: 'abort', producer: 0, codec: 0, records: [] });
  await bench.consolidate(ID, log.batches.slice(2));
  await job.run(bench.context());
  expect(bench.partition(ID).cleanedTo).toBe(4n);
  expect(readCommitted(await bench.stored(ID)).map(({ offset }) => offset)).toEqual([1n]);
});

test('a crash at any step loses nothing, and the next run goes on', async () => {
  const steps = new Set<string>();
  for (let crash = 0; crash < 12; crash++) {
    const bench = await benchWith({ segmentBytes: 1 });
    for (let at = 0; at < 3; at++) await bench.consolidate(ID, keyed(at * 2, 'a', `b${at % 2}`));
    let left = crash;
    bench.onFailpoint = async (name) => {
      steps.add(name);
      if (left-- === 0) throw new Error(`crash at ${name}`);
    };
    const outcome = await job.run(bench.context()).catch((error: Error) => error.message);
    if (left < 0) expect(outcome).toMatch('crash at');
    const values = { a: 'at 4', b0: 'at 5', b1: 'at 3' };
    expect(Object.fromEntries(latest(readCommitted(await bench.stored(ID))))).toEqual(values);
    bench.onFailpoint = async () => undefined;
    await job.run(bench.context());
    const read = readCommitted(await bench.stored(ID));
    expect(Object.fromEntries(latest(read))).toEqual(values);
    expect(read.length).toBe(3);
  }
  expect([...steps].sort()).toEqual([
    'compact:after-commit',
    'compact:after-indexes',
    'compact:after-log',
    'compact:after-manifest',
    'compact:before-commit',
    'compact:before-upload',
  ]);
});

test('groups of a process take turns', async () => {
  const [first, second] = [await benchWith(), await benchWith()];
  for (const bench of [first, second]) await bench.consolidate(ID, keyed(0, 'a', 'a'));
  first.onFailpoint = async (name) => {
    if (name === 'compact:before-commit') await job.run(second.context());
  };
  await job.run(first.context());
  expect([first, second].map((bench) => bench.partition(ID).cleanedTo)).toEqual([2n, undefined]);
  await job.run(second.context());
  expect(second.partition(ID).cleanedTo).toBe(2n);
});

test('another history that begins meanwhile wins', async () => {
  const bench = await benchWith();
  await bench.consolidate(ID, keyed(0, 'a', 'a'));
  await bench.merge(ID, keyed(2, 'b'));
  bench.onFailpoint = async (name) => {
    if (name !== 'compact:before-commit') return;
    const offsets = [{ ...ID, offset: 2n }];
    await bench.journal.commit({ kind: 'quarantine', offsets, reason: 'a test' });
  };
  await job.run(bench.context());
  expect(bench.partition(ID).cleanedTo).toBeUndefined();
});

test('a damaged batch stops its partition, loudly, and not the others', async () => {
  const bench = await benchWith();
  const other = { ...ID, partition: 1 };
  const [damaged] = keyed(0, 'a');
  if (damaged === undefined) throw new Error('no batch');
  damaged.writeUInt16BE(4, BATCH_FIELD.attributes);
  damaged.writeUInt32BE(computeBatchCrc(damaged, 0, damaged.length), BATCH_FIELD.crc);
  await bench.consolidate(ID, [damaged]);
  await bench.consolidate(other, keyed(0, 'a', 'a'));
  await job.run(bench.context());
  expect(bench.partition(ID).cleanedTo).toBeUndefined();
  expect(bench.partition(other).cleanedTo).toBe(2n);
  expect(bench.memory.bytesHeld).toBe(0);
});

test('a batch with more keys than the map has room for is refused, and stays', async () => {
  const bench = await benchWith();
  const records = Array.from({ length: 20 }, (_, key) => ({ key: Buffer.from(`${key}`) }));
  const batch = buildRecordBatch({ baseOffset: 0n, partitionLeaderEpoch: 0 }, records);
  await bench.consolidate(ID, [batch]);
  await createCompactJob({ intervalMs: 1, mapBytes: 200 }).run(bench.context());
  expect(await bench.stored(ID)).toEqual([batch]);
});
