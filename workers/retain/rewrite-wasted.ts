/**
 * Copies what is left of merged files with much waste into new ones (entry `re-merge`), so that the
 * old ones die, and the sweep deletes the bytes that were given up.
 */
import { StoredBatches } from '../extents/stored-batches.ts';
import { gatherExtents } from '../extents/gather-extents.ts';
import type { JobContext } from '../group-job.ts';
import { areThere, wastedFiles } from './wasted-files.ts';
import type { WasteLimits, WastedFile } from './wasted-files.ts';

/** Of a new file; what is left of one old file may be more. */
const FILE_BYTES = 64 * 1024 * 1024;
/** What is left comes with the next run. */
const REWRITES_MAX = 16;

/** @throws what the store or the journal throw */
export async function rewriteWasted(context: JobContext, limits: WasteLimits): Promise<void> {
  const wasted = wastedFiles(context.group.state, limits, context.clock.wallMs());
  for (const files of together(wasted).slice(0, REWRITES_MAX)) {
    context.signal.throwIfAborted();
    if (!(await rewrite(context, files))) return;
  }
}

/** @returns which files become one */
function together(files: readonly WastedFile[]): WastedFile[][] {
  const groups: WastedFile[][] = [];
  let bytes = 0;
  for (const file of files) {
    const group = groups.at(-1);
    if (group !== undefined && bytes + file.liveBytes <= FILE_BYTES) group.push(file);
    else {
      groups.push([file]);
      bytes = 0;
    }
    bytes += file.liveBytes;
  }
  return groups;
}

/** @returns false if the journal took something else */
async function rewrite(context: JobContext, files: readonly WastedFile[]): Promise<boolean> {
  const { group, clusterId, store, memory, signal, failpoint, logger, progress } = context;
  const stored = new StoredBatches({ store, group: group.number });
  const liveBytes = files.reduce((sum, file) => sum + file.liveBytes, 0);
  const bytes = liveBytes + stored.bytesHeldMax;
  await memory.acquire(bytes);
  try {
    const runs = files.flatMap((file) => file.runs);
    progress.expect(liveBytes);
    const head = { clusterId, group: group.number };
    const file = await gatherExtents(stored, head, runs, { signal });
    if (file === undefined) return true;
    await failpoint('retain:before-rewrite');
    const outcome = await group.commit({ kind: 're-merge' }, file, {
      onlyIf: (state) => areThere(state, runs),
    });
    await failpoint('retain:after-rewrite');
    progress.advance({ records: 0, bytes: liveBytes });
    if (outcome.kind === 'committed') {
      const old = files.map(({ file: number }) => number);
      logger.info({ files: old, liveBytes, entry: outcome.number }, 'files were written anew');
    }
    return outcome.kind !== 'lost';
  } finally {
    memory.release(bytes);
  }
}
