import { expect, test } from 'vitest';
import { applyEntry, EMPTY_STATE, partitionKey } from '../../../../storage/index.ts';
import type {
  Change,
  GroupState,
  MergedExtent,
  PartitionState,
  Segment,
} from '../../../../storage/index.ts';
import {
  entryOf,
  extentsOf,
  idOf,
  MERGE,
  partitionOf,
  range,
  segmentOf,
} from './journal-samples.ts';

function apply(
  state: GroupState,
  change: Change,
  extents: readonly MergedExtent[] = [],
): GroupState {
  const applied = applyEntry(state, entryOf(state.number + 1, change, extents));
  if (applied.kind === 'applied') return applied.state;
  throw new Error(`refused: ${applied.reason}`);
}

function refusal(state: GroupState, change: Change, extents: readonly MergedExtent[] = []): string {
  const applied = applyEntry(state, entryOf(state.number + 1, change, extents));
  return applied.kind === 'refused' ? applied.reason : 'applied';
}

function partition(state: GroupState, number = 0): PartitionState {
  const found = state.partitions.get(partitionKey(partitionOf(number)));
  if (found === undefined) throw new Error('no such partition');
  return found;
}

function ranges(list: readonly { startOffset: bigint; endOffset: bigint }[]): number[][] {
  return list.map(({ startOffset, endOffset }) => [Number(startOffset), Number(endOffset)]);
}

const at = (offset: number, number = 0) => ({ ...partitionOf(number), offset: BigInt(offset) });
const trim = (offset: number): Change => ({ kind: 'trim', offsets: [at(offset)] });
const startMoved = (offset: number): Change => ({ kind: 'start-moved', offsets: [at(offset)] });
const cut = (offset: number): Change => ({
  kind: 'quarantine',
  offsets: [at(offset)],
  reason: 'a test',
});
const consolidate = (seed: number, start: number, end: number): Change => ({
  kind: 'consolidate',
  segments: [{ ...partitionOf(0), segment: segmentOf(seed, start, end) }],
});
const sweep = (swept: Partial<Extract<Change, { kind: 'sweep' }>>): Change => ({
  kind: 'sweep',
  files: [],
  segments: [],
  quarantines: [],
  topics: [],
  ...swept,
});

/** Partition 0 from 10 to 40 in files 1, 2 and 3; partition 1 from 5 to 9 in file 1. */
function merged(): GroupState {
  let state = apply(EMPTY_STATE, MERGE, extentsOf([range(0, 10, 20), range(1, 5, 9)]));
  state = apply(state, MERGE, extentsOf([range(0, 20, 30)]));
  return apply(state, MERGE, extentsOf([range(0, 30, 40)]));
}

test('a merge moves the cursor to the end of what it adds, from wherever the first one begins', () => {
  const state = merged();
  expect(partition(state)).toMatchObject({ cursor: 40n, leaderEpoch: 5, consolidatedTo: 10n });
  expect(ranges(partition(state).extents)).toEqual([
    [10, 20],
    [20, 30],
    [30, 40],
  ]);
  expect(partition(state, 1).cursor).toBe(9n);
  expect(state.files.get(1)).toMatchObject({ references: 2, death: null });
});

test('a merge that leaves a gap, or covers what is covered, is refused', () => {
  const state = merged();
  expect(refusal(state, MERGE, extentsOf([range(0, 41, 50)]))).toBe('gap');
  expect(refusal(state, MERGE, extentsOf([range(0, 39, 50)]))).toBe('overlap');
  expect(refusal(state, MERGE, extentsOf([range(0, 40, 50), range(0, 40, 50)]))).toBe('overlap');
  expect(refusal(state, MERGE, extentsOf([range(0, 40, 50), range(0, 50, 51)]))).toBe('applied');
  expect(refusal(state, MERGE)).toBe('empty');
});

test('an entry is applied after the one before it, and only then', () => {
  const entry = entryOf(3, MERGE, extentsOf([range(0, 0, 1)]));
  expect(applyEntry(EMPTY_STATE, entry)).toEqual({ kind: 'refused', reason: 'wrong-number' });
});

