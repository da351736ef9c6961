import * as fc from 'fast-check';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { baseOffset, batchCrc, lastOffset } from '../../../../kafka/index.ts';
import {
  entryKey,
  initialSegmentState,
  Journal,
  partitionKey,
  withoutEpochsBefore,
} from '../../../../storage/index.ts';
import type { PartitionState } from '../../../../storage/index.ts';
import { SegmentBuild } from '../../../../workers/extents/segment-build.ts';
import { keysOf } from '../../../../workers/extents/segment-log.ts';
import { StoredBatches } from '../../../../workers/extents/stored-batches.ts';
import { mergedFileOf } from '../../../support/merged-batches.ts';
import { MemoryStore } from '../../storage/memory-store.ts';
import { outcomeCode } from '../../storage/object-store-suite.ts';
import { randomLogs } from '../../storage/segment/random-log.ts';

const ID = { topicId: 'lZ6vvmajTWKDBUTV6SQAtQ', topic: 'orders', partition: 3 };
const GROUP = 2;
const CLUSTER_ID = 'cluster';

let seeds = 0;
const random = (byteCount: number): Buffer => {
  const bytes = Buffer.alloc(byteCount);
  bytes.writeUInt32BE(++seeds, byteCount - 4);
  return bytes;
};

interface Stored {
  readonly store: MemoryStore;
  readonly partition: PartitionState;
}

/**
 * @param perExtent how many batches each extent has, and each segment
 * @param consolidated how many extents are segments by now
 */
async function storeBatches(
  batches: readonly Buffer[],
  perExtent: number,
  consolidated: number,
): Promise<Stored> {
  const store = new MemoryStore();
  const now = (): number => 5;
  const logger = pino({ level: 'silent' });
  const options = { store, clusterId: CLUSTER_ID, group: GROUP, random, now, logger };
  const journal = await Journal.open(options);
  let next = baseOffset(batches[0] ?? Buffer.alloc(0));
  let state = initialSegmentState(next);
  for (let at = 0; at < batches.length; at += perExtent) {
    const chunk = batches.slice(at, at + perExtent);
    const file = mergedFileOf({ clusterId: CLUSTER_ID, group: GROUP }, [
      { ...ID, batches: chunk, startOffset: next },
    ]);
    await journal.commit({ kind: 'merge', samples: [] }, file);
    next = lastOffset(chunk.at(-1) ?? Buffer.alloc(0)) + 1n;
    if (at / perExtent >= consolidated) continue;
    const build = new SegmentBuild(state, 1024 * 1024);
    for (const batch of chunk) expect(build.append(batch)).toBe('appended');
    const upload = { store, id: ID, brokerId: 1, nowMs: 9, createdMs: 9, random };
    const uploaded = await build.upload(upload);
    state = withoutEpochsBefore(uploaded.state, 0n);
    const segments = [{ ...ID, segment: uploaded.segment }];
    const outcome = await journal.commit({ kind: 'consolidate', segments });
    expect(outcome.kind).toBe('committed');
  }
  const partition = journal.state.partitions.get(partitionKey(ID));
  if (partition === undefined) throw new Error('nothing was merged');
  return { store, partition };
}

async function readBack(
  { store, partition }: Stored,
  range: { readonly from?: bigint; readonly to?: bigint; readonly blockBytes: number },
): Promise<string[]> {
  const stored = new StoredBatches({ store, group: GROUP, blockBytes: range.blockBytes });
  const found: string[] = [];
  const { from = 0n, to = partition.cursor } = range;
  for await (const batch of stored.batches(partition, from, to)) {
    expect(batch.baseOffset).toBe(baseOffset(batch.bytes));
    expect(batch.lastOffset).toBe(lastOffset(batch.bytes));
    if (batch.origin !== undefined) expect(batch.origin.crc).toBe(batchCrc(batch.bytes));
    found.push(batch.bytes.toString('hex'));
  }
  return found;
}

