/**
 * What an entry does to the state of a partition group: a pure function, the same for the worker
 * that writes an entry and for all who read it. An entry that may not follow is refused, so it is
 * never written; one that was written all the same is damage.
 *
 * It promises: a partition's extents, and its segments, cover their offsets once and without gaps;
 * the cursor goes back only by a cut; nothing is trimmed that is not consolidated; what is dead
 * stays dead.
 */
import assert from 'node:assert/strict';
import type { MergedExtent } from '../merged-file.ts';
import type { Change, JournalEntry } from './entry.ts';
import { partitionKey } from './group-state.ts';
import type { Extent, GroupState, PartitionId, PartitionState } from './group-state.ts';
import { cutAt, replaceRun } from './offset-runs.ts';
import { recountReferences } from './recount-references.ts';

export type RefusalReason =
  /** An `asOf` would go back. */
  | 'as-of-back'
  /** It changes nothing. */
  | 'empty'
  /** A backfill below segments: the next one would not begin where they end. */
  | 'consolidated'
  /** Something would be left out between what is there and what is added. */
  | 'gap'
  /** Extents in a change that has none. */
  | 'misplaced-extents'
  /** What takes the place of others does not begin and end where they do. */
  | 'not-aligned'
  /** A trim of what is not in segments, or of a partition whose logical start is not fixed. */
  | 'not-consolidated'
  /** A sweep of what is alive, or unknown. */
  | 'not-dead'
  /** A cut at or above the cursor. */
  | 'nothing-to-cut'
  /** Who asked for it said that it no longer holds. */
  | 'outdated'
  /** What is added is there already. */
  | 'overlap'
  /** A logical start, a trim intent or what is cleaned would go back. */
  | 'start-back'
  /** Another segment has that id. */
  | 'segment-exists'
  | 'unknown-partition'
  | 'wrong-number';

export interface Refused {
  readonly kind: 'refused';
  readonly reason: RefusalReason;
  /** The first partition that the reason is true of, by its key. */
  readonly partition?: string;
}

export type Applied = { readonly kind: 'applied'; readonly state: GroupState } | Refused;

/** Partitions as the entry leaves them; undefined for one that is gone. */
type Changed = Map<string, PartitionState | undefined>;
type Step = { readonly kind: 'changed'; readonly partitions: Changed } | Refused;
type ChangeOf<Kind> = Extract<Change, { readonly kind: Kind }>;
type BackfillRow = ChangeOf<'backfill'>['offsets'][number];
/** @returns the partition's new state; undefined stands for a partition that is not known */
type Move = (partition: PartitionState | undefined) => PartitionState | RefusalReason;

/** @returns the state with the entry in it, or why the entry may not follow */
export function applyEntry(state: GroupState, entry: JournalEntry): Applied {
  if (entry.number !== state.number + 1) return refused('wrong-number');
  const mayHaveExtents = entry.change.kind === 'merge' || entry.change.kind === 're-merge';
  if (entry.extents.length > 0 && !mayHaveExtents) return refused('misplaced-extents');
  const step = change(state, entry);
  if (step.kind === 'refused') return step;
  return { kind: 'applied', state: recountReferences(state, entry, step.partitions) };
}

function change(state: GroupState, entry: JournalEntry): Step {
  const { change } = entry;
  switch (change.kind) {
    case 'merge':
      return merge(state, entry, change);
    case 're-merge':
      return reMerge(state, entry);
    case 'consolidate':
      return consolidate(state, change);
    case 'compact':
      return compact(state, change);
    case 'backfill':
      return moveAll(state, change.offsets, backfill);
    case 'trim':
      return moveAll(state, change.offsets, ({ offset }) => trim(offset));
    case 'start-moved':
      return moveAll(state, change.offsets, (row) => moveStart(row, row.offset));
    case 'quarantine':
      return moveAll(state, change.offsets, ({ offset }) => cut(offset, entry.number));
    case 'sweep':
      break;
  }
  return sweep(state, change);
}

/** Rows are applied one after the other: several may be of one partition. */
function moveAll<Row extends PartitionId>(
  state: GroupState,
  rows: readonly Row[],
  moveOf: (row: Row) => Move,
  changed: Changed = new Map(),
): Step {
  for (const row of rows) {
    const key = partitionKey(row);
    const before = changed.get(key) ?? state.partitions.get(key);
    const after = moveOf(row)(before);
    if (typeof after === 'string') return refused(after, key);
    changed.set(key, after);
  }
  return changed.size === 0 ? refused('empty') : { kind: 'changed', partitions: changed };
}

