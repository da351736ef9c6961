/**
 * Merged files with bytes that nobody needs any more, because their partitions expired, were
 * consolidated or deleted: at once if that is most of them, after a while in any case, what is left
 * is to be copied, so that they can die. Pure.
 */
import { Turns } from '../../runtime/index.ts';
import { partitionKey } from '../../storage/index.ts';
import type { Extent, FileState, GroupState, PartitionState } from '../../storage/index.ts';
import type { ExtentRun, ReMerge } from '../merge/re-merge-plan.ts';

/** Of a new file; what is left of one old file may be more. */
const FILE_BYTES = 64 * 1024 * 1024;

export interface WasteLimits {
  /** A file of which less than that is live need not be old. */
  readonly livePercentMin: number;
  /** So long bytes that nobody needs may stay in a file because of those that somebody does. */
  readonly rewriteMs: number;
}

/** What is left of a file: one run of each partition. */
interface WastedFile {
  readonly bytes: number;
  readonly runs: ReadonlyMap<string, ExtentRun>;
}

/**
 * @returns what is to be copied into one file each, oldest first. A file of which something is in
 *   quarantine is left alone, for it cannot die.
 */
export async function planRewrites(
  state: GroupState,
  limits: WasteLimits,
  nowMs: number,
): Promise<ReMerge[]> {
  const rewrites: { bytes: number; readonly runs: Map<string, ExtentRun> }[] = [];
  for (const { bytes, runs } of await wastedFiles(state, limits, nowMs)) {
    const last = rewrites.at(-1);
    const fits = last !== undefined && last.bytes + bytes <= FILE_BYTES && follows(last.runs, runs);
    const rewrite = fits ? last : { bytes: 0, runs: new Map<string, ExtentRun>() };
    if (!fits) rewrites.push(rewrite);
    rewrite.bytes += bytes;
    for (const [key, { id, extents }] of runs) {
      rewrite.runs.set(key, {
        id,
        extents: [...(rewrite.runs.get(key)?.extents ?? []), ...extents],
      });
    }
  }
  return rewrites.map(({ bytes, runs }) => ({ bytes, runs: [...runs.values()] }));
}

/** An entry replaces one run of a partition's extents: what it has before must end where this begins. */
function follows(
  before: ReadonlyMap<string, ExtentRun>,
  runs: ReadonlyMap<string, ExtentRun>,
): boolean {
  return [...runs].every(([key, { extents }]) => {
    const last = before.get(key)?.extents.at(-1);
    return last === undefined || last.endOffset === extents[0]?.startOffset;
  });
}

async function wastedFiles(
  state: GroupState,
  limits: WasteLimits,
  nowMs: number,
): Promise<WastedFile[]> {
  const liveBytes = await liveBytesOf(state);
  const wasted = new Set<number>();
  for (const [file, bytes] of liveBytes) {
    const known = state.files.get(file);
    if (known !== undefined && isWasted(known, bytes, limits, nowMs)) wasted.add(file);
  }
  if (wasted.size === 0) return [];
  const live = [...(await liveExtents(state, wasted))].sort(([left], [right]) => left - right);
  return live.map(([file, extents]) => {
    return { bytes: liveBytes.get(file) ?? 0, runs: runsOf(extents) };
  });
}

function isWasted(
  { bytes, createdMs }: FileState,
  liveBytes: number,
  { livePercentMin, rewriteMs }: WasteLimits,
  nowMs: number,
): boolean {
  if (liveBytes < bytes && nowMs - createdMs >= rewriteMs) return true;
  return liveBytes * 100 < bytes * livePercentMin;
}

/** @returns by file, those without a quarantine */
async function liveBytesOf({ partitions }: GroupState): Promise<ReadonlyMap<number, number>> {
  const turns = new Turns();
  const live = new Map<number, number>();
  const held = new Set<number>();
  for (const { extents, quarantined } of partitions.values()) {
    if (turns.isOver) await turns.next();
    for (const extent of extents) {
      live.set(extent.file, (live.get(extent.file) ?? 0) + bytesOf(extent));
    }
    for (const { extents: aside } of quarantined) for (const { file } of aside) held.add(file);
  }
  for (const file of held) live.delete(file);
  return live;
}

interface LiveExtent {
  readonly partition: PartitionState;
  readonly extent: Extent;
}

/** @returns of these files, extents of each partition ascending */
async function liveExtents(
  { partitions }: GroupState,
  files: ReadonlySet<number>,
): Promise<ReadonlyMap<number, LiveExtent[]>> {
  const turns = new Turns();
  const live = new Map<number, LiveExtent[]>();
  for (const partition of partitions.values()) {
    if (turns.isOver) await turns.next();
    for (const extent of partition.extents) {
      if (!files.has(extent.file)) continue;
      const known = live.get(extent.file);
      if (known === undefined) live.set(extent.file, [{ partition, extent }]);
      else known.push({ partition, extent });
    }
  }
  return live;
}

/** What does not follow on the first of its partition is left for the next run. */
function runsOf(live: readonly LiveExtent[]): ReadonlyMap<string, ExtentRun> {
  const runs = new Map<string, ExtentRun>();
  for (const { partition, extent } of live) {
    const key = partitionKey(partition);
    const before = runs.get(key)?.extents ?? [];
    const last = before.at(-1);
    if (last !== undefined && last.endOffset !== extent.startOffset) continue;
    runs.set(key, { id: partition, extents: [...before, extent] });
  }
  return runs;
}

function bytesOf({ bytes, indexBytes }: Extent): number {
  return bytes + indexBytes;
}
