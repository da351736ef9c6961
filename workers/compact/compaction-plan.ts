/**
 * Which partitions are to be compacted, how far, and in what groups of segments: Kafka's
 * `LogCleanerManager` and `Cleaner.groupSegmentsBySize`. All that a partition has in segments may
 * be cleaned, for a broker's active segment is what is not consolidated yet. Pure.
 */
import type { PartitionState, Segment } from '../../storage/index.ts';
import type { TopicSettings } from '../topics/topic-settings.ts';

/** What Kafka's indexes can express, from a segment's first offset on. */
const RELATIVE_OFFSET_MAX = 2n ** 31n - 1n;

export interface CompactionPlan {
  readonly partition: PartitionState;
  readonly settings: TopicSettings;
  /** Below it all keys were compared before. */
  readonly firstDirtyOffset: bigint;
  /** From the first one to the last that may be cleaned. */
  readonly segments: readonly Segment[];
  readonly dirtyBytes: number;
  /** Of the bytes that may be cleaned, what is dirty. */
  readonly dirtyRatio: number;
}

/**
 * @returns undefined if there is nothing that may be cleaned; whether it is worth the while is
 *   another question
 */
export function planCompaction(
  partition: PartitionState,
  settings: TopicSettings,
  nowMs: number,
): CompactionPlan | undefined {
  const [first] = partition.segments;
  if (first === undefined) return undefined;
  const { cleanedTo = 0n } = partition;
  const firstDirtyOffset = cleanedTo > first.startOffset ? cleanedTo : first.startOffset;
  const youngestMs = nowMs - settings.minCompactionLagMs;
  const isTooYoung = ({ endOffset, maxTimestampMs }: Segment): boolean =>
    settings.minCompactionLagMs > 0 &&
    endOffset > firstDirtyOffset &&
    Number(maxTimestampMs) > youngestMs;
  const end = partition.segments.findIndex(isTooYoung);
  const segments = end === -1 ? partition.segments : partition.segments.slice(0, end);
  return planOf({ partition, settings, firstDirtyOffset }, segments);
}

/** @returns the plan without the segments that reach above the offset */
export function planBelow(plan: CompactionPlan, offset: bigint): CompactionPlan | undefined {
  const end = plan.segments.findIndex(({ endOffset }) => endOffset > offset);
  return end === -1 ? plan : planOf(plan, plan.segments.slice(0, end));
}

/** @returns segments that become one together, each in a group, in order */
export function groupSegments(segments: readonly Segment[], bytesMax: number): Segment[][] {
  const groups: Segment[][] = [];
  let bytes = 0;
  for (const segment of segments) {
    const group = groups.at(-1);
    const base = group?.[0]?.baseOffset ?? segment.baseOffset;
    const fits =
      bytes + segment.bytes <= bytesMax && segment.endOffset - 1n - base <= RELATIVE_OFFSET_MAX;
    if (group !== undefined && fits) {
      group.push(segment);
      bytes += segment.bytes;
    } else {
      groups.push([segment]);
      bytes = segment.bytes;
    }
  }
  return groups;
}

function planOf(
  of: Pick<CompactionPlan, 'partition' | 'settings' | 'firstDirtyOffset'>,
  segments: readonly Segment[],
): CompactionPlan | undefined {
  const { partition, settings, firstDirtyOffset } = of;
  const dirtyBytes = bytesOf(segments.filter(({ endOffset }) => endOffset > firstDirtyOffset));
  if (dirtyBytes === 0) return undefined;
  const dirtyRatio = dirtyBytes / bytesOf(segments);
  return { partition, settings, firstDirtyOffset, segments, dirtyBytes, dirtyRatio };
}

export function bytesOf(segments: readonly Segment[]): number {
  return segments.reduce((sum, { bytes }) => sum + bytes, 0);
}