function merge(state: GroupState, entry: JournalEntry, change: ChangeOf<'merge'>): Step {
  const { extents, number } = entry;
  const changed: Changed = new Map();
  const appended = moveAll(state, extents, (extent) => append(extent, number), changed);
  if (appended.kind === 'refused' && appended.reason !== 'empty') return appended;
  return moveAll(state, change.samples, sample, changed);
}

function append(merged: MergedExtent, file: number): Move {
  return (known) => {
    const partition = known ?? newPartition(merged, merged.startOffset);
    if (merged.startOffset > partition.cursor) return 'gap';
    if (merged.startOffset < partition.cursor) return 'overlap';
    return {
      ...partition,
      cursor: merged.endOffset,
      leaderEpoch: merged.leaderEpoch,
      extents: [...partition.extents, extentIn(file, merged)],
    };
  };
}

function sample(taken: ChangeOf<'merge'>['samples'][number]): Move {
  const { count, cursor } = taken;
  return (known) => {
    const partition = known ?? (cursor === undefined ? undefined : newPartition(taken, cursor));
    if (partition === undefined) return 'unknown-partition';
    if (partition.asOf !== null && count < partition.asOf) return 'as-of-back';
    return { ...partition, asOf: count };
  };
}

/** All that is new of one partition. */
interface ReMerged extends PartitionId {
  readonly by: Extent[];
}

function reMerge(state: GroupState, { extents, number }: JournalEntry): Step {
  const byPartition = new Map<string, ReMerged>();
  for (const extent of extents) {
    const key = partitionKey(extent);
    const known = byPartition.get(key);
    if (known !== undefined) known.by.push(extentIn(number, extent));
    else byPartition.set(key, { ...extent, by: [extentIn(number, extent)] });
  }
  return moveAll(state, [...byPartition.values()], ({ by }) => (partition) => {
    if (partition === undefined) return 'unknown-partition';
    const replaced = replaceRun(partition.extents, by);
    return replaced === undefined ? 'not-aligned' : { ...partition, extents: replaced };
  });
}

function consolidate(state: GroupState, { segments }: ChangeOf<'consolidate'>): Step {
  return moveAll(state, segments, ({ segment }) => (partition) => {
    if (partition === undefined) return 'unknown-partition';
    if (segment.startOffset >= segment.endOffset) return 'empty';
    if (segment.baseOffset > segment.startOffset) return 'gap';
    if (isKnownSegment(state, partition, segment.id)) return 'segment-exists';
    const { consolidatedTo } = partition;
    if (segment.startOffset > consolidatedTo || segment.endOffset > partition.cursor) return 'gap';
    if (segment.startOffset < consolidatedTo) {
      const replaced = replaceRun(partition.segments, [segment]);
      return replaced === undefined ? 'not-aligned' : { ...partition, segments: replaced };
    }
    return {
      ...partition,
      consolidatedTo: segment.endOffset,
      segments: [...partition.segments, segment],
      extents: partition.extents.filter(({ endOffset }) => endOffset > segment.endOffset),
    };
  });
}

/** The same records' newer ones may be anywhere above, so a run is replaced, never extended. */
function compact(state: GroupState, { compacted }: ChangeOf<'compact'>): Step {
  return moveAll(state, compacted, ({ segments, cleanedTo }) => (partition) => {
    if (partition === undefined) return 'unknown-partition';
    if (cleanedTo > partition.consolidatedTo) return 'not-consolidated';
    if (cleanedTo < (partition.cleanedTo ?? 0n)) return 'start-back';
    if (segments.some(({ baseOffset, startOffset }) => baseOffset > startOffset)) return 'gap';
    if (segments.some(({ id }) => isKnownSegment(state, partition, id))) return 'segment-exists';
    if (segments.length === 0) {
      return cleanedTo === partition.cleanedTo ? 'empty' : { ...partition, cleanedTo };
    }
    const replaced = replaceRun(partition.segments, segments);
    if (replaced === undefined) return 'not-aligned';
    return { ...partition, cleanedTo, segments: replaced };
  });
}

function backfill({ offset, cursor, ...id }: BackfillRow): Move {
  return (known) => {
    const partition = known ?? newPartition(id, cursor);
    const { logicalStart, trimIntent, consolidatedTo, segments } = partition;
    if (segments.length > 0) return 'consolidated';
    if (offset >= consolidatedTo) return 'overlap';
    if (logicalStart !== null && offset < logicalStart) return 'start-back';
    if (trimIntent !== null && offset < trimIntent) return 'start-back';
    return { ...partition, consolidatedTo: offset };
  };
}

