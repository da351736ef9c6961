/** What a worker would do next, by what it knows: always something that may follow. */
import { partitionKey } from '../../../../storage/index.ts';
import type { Change, GroupState, Journal, PartitionState } from '../../../../storage/index.ts';
import { MERGE, partitionOf, segmentOf } from './journal-samples.ts';
import type { Range } from './journal-samples.ts';

export const WORKS = [
  'merge',
  'merge',
  'merge',
  're-merge',
  'cut',
  'start',
  'consolidate',
  'consolidate',
  'trim',
  'backfill',
  'sweep',
] as const;
export type Work = (typeof WORKS)[number];

export interface Job {
  readonly work: Work;
  readonly partition: number;
  readonly size: number;
}

export interface Plan {
  readonly change: Change;
  readonly ranges?: readonly Range[];
  /** Merged files whose data is deleted first. */
  readonly hollow?: readonly number[];
}

/**
 * @param seed of a segment's id
 * @returns undefined if there is nothing to do
 */
export function plan({ state }: Journal, job: Job, seed: number): Plan | undefined {
  const { work, partition, size } = job;
  if (work === 'sweep') return planSweep(state, size);
  const id = partitionOf(partition);
  const known = state.partitions.get(partitionKey(id));
  // A new partition's first record is not the log's: there is something to backfill.
  const cursor = known?.cursor ?? 6n;
  if (work === 'merge') {
    const endOffset = cursor + BigInt(size);
    return { change: MERGE, ranges: [{ partition, startOffset: cursor, endOffset }] };
  }
  const start = known?.logicalStart ?? 0n;
  if (work === 'start') {
    const offset = start + BigInt(size - 1);
    return { change: { kind: 'start-moved', offsets: [{ ...id, offset }] } };
  }
  if (work === 'backfill') {
    const trimmed = known?.trimIntent ?? 0n;
    const offset = start > trimmed ? start : trimmed;
    const isDone = known !== undefined && offset >= known.consolidatedTo;
    if (isDone || offset >= cursor || (known?.segments.length ?? 0) > 0) return undefined;
    return { change: { kind: 'backfill', offsets: [{ ...id, offset, cursor }] } };
  }
  return known === undefined ? undefined : planKnown(known, job, seed);
}

function planSweep(
  { files, deadSegments, partitions }: GroupState,
  size: number,
): Plan | undefined {
  const hollow = [...files.values()].filter(({ death }) => death !== null).map(({ file }) => file);
  const segments = [...deadSegments.keys()].slice(0, size);
  const quarantined = [...partitions.values()].flatMap((partition) => partition.quarantined);
  const quarantines = quarantined.map(({ by }) => by).slice(0, size);
  if (hollow.length + segments.length + quarantines.length === 0) return undefined;
  const change = { kind: 'sweep', files: hollow, segments, quarantines, topics: [] } as const;
  return { change, hollow };
}

function planKnown(
  known: PartitionState,
  { work, partition, size }: Job,
  seed: number,
): Plan | undefined {
  const id = partitionOf(partition);
  const { cursor, consolidatedTo, logicalStart, trimIntent, segments, extents } = known;
  if (work === 're-merge') {
    const [first, last] = [extents[0], extents.slice(0, size).at(-1)];
    if (first === undefined || last === undefined) return undefined;
    const { startOffset } = first;
    return {
      change: { kind: 're-merge' },
      ranges: [{ partition, startOffset, endOffset: last.endOffset }],
    };
  }
  if (work === 'consolidate') {
    const end = consolidatedTo + BigInt(2 * size);
    const endOffset = end < cursor ? end : cursor;
    if (endOffset === consolidatedTo) return undefined;
    const segment = segmentOf(seed, Number(consolidatedTo), Number(endOffset));
    return { change: { kind: 'consolidate', segments: [{ ...id, segment }] } };
  }
  if (work === 'trim') {
    const first = segments[0]?.startOffset;
    const isKept = first !== undefined && logicalStart !== null && first <= logicalStart;
    if (!isKept || consolidatedTo < (trimIntent ?? 0n)) return undefined;
    return { change: { kind: 'trim', offsets: [{ ...id, offset: consolidatedTo }] } };
  }
  const offset = cursor - BigInt(size);
  if (offset < (logicalStart ?? 0n)) return undefined;
  return { change: { kind: 'quarantine', offsets: [{ ...id, offset }], reason: 'model' } };
}
