/**
 * Which merged files and segments an entry leaves without anybody who refers to them. What is in
 * quarantine is referred to. A death is final, so whoever deletes what is dead may act on an old
 * state. Pure.
 */
import type { JournalEntry } from './entry.ts';
import type { Death, DeadSegment, FileState, GroupState, PartitionState } from './group-state.ts';

/**
 * @param state before the entry
 * @param changed partitions as the entry leaves them; undefined for one that is gone
 * @returns the state after the entry
 */
export function recountReferences(
  state: GroupState,
  entry: JournalEntry,
  changed: ReadonlyMap<string, PartitionState | undefined>,
): GroupState {
  const { number, change, dataBytes, extents } = entry;
  const isForeign = change.kind === 'start-moved' && change.isForeign === true;
  const cause = isForeign ? ({ isForeign } as const) : {};
  const death: Death = { sinceMs: entry.createdMs, by: change.kind, ...cause };
  const partitions = new Map(state.partitions);
  const files = new Map(state.files);
  const deadSegments = new Map(state.deadSegments);
  const moved = new Map<number, number>();
  if (extents.length > 0) {
    const { createdMs } = entry;
    files.set(number, { file: number, createdMs, bytes: dataBytes, references: 0, death: null });
  }
  for (const [key, after] of changed) {
    const before = state.partitions.get(key);
    countFiles(before, -1, moved);
    countFiles(after, 1, moved);
    for (const dead of segmentsLost(before, after, death)) deadSegments.set(dead.segment.id, dead);
    if (after === undefined) partitions.delete(key);
    else partitions.set(key, after);
  }
  for (const [file, delta] of moved) {
    const known = files.get(file);
    if (known !== undefined && delta !== 0) files.set(file, referred(known, delta, death));
  }
  if (change.kind === 'sweep') {
    for (const file of change.files) files.delete(file);
    for (const id of change.segments) deadSegments.delete(id);
  }
  return { number, partitions, files, deadSegments };
}

function countFiles(
  partition: PartitionState | undefined,
  step: 1 | -1,
  moved: Map<number, number>,
): void {
  if (partition === undefined) return;
  for (const { extents } of [partition, ...partition.quarantined]) {
    for (const { file } of extents) moved.set(file, (moved.get(file) ?? 0) + step);
  }
}

function referred(file: FileState, delta: number, death: Death): FileState {
  const references = file.references + delta;
  return { ...file, references, death: references === 0 ? death : null };
}

function segmentsLost(
  before: PartitionState | undefined,
  after: PartitionState | undefined,
  death: Death,
): DeadSegment[] {
  if (before === undefined) return [];
  const { topicId, topic, partition } = before;
  const kept = after === undefined ? [] : [after, ...after.quarantined];
  const ids = new Set(kept.flatMap(({ segments }) => segments.map(({ id }) => id)));
  return [before, ...before.quarantined]
    .flatMap(({ segments }) => segments)
    .filter(({ id }) => !ids.has(id))
    .map((segment) => ({ topicId, topic, partition, segment, death }));
}