function isKnownSegment(state: GroupState, partition: PartitionState, id: string): boolean {
  const held = [partition, ...partition.quarantined].flatMap(({ segments }) => segments);
  return state.deadSegments.has(id) || held.some((segment) => segment.id === id);
}

function trim(offset: bigint): Move {
  return (partition) => {
    if (partition === undefined) return 'unknown-partition';
    const { logicalStart, segments, consolidatedTo, trimIntent } = partition;
    if (logicalStart === null) return 'not-consolidated';
    if (trimIntent !== null && offset < trimIntent) return 'start-back';
    const first = segments[0]?.startOffset;
    const isKept = first !== undefined && first <= logicalStart && offset <= consolidatedTo;
    if (offset > logicalStart && !isKept) return 'not-consolidated';
    return { ...partition, trimIntent: offset };
  };
}

/** It may go beyond the cursor: then what is skipped was deleted before it was merged. */
function moveStart(id: NamedPartition, offset: bigint): Move {
  return (known) => {
    const partition = known ?? newPartition(id, offset);
    const { logicalStart, cursor, consolidatedTo, extents, segments } = partition;
    if (logicalStart !== null && offset < logicalStart) return 'start-back';
    return {
      ...partition,
      logicalStart: offset,
      cursor: cursor < offset ? offset : cursor,
      consolidatedTo: consolidatedTo < offset ? offset : consolidatedTo,
      extents: cutAt(extents, offset).above,
      segments: cutAt(segments, offset).above,
    };
  };
}

/** The broker's offsets from there on mean other records now: starts and trims go back with it. */
function cut(offset: bigint, by: number): Move {
  return (partition) => {
    if (partition === undefined) return 'unknown-partition';
    if (offset >= partition.cursor) return 'nothing-to-cut';
    const extents = cutAt(partition.extents, offset);
    const segments = cutAt(partition.segments, offset);
    const { logicalStart, trimIntent, consolidatedTo, cleanedTo } = partition;
    const last = partition.extents.find(({ endOffset }) => endOffset === offset);
    return {
      ...partition,
      cursor: offset,
      asOf: null,
      leaderEpoch: last?.leaderEpoch ?? -1,
      logicalStart: logicalStart === null ? null : lower(logicalStart, offset),
      trimIntent: trimIntent === null ? null : lower(trimIntent, offset),
      consolidatedTo: lower(consolidatedTo, offset),
      ...(cleanedTo === undefined ? {} : { cleanedTo: lower(cleanedTo, offset) }),
      extents: extents.below,
      segments: segments.below,
      quarantined: [
        ...partition.quarantined,
        { by, extents: extents.above, segments: segments.above },
      ],
    };
  };
}

function sweep(state: GroupState, change: ChangeOf<'sweep'>): Step {
  const { files, segments, quarantines, topics } = change;
  const dead =
    files.every((file) => (state.files.get(file)?.death ?? null) !== null) &&
    segments.every((id) => state.deadSegments.has(id));
  if (!dead) return refused('not-dead');
  const changed: Changed = new Map();
  const given = new Set(quarantines);
  const gone = new Set(topics);
  for (const [key, partition] of state.partitions) {
    if (gone.has(partition.topicId)) {
      changed.set(key, undefined);
      continue;
    }
    const quarantined = partition.quarantined.filter(({ by }) => !given.has(by));
    if (quarantined.length === partition.quarantined.length) continue;
    changed.set(key, { ...partition, quarantined });
  }
  const isEmpty = changed.size + files.length + segments.length === 0;
  return isEmpty ? refused('empty') : { kind: 'changed', partitions: changed };
}

interface NamedPartition extends PartitionId {
  readonly topic: string;
}

function newPartition(id: NamedPartition, startOffset: bigint): PartitionState {
  assert(startOffset >= 0n, 'offsets begin at 0');
  return {
    topicId: id.topicId,
    topic: id.topic,
    partition: id.partition,
    cursor: startOffset,
    asOf: null,
    leaderEpoch: -1,
    logicalStart: null,
    trimIntent: null,
    consolidatedTo: startOffset,
    extents: [],
    segments: [],
    quarantined: [],
  };
}

function extentIn(file: number, merged: MergedExtent): Extent {
  const { topicId: _id, topic: _topic, partition: _partition, ...where } = merged;
  return { file, ...where };
}

function lower(left: bigint, right: bigint): bigint {
  return left < right ? left : right;
}

function refused(reason: RefusalReason, partition?: string): Refused {
  return partition === undefined
    ? { kind: 'refused', reason }
    : { kind: 'refused', reason, partition };
}