test('what an entry leaves out stays as it is, and states that were kept do not change', () => {
  const before = merged();
  const kept = structuredClone(before);
  const after = apply(before, startMoved(25));
  expect(before).toEqual(kept);
  expect(partition(after, 1)).toBe(partition(before, 1));
});

test('samples rise, need no data, and are forgotten by a cut', () => {
  const sampled = (count: number): Change => ({
    kind: 'merge',
    samples: [{ ...partitionOf(0), count }],
  });
  const state = apply(merged(), sampled(8));
  expect(partition(state).asOf).toBe(8);
  expect(refusal(state, sampled(7))).toBe('as-of-back');
  expect(refusal(EMPTY_STATE, sampled(1))).toBe('unknown-partition');
  const begun = { kind: 'merge', samples: [{ ...partitionOf(0), count: 1, cursor: 5n }] } as const;
  const empty = { cursor: 5n, asOf: 1, consolidatedTo: 5n, extents: [] };
  expect(partition(apply(EMPTY_STATE, begun))).toMatchObject(empty);
  expect(partition(apply(state, cut(30))).asOf).toBeNull();
});

test('a re-merge takes the place of whole extents, whose files die when nobody needs them', () => {
  const state = merged();
  const change: Change = { kind: 're-merge' };
  const after = apply(state, change, extentsOf([range(0, 10, 30)]));
  expect(partition(after).extents.map(({ file }) => file)).toEqual([4, 3]);
  expect(partition(after).cursor).toBe(40n);
  expect(after.files.get(1)).toMatchObject({ references: 1, death: null });
  expect(after.files.get(2)?.death).toEqual({ sinceMs: 4_000, by: 're-merge' });
  for (const wrong of [range(0, 10, 25), range(0, 11, 30), range(0, 10, 50), range(0, 0, 30)]) {
    expect(refusal(state, change, extentsOf([wrong]))).toBe('not-aligned');
  }
  const holed = extentsOf([range(0, 10, 20), range(0, 21, 30)]);
  expect(refusal(state, change, holed)).toBe('not-aligned');
  expect(refusal(state, change, extentsOf([range(3, 0, 9)]))).toBe('unknown-partition');
  expect(refusal(state, change)).toBe('empty');
});

test('a segment continues the one before it and sets the extents below its end free', () => {
  let state = apply(merged(), consolidate(1, 10, 25));
  expect(partition(state).consolidatedTo).toBe(25n);
  expect(ranges(partition(state).extents)).toEqual([
    [20, 30],
    [30, 40],
  ]);
  expect(refusal(state, consolidate(2, 26, 30))).toBe('gap');
  expect(refusal(state, consolidate(2, 25, 41))).toBe('gap');
  expect(refusal(state, consolidate(2, 20, 30))).toBe('not-aligned');
  expect(refusal(state, consolidate(1, 25, 30))).toBe('segment-exists');
  expect(refusal(state, consolidate(2, 25, 25))).toBe('empty');
  state = apply(state, consolidate(2, 25, 40));
  expect(partition(state).extents).toEqual([]);
  expect(state.files.get(3)?.death?.by).toBe('consolidate');
});

test('a compacted segment takes the place of those that it was made of', () => {
  let state = apply(merged(), consolidate(1, 10, 20));
  state = apply(state, consolidate(2, 20, 30));
  state = apply(state, consolidate(3, 10, 30));
  expect(partition(state).segments.map(({ id }) => id)).toEqual([idOf(3)]);
  expect(partition(state).consolidatedTo).toBe(30n);
  expect([...state.deadSegments.keys()]).toEqual([idOf(1), idOf(2)]);
  expect(refusal(state, consolidate(1, 30, 40))).toBe('segment-exists');
});

