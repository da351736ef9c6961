/** Up to where a partition may be trimmed, as far as its journal says. Pure. */
import type { PartitionState } from '../../storage/index.ts';

export interface TrimBounds {
  /** Data that is younger stays, and so does what is in younger segments. */
  readonly beforeMs: number;
  /** The broker's: exclusive. */
  readonly lastStableOffset: bigint;
  /** The lowest of the share groups: inclusive; undefined without any. */
  readonly shareGroupStart: bigint | undefined;
  /**
   * Where the oldest transaction began that is open where segments end: inclusive. Only the broker
   * knows how it ended, and a replica that is made later does not.
   */
  readonly openTransactionStart: bigint | undefined;
}

/** What holds before a broker was asked. */
export function unbounded(beforeMs: number): TrimBounds {
  return {
    beforeMs,
    lastStableOffset: 2n ** 63n,
    shareGroupStart: undefined,
    openTransactionStart: undefined,
  };
}

/** @returns the highest end of a segment that is within the bounds, undefined if there is none */
export function trimTarget(
  { segments }: PartitionState,
  { beforeMs, lastStableOffset, shareGroupStart, openTransactionStart }: TrimBounds,
): bigint | undefined {
  let target: bigint | undefined;
  for (const { endOffset, createdMs, maxTimestampMs } of segments) {
    const isOld = createdMs < beforeMs && Number(maxTimestampMs) < beforeMs;
    const isShared = isAbove(endOffset, shareGroupStart);
    const isOpen = isAbove(endOffset, openTransactionStart) || endOffset >= lastStableOffset;
    if (!isOld || isShared || isOpen) break;
    target = endOffset;
  }
  return target;
}

function isAbove(offset: bigint, bound: bigint | undefined): boolean {
  return bound !== undefined && offset > bound;
}

/** Whether segments have everything from the logical start on, so that trimming loses nothing. */
export function isKept({ segments, logicalStart }: PartitionState): boolean {
  const first = segments[0]?.startOffset;
  return first !== undefined && logicalStart !== null && first <= logicalStart;
}
