/**
 * Merges small extents again into larger ones (entry `re-merge`). All that is wanted of a merged
 * file is read in as few requests as there are stretches of it, once; the extents of a file lie in
 * the order of their partitions, so that these are few.
 */
import { OutriggerError } from '../../kafka/index.ts';
import {
  entryKey,
  ExtentIndex,
  MergedFileBuilder,
  partitionKey,
  readMergedBatch,
  type Extent,
  type GroupState,
  type IndexedBatch,
  type ObjectStore,
  type PlannedExtent,
} from '../../storage/index.ts';
import { workerError } from '../errors.ts';
import type { JobContext } from '../group-job.ts';
import { bytesOf, planReMerges, type ExtentRun, type ReMerge } from './re-merge-plan.ts';

/** Files that are written in one run; what is left comes with the next. */
const FILES_MAX = 8;
/** What lies between two wanted extents is read along, up to this, for want of another request. */
const GAP_BYTES_MAX = 256 * 1024;

/** @throws what the store or the journal throw for a while; what is damaged is logged */
export async function reMerge(context: JobContext, fileBytes: number): Promise<void> {
  const { group, logger, signal } = context;
  const plans = await planReMerges(group.state, fileBytes);
  for (const planned of plans.slice(0, FILES_MAX)) {
    signal.throwIfAborted();
    try {
      if (!(await reMergeRuns(context, planned))) return;
    } catch (error) {
      if (!(error instanceof OutriggerError) || error.retriable) throw error;
      logger.error({ err: error }, 'small extents stay as they are: one cannot be read back');
    }
  }
}

/**
 * Copies extents into one new file, by which each run becomes one extent, and commits it. Holds the
 * file and what is read for it.
 *
 * @returns false if the journal took something else
 * @throws `WORKER_OBJECT_MISSING`, `STORAGE_MERGED_CORRUPT`, and what store and journal throw
 */
export async function reMergeRuns(context: JobContext, { runs, bytes }: ReMerge): Promise<boolean> {
  const { group, clusterId, store, memory, failpoint, logger, progress } = context;
  const stretches = stretchesOf(runs);
  const bytesHeld = bytes + stretches.reduce((sum, { start, end }) => sum + end - start, 0);
  await memory.acquire(bytesHeld);
  try {
    progress.expect(bytes);
    const wanted = await readStretches(stretches, group.number, store);
    const head = { clusterId, group: group.number };
    // Of an extent that was cut nothing but a gap may be left: it stays, for it costs nothing.
    const live = runs.filter(({ extents }) =>
      extents.some((extent) => wanted.get(extent)?.rows.length),
    );
    if (live.length === 0) return true;
    const file = gather(live, wanted, (extents) => new MergedFileBuilder(head, extents));
    await failpoint('re-merge:before-commit');
    const onlyIf = (state: GroupState): boolean => areAllThere(state, live);
    const outcome = await group.commit({ kind: 're-merge' }, file, { onlyIf });
    await failpoint('re-merge:after-commit');
    progress.advance({ records: 0, bytes });
    const extents = runs.reduce((sum, run) => sum + run.extents.length, 0);
    const what = { partitions: runs.length, extents, bytes, requests: stretches.length };
    logger.info({ ...what, outcome: outcome.kind }, 'extents were merged again');
    return outcome.kind === 'committed';
  } finally {
    memory.release(bytesHeld);
  }
}

/** Wanted extents of one file that are read in one request. */
interface Stretch {
  readonly file: number;
  readonly start: number;
  end: number;
  readonly extents: Extent[];
}

function stretchesOf(runs: readonly ExtentRun[]): Stretch[] {
  const all = runs.flatMap(({ extents }) => extents);
  all.sort((left, right) => left.file - right.file || left.position - right.position);
  const stretches: Stretch[] = [];
  for (const extent of all) {
    const end = extent.position + bytesOf(extent);
    const last = stretches.at(-1);
    if (last?.file === extent.file && extent.position - last.end <= GAP_BYTES_MAX) {
      last.extents.push(extent);
      last.end = Math.max(last.end, end);
    } else {
      const { file, position: start } = extent;
      stretches.push({ file, start, end, extents: [extent] });
    }
  }
  return stretches;
}

/** An extent as it was read, by its rows of what is alive of it. */
interface ReadExtent {
  readonly rows: readonly IndexedBatch[];
  /** @returns the batch of the row */
  readonly batch: (row: IndexedBatch) => Buffer;
}

async function readStretches(
  stretches: readonly Stretch[],
  group: number,
  store: ObjectStore,
): Promise<ReadonlyMap<Extent, ReadExtent>> {
  const read = new Map<Extent, ReadExtent>();
  for (const { file, start, end, extents } of stretches) {
    const key = entryKey(group, file);
    const outcome = await store.getRange(key, start, end - start);
    if (outcome.kind === 'missing') {
      const message = 'A merged file is gone that a journal refers to.';
      throw workerError('WORKER_OBJECT_MISSING', message, { details: { key } });
    }
    for (const extent of extents) read.set(extent, readExtent(extent, outcome.bytes, start));
  }
  return read;
}

/** @throws `STORAGE_MERGED_CORRUPT` */
function readExtent(extent: Extent, stretch: Buffer, start: number): ReadExtent {
  const indexAt = extent.position + extent.bytes - start;
  const index = new ExtentIndex(stretch.subarray(indexAt, indexAt + extent.indexBytes), extent);
  const rows: IndexedBatch[] = [];
  for (let row = index.find(extent.startOffset); row < index.batchCount; row++) {
    const indexed = index.at(row);
    if (indexed.baseOffset >= extent.endOffset) break;
    rows.push(indexed);
  }
  return { rows, batch: (row) => readMergedBatch(stretch, start, row) };
}

/** @returns the file with an extent for each run, every batch in its place */
function gather(
  runs: readonly ExtentRun[],
  read: ReadonlyMap<Extent, ReadExtent>,
  build: (extents: readonly PlannedExtent[]) => MergedFileBuilder,
): MergedFileBuilder {
  const rowsOf = (run: ExtentRun) => run.extents.flatMap((extent) => read.get(extent)?.rows ?? []);
  const file = build(
    runs.map((run) => ({
      topicId: run.id.topicId,
      topic: run.id.topic,
      partition: run.id.partition,
      startOffset: run.extents[0]?.startOffset ?? 0n,
      endOffset: run.extents.at(-1)?.endOffset ?? 0n,
      batches: rowsOf(run),
    })),
  );
  for (const [at, run] of runs.entries()) {
    let next = 0;
    for (const { rows, batch } of run.extents.flatMap((extent) => read.get(extent) ?? [])) {
      for (const row of rows) file.place(at, next++, [batch(row)]);
    }
  }
  return file;
}

/** Extents are shared from one state to the next: others at the same offsets are not the same. */
function areAllThere(state: GroupState, runs: readonly ExtentRun[]): boolean {
  return runs.every(({ id, extents }) => {
    const now = state.partitions.get(partitionKey(id))?.extents ?? [];
    return extents.every((extent) => now.includes(extent));
  });
}
