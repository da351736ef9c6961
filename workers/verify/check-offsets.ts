/**
 * Whether a partition group's state makes sense by itself: offsets are covered once and without
 * gaps, and files are alive as long as an extent is in them. Entries cannot make a state that does
 * not; a snapshot that was written by a faulty version, or tampered with, can. Pure.
 */
import { entryKey } from '../../storage/index.ts';
import type { GroupState, PartitionState } from '../../storage/index.ts';
import type { FindingKind, FindingPlace, Findings } from './finding.ts';

interface OffsetRange {
  readonly startOffset: bigint;
  readonly endOffset: bigint;
}

export function checkOffsets(group: number, state: GroupState, findings: Findings): void {
  for (const partition of state.partitions.values()) {
    checkPartition(group, partition, findings);
  }
  checkReferences(group, state, findings);
}

function checkPartition(group: number, partition: PartitionState, findings: Findings): void {
  const { extents, segments, consolidatedTo, cursor } = partition;
  const at = placeOf(group, partition);
  checkRun(segments, consolidatedTo, 'segments', at, findings);
  checkRun(extents, cursor, 'extents', at, findings);
  // What is between segments and extents a backfill has yet to move, and the broker has it.
  const { trimIntent, logicalStart } = partition;
  if (trimIntent === null || logicalStart === null) return;
  const start = segments[0]?.startOffset ?? consolidatedTo;
  checkTrimmed(logicalStart, lower(start, trimIntent), at, findings);
  checkTrimmed(higher(consolidatedTo, logicalStart), trimIntent, at, findings);
}

/** The broker may have deleted what is below the trim intent: only segments have it. */
function checkTrimmed(
  startOffset: bigint,
  endOffset: bigint,
  at: FindingPlace,
  findings: Findings,
): void {
  if (startOffset >= endOffset) return;
  const where = { ...at, startOffset, endOffset };
  findings.add('offsets-gap', 'trimmed offsets are in no segment', where);
}

/** @param end where the run has to end */
function checkRun(
  run: readonly OffsetRange[],
  end: bigint,
  what: 'extents' | 'segments',
  at: FindingPlace,
  findings: Findings,
): void {
  const report = (kind: FindingKind, startOffset: bigint, endOffset: bigint): void => {
    const how = kind === 'offsets-gap' ? 'between' : 'in two';
    findings.add(kind, `offsets lie ${how} ${what}`, { ...at, startOffset, endOffset });
  };
  for (const [index, { startOffset, endOffset }] of run.entries()) {
    const next = run[index + 1]?.startOffset ?? end;
    if (startOffset >= endOffset) report('offsets-overlap', endOffset, startOffset);
    if (endOffset < next) report('offsets-gap', endOffset, next);
    if (endOffset > next) report('offsets-overlap', next, endOffset);
  }
}

function checkReferences(group: number, state: GroupState, findings: Findings): void {
  const counted = new Map<number, number>();
  for (const partition of state.partitions.values()) {
    for (const { extents } of [partition, ...partition.quarantined]) {
      for (const { file } of extents) counted.set(file, (counted.get(file) ?? 0) + 1);
    }
  }
  for (const { file, references, death } of state.files.values()) {
    const found = counted.get(file) ?? 0;
    counted.delete(file);
    if (found === references && (death === null) === found > 0) continue;
    const message = `${found} extents are in the file, the journal counts ${references}`;
    findings.add('references-wrong', message, { group, object: entryKey(group, file) });
  }
  for (const [file, found] of counted) {
    const message = `${found} extents are in a file that the journal counts as deleted`;
    findings.add('references-wrong', message, { group, object: entryKey(group, file) });
  }
}

function lower(left: bigint, right: bigint): bigint {
  return left < right ? left : right;
}

function higher(left: bigint, right: bigint): bigint {
  return left > right ? left : right;
}

/** @returns where a partition's findings are */
export function placeOf(
  group: number,
  { topic, topicId, partition }: Pick<PartitionState, 'topic' | 'topicId' | 'partition'>,
): FindingPlace {
  return { group, topic, topicId, partition };
}