test('segments give way to compacted ones that cover the same offsets, and the mark rises', () => {
  let state = apply(apply(merged(), consolidate(1, 10, 20)), consolidate(2, 20, 30));
  const compact = (cleanedTo: number, ...segments: Segment[]): Change => ({
    kind: 'compact',
    compacted: [{ ...partitionOf(0), segments, cleanedTo: BigInt(cleanedTo) }],
  });
  expect(refusal(state, compact(31))).toBe('not-consolidated');
  expect(refusal(state, compact(30, segmentOf(3, 10, 25)))).toBe('not-aligned');
  expect(refusal(state, compact(30, segmentOf(1, 10, 30)))).toBe('segment-exists');
  expect(refusal(state, compact(30, { ...segmentOf(3, 10, 30), baseOffset: 11n }))).toBe('gap');
  expect(refusal(state, { kind: 'compact', compacted: [] })).toBe('empty');
  state = apply(state, compact(25, segmentOf(3, 10, 15), segmentOf(4, 15, 30)));
  expect(partition(state)).toMatchObject({ cleanedTo: 25n, consolidatedTo: 30n });
  expect(partition(state).segments.map(({ id }) => id)).toEqual([idOf(3), idOf(4)]);
  expect([...state.deadSegments.keys()]).toEqual([idOf(1), idOf(2)]);
  expect(state.deadSegments.get(idOf(1))?.death.by).toBe('compact');
  expect(refusal(state, compact(24))).toBe('start-back');
  expect(refusal(state, compact(25))).toBe('empty');
  state = apply(state, compact(30));
  expect(partition(state).cleanedTo).toBe(30n);
  expect(partition(apply(state, cut(12))).cleanedTo).toBe(12n);
});

test('a backfill lowers where segments begin, as long as there are none', () => {
  const backfill = (offset: number, cursor: number, number = 0): Change => ({
    kind: 'backfill',
    offsets: [{ ...partitionOf(number), offset: BigInt(offset), cursor: BigInt(cursor) }],
  });
  const state = apply(merged(), backfill(2, 99));
  expect(partition(state)).toMatchObject({ consolidatedTo: 2n, cursor: 40n });
  expect(refusal(state, backfill(2, 40))).toBe('overlap');
  expect(refusal(state, consolidate(1, 3, 8))).toBe('gap');
  const within = apply(state, consolidate(1, 2, 8));
  expect(ranges(partition(within).extents)[0]).toEqual([10, 20]);
  const across = apply(within, consolidate(2, 8, 20));
  expect(ranges(partition(across).extents)[0]).toEqual([20, 30]);
  expect(refusal(within, backfill(0, 40))).toBe('consolidated');
  expect(refusal(apply(merged(), startMoved(4)), backfill(3, 40))).toBe('start-back');
  const trimmed = apply(apply(merged(), startMoved(5)), trim(5));
  expect(refusal(trimmed, backfill(4, 40))).toBe('start-back');
  const unknown = apply(EMPTY_STATE, backfill(3, 7));
  expect(partition(unknown)).toMatchObject({ consolidatedTo: 3n, cursor: 7n, extents: [] });
  expect(refusal(unknown, MERGE, extentsOf([range(0, 7, 9)]))).toBe('applied');
  expect(refusal(EMPTY_STATE, backfill(7, 7))).toBe('overlap');
});

test('nothing is trimmed that is not in segments from the logical start on', () => {
  let state = apply(merged(), consolidate(1, 10, 25));
  expect(refusal(state, trim(15))).toBe('not-consolidated');
  state = apply(state, startMoved(10));
  expect(refusal(state, trim(26))).toBe('not-consolidated');
  state = apply(state, trim(25));
  expect(partition(state).trimIntent).toBe(25n);
  expect(refusal(state, trim(24))).toBe('start-back');
});

test('what the broker has and no segment has is never trimmed', () => {
  const state = apply(apply(merged(), startMoved(3)), consolidate(1, 10, 25));
  expect(refusal(state, trim(20))).toBe('not-consolidated');
  expect(refusal(state, trim(3))).toBe('applied');
});

