/**
 * Which extents are worth merging again, so that a partition's extents stay few: size-tiered, with
 * a fan-in of eight. Of extents below a sixteenth of a merged file a partition keeps fewer than
 * sixteen in each tier, and a tier is eight times the one before it, so their number grows with the
 * logarithm of the data; larger ones are as good as they get, and left to consolidation. Pure.
 */
import { Turns } from '../../runtime/index.ts';
import type { Extent, GroupState } from '../../storage/index.ts';
import type { NamedPartition } from '../extents/segment-log.ts';

export const FAN_IN = 8;
const LOG_FAN_IN = Math.log(FAN_IN);
/** The part of a merged file from which on an extent is read well enough as it is. */
export const LARGE_PARTS = 16;
/** A run as long as this is merged again however little is in it. */
const RUN_EXTENTS_MAX = 2 * FAN_IN;
/** The part of a merged file that is worth the requests on its own. */
const WORTH_PARTS = 4;

/** Extents of one partition that follow on each other, and that become one. */
export interface ExtentRun {
  readonly id: NamedPartition;
  readonly extents: readonly Extent[];
}

/** What becomes one merged file. */
export interface ReMerge {
  readonly runs: readonly ExtentRun[];
  /** Of all extents with their indexes. */
  readonly bytes: number;
}

/**
 * @param fileBytes of a merged file at most
 * @returns what is worth it now, partitions in the order that all merged files have
 */
export async function planReMerges(state: GroupState, fileBytes: number): Promise<ReMerge[]> {
  const turns = new Turns();
  const due: [string, ExtentRun][] = [];
  for (const [key, partition] of state.partitions) {
    if (turns.isOver) await turns.next();
    if (partition.extents.length < FAN_IN) continue;
    const extents = dueRun(partition.extents, fileBytes);
    if (extents !== undefined) due.push([key, { id: partition, extents }]);
  }
  const runs = due.sort(byKey).map(([, run]) => run);
  return packed(runs, fileBytes).filter((reMerge) => isWorthIt(reMerge, fileBytes));
}

/** @returns a run of at least two extents that are to become one */
function dueRun(extents: readonly Extent[], fileBytes: number): readonly Extent[] | undefined {
  const finalBytes = fileBytes / LARGE_PARTS;
  let end = extents.length;
  for (let at = extents.length - 1; at >= -1; at--) {
    const extent = extents[at];
    if (extent !== undefined && bytesOf(extent) < finalBytes) continue;
    const stretch = extents.slice(at + 1, end);
    const due = end === extents.length ? dueAtEnd(stretch) : dueBetween(stretch);
    const fitting = prefixWithin(due, fileBytes);
    if (fitting.length > 1) return fitting;
    end = at;
  }
  return undefined;
}

/** Nothing is added any more to what lies between two large extents. */
function dueBetween(stretch: readonly Extent[]): readonly Extent[] {
  return stretch.length >= FAN_IN ? stretch : [];
}

/** An extent counts in the tier of the largest behind it, so that each tier is one run. */
function dueAtEnd(stretch: readonly Extent[]): readonly Extent[] {
  let end = stretch.length;
  let tier = 0;
  for (let at = stretch.length - 1; at >= 0; at--) {
    const extent = stretch[at];
    const own = extent === undefined ? 0 : tierOf(bytesOf(extent));
    if (own <= tier) continue;
    if (end - at > FAN_IN) break;
    tier = own;
    end = at + 1;
  }
  const start = stretch.findLastIndex((extent, at) => at < end && tierOf(bytesOf(extent)) > tier);
  const run = stretch.slice(start + 1, end);
  return run.length >= FAN_IN ? run : [];
}

function tierOf(bytes: number): number {
  return Math.floor(Math.log(Math.max(bytes, 1)) / LOG_FAN_IN);
}

function prefixWithin(extents: readonly Extent[], bytesMax: number): readonly Extent[] {
  let bytes = 0;
  const end = extents.findIndex((extent) => (bytes += bytesOf(extent)) > bytesMax);
  return end === -1 ? extents : extents.slice(0, end);
}

function packed(runs: readonly ExtentRun[], fileBytes: number): ReMerge[] {
  const files: { runs: ExtentRun[]; bytes: number }[] = [];
  for (const run of runs) {
    const bytes = run.extents.reduce((sum, extent) => sum + bytesOf(extent), 0);
    const last = files.at(-1);
    if (last === undefined || last.bytes + bytes > fileBytes) files.push({ runs: [run], bytes });
    else {
      last.runs.push(run);
      last.bytes += bytes;
    }
  }
  return files;
}

function isWorthIt({ runs, bytes }: ReMerge, fileBytes: number): boolean {
  if (bytes * WORTH_PARTS >= fileBytes) return true;
  return runs.some(({ extents }) => extents.length >= RUN_EXTENTS_MAX);
}

export function bytesOf({ bytes, indexBytes }: Pick<Extent, 'bytes' | 'indexBytes'>): number {
  return bytes + indexBytes;
}

function byKey([left]: readonly [string, unknown], [right]: readonly [string, unknown]): number {
  return left < right ? -1 : 1;
}
