import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  baseOffset,
  baseTimestamp,
  BATCH_HEADER_BYTES,
  lastOffset,
  partitionLeaderEpoch,
  recordCount,
  records,
  type TimestampedOffset,
} from '../../../../kafka/index.ts';
import { StoredOffsets } from '../../../../proxy/read/stored-offsets.ts';
import { emptyView, putSegments } from '../../../support/stored-log-objects.ts';
import { randomLogs } from '../../storage/segment/random-log.ts';
import { NAME, StoredHarness } from './stored-harness.ts';

const START_TIME = 1_764_000_000_000n;

/** The records of a log, as a consumer would see their timestamps. */
function recordsOf(batches: readonly Buffer[]): TimestampedOffset[] {
  return batches.flatMap((batch) =>
    [...records(batch.subarray(BATCH_HEADER_BYTES), recordCount(batch))].map((record) => ({
      offset: baseOffset(batch) + BigInt(record.offsetDelta),
      timestamp: baseTimestamp(batch) + BigInt(record.timestampDelta),
    })),
  );
}

const scenario = fc.record({
  log: randomLogs,
  cuts: fc.array(fc.nat(100), { maxLength: 4 }),
  start: fc.nat(100),
  timestamps: fc.array(fc.integer({ min: -100, max: 4_000 }), { minLength: 1, maxLength: 8 }),
});
type Scenario = typeof scenario extends fc.Arbitrary<infer T> ? T : never;

async function prepare({ log, cuts, start }: Scenario) {
  const { batches, startOffset } = log;
  const harness = new StoredHarness();
  const ends = cuts.map((percent) => Math.floor((percent * batches.length) / 100));
  const edges = [...new Set([0, ...ends, batches.length])].sort((a, b) => a - b);
  const runs = edges.slice(1).map((end, index) => batches.slice(edges[index], end));
  const made = await putSegments(harness.bucket, NAME, runs, startOffset);
  const end = made.at(-1)?.endOffset ?? startOffset;
  const from = startOffset + (BigInt(start) * (end - startOffset)) / 100n;
  // As a journal cuts segments at a logical start.
  const segments = made
    .filter(({ endOffset }) => endOffset > from)
    .map((one) => (one.startOffset < from ? { ...one, startOffset: from } : one));
  harness.states.set({ ...emptyView(NAME), cursor: end, consolidatedTo: end, segments });
  const partition = await harness.stored.views.get(NAME);
  if (partition === null) throw new TypeError('it was set');
  return { offsets: new StoredOffsets(harness.stored.segments), partition, from, end };
}

test('an offset by timestamp is the first record that has it, and the largest is found', async () => {
  const run = async (given: Scenario): Promise<void> => {
    const { offsets, partition, from, end } = await prepare(given);
    const live = recordsOf(given.log.batches).filter(({ offset }) => offset >= from);
    for (const after of given.timestamps) {
      const timestamp = START_TIME + BigInt(after);
      const expected = live.find((record) => record.timestamp >= timestamp);
      expect(await offsets.atTimestamp(partition, timestamp, from, end)).toEqual(expected);
    }
    // A batch counts by its largest timestamp, unless the record that has it was deleted.
    const isWhole = given.log.batches.some((batch) => baseOffset(batch) === from);
    if (!isWhole) return;
    const largest = live.reduce(
      (most, { timestamp }) => (timestamp > most ? timestamp : most),
      -2n,
    );
    const expected = live.find(({ timestamp }) => timestamp === largest);
    const found = await offsets.ofMaxTimestamp(partition, from, end);
    expect(found?.timestamp).toBe(expected?.timestamp);
  };
  await fc.assert(fc.asyncProperty(scenario, run), { numRuns: 60 });
}, 60_000);

test('a leader epoch ended where the next one began, and the last one goes on', async () => {
  const run = async (given: Scenario): Promise<void> => {
    const { offsets, partition, end } = await prepare({ ...given, start: 0 });
    const starts = new Map<number, bigint>();
    for (const batch of given.log.batches) {
      const epoch = partitionLeaderEpoch(batch);
      if (!starts.has(epoch)) starts.set(epoch, baseOffset(batch));
    }
    const epochs = [...starts.keys()];
    for (const epoch of epochs) {
      const next = epochs.find((other) => other > epoch);
      const expected =
        next === undefined ? undefined : { leaderEpoch: epoch, endOffset: starts.get(next) };
      expect(await offsets.endOfEpoch(partition, epoch)).toEqual(expected);
    }
    expect(end).toBe(lastOffset(given.log.batches.at(-1) ?? Buffer.alloc(0)) + 1n);
  };
  await fc.assert(fc.asyncProperty(scenario, run), { numRuns: 30 });
}, 60_000);