test('a start that moves takes extents and segments with it, and the cursor if it must', () => {
  const state = apply(merged(), consolidate(1, 10, 20));
  const within = apply(state, startMoved(25));
  expect(partition(within)).toMatchObject({ logicalStart: 25n, cursor: 40n, consolidatedTo: 25n });
  expect(ranges(partition(within).extents)).toEqual([
    [25, 30],
    [30, 40],
  ]);
  expect([...within.deadSegments.keys()]).toEqual([idOf(1)]);
  expect(refusal(within, startMoved(24))).toBe('start-back');
  expect(refusal(within, { kind: 're-merge' }, extentsOf([range(0, 25, 40)]))).toBe('applied');
  const beyond = apply(state, startMoved(90));
  expect(partition(beyond)).toMatchObject({ cursor: 90n, extents: [], segments: [] });
  expect(refusal(beyond, MERGE, extentsOf([range(0, 90, 91)]))).toBe('applied');
  const unknown = apply(EMPTY_STATE, startMoved(7));
  expect(partition(unknown)).toMatchObject({ cursor: 7n, logicalStart: 7n });
});

test('a cut sets another history aside, and what is set aside is not dead', () => {
  let state = apply(merged(), consolidate(1, 10, 30));
  state = apply(apply(state, startMoved(12)), trim(28));
  const cutBack = apply(state, cut(25));
  expect(partition(cutBack)).toMatchObject({
    cursor: 25n,
    consolidatedTo: 25n,
    trimIntent: 25n,
    logicalStart: 12n,
    leaderEpoch: -1,
  });
  expect(ranges(partition(cutBack).segments)).toEqual([[12, 25]]);
  const [aside] = partition(cutBack).quarantined;
  expect(aside?.by).toBe(cutBack.number);
  expect(ranges(aside?.extents ?? [])).toEqual([[30, 40]]);
  expect(ranges(aside?.segments ?? [])).toEqual([[25, 30]]);
  expect(cutBack.files.get(3)?.death).toBeNull();
  expect(cutBack.deadSegments.size).toBe(0);
  expect(refusal(cutBack, cut(25))).toBe('nothing-to-cut');
  expect(refusal(cutBack, MERGE, extentsOf([range(0, 25, 26)]))).toBe('applied');
  const given = apply(cutBack, sweep({ quarantines: [cutBack.number] }));
  expect(given.files.get(3)?.death?.by).toBe('sweep');
  expect(given.deadSegments.size).toBe(0);
});

test('a cut within an extent leaves each half to its history; at an end the epoch is known', () => {
  const state = merged();
  const within = apply(state, cut(25));
  expect(ranges(partition(within).extents)).toEqual([
    [10, 20],
    [20, 25],
  ]);
  expect(within.files.get(2)?.references).toBe(2);
  expect(partition(apply(state, cut(20))).leaderEpoch).toBe(5);
});

test('only what is dead is swept, and it is forgotten then', () => {
  const state = apply(merged(), { kind: 're-merge' }, extentsOf([range(0, 20, 40)]));
  expect(refusal(state, sweep({ files: [1] }))).toBe('not-dead');
  expect(refusal(state, sweep({ files: [77] }))).toBe('not-dead');
  expect(refusal(state, sweep({ segments: [idOf(9)] }))).toBe('not-dead');
  expect(refusal(state, sweep({ quarantines: [1] }))).toBe('empty');
  const swept = apply(state, sweep({ files: [2, 3] }));
  expect([...swept.files.keys()]).toEqual([1, 4]);
});

test('a topic that is no more leaves its files and segments dead', () => {
  const state = apply(merged(), consolidate(1, 10, 20));
  const after = apply(state, sweep({ topics: [partitionOf(0).topicId] }));
  expect([...after.partitions.keys()]).toEqual([partitionKey(partitionOf(1))]);
  expect(after.files.get(1)?.death).toBeNull();
  expect(after.files.get(2)?.death?.by).toBe('sweep');
  expect([...after.deadSegments.keys()]).toEqual([idOf(1)]);
});

test('changes that have no extents come without', () => {
  expect(refusal(merged(), trim(10), extentsOf([range(0, 40, 50)]))).toBe('misplaced-extents');
});
