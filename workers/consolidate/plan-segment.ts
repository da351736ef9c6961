/** Whether a partition's next segment is due, and up to where it may go. Pure. */
import type { Extent, PartitionState } from '../../storage/index.ts';
import { segmentMsMax } from '../topics/topic-settings.ts';
import type { TopicSettings } from '../topics/topic-settings.ts';

export interface SegmentPlan {
  /** What only the broker has ends there: `consolidatedTo` if extents have everything. */
  readonly brokerEnd: bigint;
  /** Whether a segment of extents is due. */
  readonly isDue: boolean;
  /** What lies in extents and in no segment, more or less. */
  readonly mergedBytes: number;
  /** Of the segment. */
  readonly bytesMax: number;
}

export interface PlanLimits {
  readonly nowMs: number;
  /** Above any topic's `segment.bytes` that is larger. */
  readonly segmentBytesMax: number;
}

/** @returns undefined if there is nothing to do */
export function planSegment(
  partition: PartitionState,
  settings: TopicSettings,
  { nowMs, segmentBytesMax }: PlanLimits,
): SegmentPlan | undefined {
  const { consolidatedTo, cursor } = partition;
  if (consolidatedTo >= cursor) return undefined;
  const bytesMax = Math.min(settings.segmentBytes, segmentBytesMax);
  const extents = partition.extents.filter(({ endOffset }) => endOffset > consolidatedTo);
  const mergedBytes = extents.reduce((sum, extent) => sum + bytesAbove(extent, consolidatedTo), 0);
  const firstStart = extents[0]?.startOffset ?? cursor;
  const brokerEnd = firstStart > consolidatedTo ? firstStart : consolidatedTo;
  const isOld = isOlderThan(segmentMsMax(settings), partition, extents, nowMs);
  const isDue = extents.length > 0 && (mergedBytes >= bytesMax || isOld);
  if (!isDue && brokerEnd === consolidatedTo) return undefined;
  return { brokerEnd, isDue, mergedBytes, bytesMax };
}

/** Of an extent that a segment ends in only the rest counts, as if offsets were of one size. */
function bytesAbove({ startOffset, endOffset, bytes }: Extent, offset: bigint): number {
  if (startOffset >= offset) return bytes;
  return Math.ceil((bytes * Number(endOffset - offset)) / Number(endOffset - startOffset));
}

/**
 * Timestamps are the producers': data that claims to be old must not make a segment at each run. So
 * the segment before must be as old, too.
 */
function isOlderThan(
  ageMs: number,
  { segments }: PartitionState,
  [first]: readonly Extent[],
  nowMs: number,
): boolean {
  if (first === undefined) return false;
  const lastMs = segments.at(-1)?.createdMs ?? Number.NEGATIVE_INFINITY;
  return Number(first.maxTimestampMs) + ageMs <= nowMs && lastMs + ageMs <= nowMs;
}