test('every batch of a range is read once, in order, whatever the blocks and wherever it is', async () => {
  const scenario = fc.record({
    log: randomLogs,
    perExtent: fc.integer({ min: 1, max: 9 }),
    consolidated: fc.nat({ max: 4 }),
    blockBytes: fc.constantFrom(1, 200, 1_000, 20_000),
    from: fc.double({ min: 0, max: 1, noNaN: true }),
    length: fc.double({ min: 0, max: 1, noNaN: true }),
  });
  await fc.assert(
    fc.asyncProperty(scenario, async (drawn) => {
      const { log, perExtent, consolidated, blockBytes } = drawn;
      const { batches, startOffset } = log;
      if (batches.length === 0) return;
      const stored = await storeBatches(batches, perExtent, consolidated);
      const offsets = Number(stored.partition.cursor - startOffset);
      const from = startOffset + BigInt(Math.floor(drawn.from * offsets));
      const to = from + BigInt(Math.ceil(drawn.length * offsets));
      const expected = batches
        .filter((batch) => lastOffset(batch) >= from && baseOffset(batch) < to)
        .map((batch) => batch.toString('hex'));
      expect(await readBack(stored, { from, to, blockBytes })).toEqual(expected);
    }),
    { numRuns: 60 },
  );
});

/** Twelve batches, four in each of a segment and two extents. */
async function sample(): Promise<Stored> {
  const [log] = fc
    .sample(randomLogs, { numRuns: 50, seed: 7 })
    .filter(({ batches }) => batches.length >= 12);
  return await storeBatches(log?.batches.slice(0, 12) ?? [], 4, 1);
}

test('what is damaged is named, and nothing behind it is read', async () => {
  const stored = await sample();
  const [extent] = stored.partition.extents;
  const [segment] = stored.partition.segments;
  if (extent === undefined || segment === undefined) throw new Error('neither may be missing');
  const places = [
    [entryKey(GROUP, extent.file), extent.position + 30, 'STORAGE_MERGED_CORRUPT'],
    [entryKey(GROUP, extent.file), extent.position + extent.bytes, 'STORAGE_MERGED_CORRUPT'],
    [keysOf(ID, segment).log, segment.bytes - 1, 'STORAGE_SEGMENT_CORRUPT'],
    [keysOf(ID, segment).log, 16, 'STORAGE_SEGMENT_CORRUPT'],
  ] as const;
  for (const [key, at, code] of places) {
    const bytes = stored.store.objects.get(key) ?? Buffer.alloc(0);
    bytes.writeUInt8(bytes.readUInt8(at) ^ 4, at);
    for (const blockBytes of [100, 1_000_000]) {
      const error: unknown = await readBack(stored, { blockBytes }).catch((e: unknown) => e);
      expect(error).toMatchObject({ code, message: expect.stringContaining(key) });
    }
    bytes.writeUInt8(bytes.readUInt8(at) ^ 4, at);
  }
  expect(await readBack(stored, { blockBytes: 100 })).toHaveLength(12);
});

test('a segment whose log is shorter than its entry says is damaged', async () => {
  const stored = await sample();
  const [segment] = stored.partition.segments;
  if (segment === undefined) throw new Error('it may not be missing');
  const key = keysOf(ID, segment).log;
  const log = stored.store.objects.get(key) ?? Buffer.alloc(0);
  stored.store.objects.set(key, log.subarray(0, -3));
  const read = readBack(stored, { blockBytes: 1_000 });
  expect(await outcomeCode(read)).toBe('STORAGE_SEGMENT_CORRUPT');
});

test('what is gone is named', async () => {
  const stored = await sample();
  const [extent] = stored.partition.extents;
  const [segment] = stored.partition.segments;
  if (extent === undefined || segment === undefined) throw new Error('neither may be missing');
  for (const key of [entryKey(GROUP, extent.file), keysOf(ID, segment).log]) {
    const bytes = stored.store.objects.get(key) ?? Buffer.alloc(0);
    stored.store.objects.delete(key);
    const error: unknown = await readBack(stored, { blockBytes: 100 }).catch((e: unknown) => e);
    expect(error).toMatchObject({ code: 'WORKER_OBJECT_MISSING', details: { key } });
    stored.store.objects.set(key, bytes);
  }
});

test('a segment is opened as it was built, and no other under its name', async () => {
  const { store, partition } = await sample();
  const [segment] = partition.segments;
  if (segment === undefined) throw new Error('it may not be missing');
  const stored = new StoredBatches({ store, group: GROUP });
  const { manifest, indexes } = await stored.openSegment(ID, segment);
  expect(manifest).toMatchObject({ segmentId: segment.id, brokerId: 1, eventTimestampMs: 9n });
  expect(indexes.state().nextOffset).toBe(segment.endOffset);
  const other = { ...segment, bytes: segment.bytes + 1 };
  expect(await outcomeCode(stored.openSegment(ID, other))).toBe('STORAGE_SEGMENT_CORRUPT');
});
