/**
 * Merged files with bytes that nobody needs any more, because their partitions expired, were
 * consolidated or deleted: at once if that is most of them, after a while in any case, what is left
 * is to be copied, so that they can die. Pure.
 */
import { partitionKey } from '../../storage/index.ts';
import type { Extent, GroupState, PartitionState } from '../../storage/index.ts';
import type { ExtentRun } from '../extents/gather-extents.ts';

export interface WasteLimits {
  /** A file of which less than that is live need not be old. */
  readonly livePercentMin: number;
  /** So long bytes that nobody needs may stay in a file because of those that somebody does. */
  readonly rewriteMs: number;
}

export interface WastedFile {
  readonly file: number;
  /** What is left of it. */
  readonly liveBytes: number;
  /** An extent each: extents of one file need not follow on each other. */
  readonly runs: readonly ExtentRun[];
}

/**
 * @returns by number; a file of which something is in quarantine is left alone, for it cannot die
 */
export function wastedFiles(
  state: GroupState,
  { livePercentMin, rewriteMs }: WasteLimits,
  nowMs: number,
): WastedFile[] {
  const live = new Map<number, { partition: PartitionState; extent: Extent }[]>();
  const held = new Set<number>();
  for (const partition of state.partitions.values()) {
    for (const extent of partition.extents) {
      const known = live.get(extent.file);
      if (known === undefined) live.set(extent.file, [{ partition, extent }]);
      else known.push({ partition, extent });
    }
    for (const { extents } of partition.quarantined) {
      for (const { file } of extents) held.add(file);
    }
  }
  const wasted: WastedFile[] = [];
  for (const [file, extents] of live) {
    const known = state.files.get(file);
    if (known === undefined || held.has(file)) continue;
    const liveBytes = extents.reduce((sum, { extent }) => sum + bytesOf(extent), 0);
    const isOld = liveBytes < known.bytes && nowMs - known.createdMs >= rewriteMs;
    if (!isOld && liveBytes * 100 >= known.bytes * livePercentMin) continue;
    const runs = extents.map(({ partition, extent }) => ({ id: partition, extents: [extent] }));
    wasted.push({ file, liveBytes, runs });
  }
  return wasted.sort((a, b) => a.file - b.file);
}

/** @returns whether the extents of the runs still are what the partitions have */
export function areThere(state: GroupState, runs: readonly ExtentRun[]): boolean {
  return runs.every(({ id, extents }) => {
    const now = state.partitions.get(partitionKey(id))?.extents ?? [];
    return extents.every(({ file, startOffset, endOffset }) =>
      now.some(
        (extent) =>
          extent.file === file &&
          extent.startOffset === startOffset &&
          extent.endOffset === endOffset,
      ),
    );
  });
}

function bytesOf({ bytes, indexBytes }: Extent): number {
  return bytes + indexBytes;
}
