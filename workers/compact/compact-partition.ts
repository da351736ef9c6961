/**
 * One pass over a partition (`Cleaner.doClean`): index the keys of what is dirty, then write each
 * group of segments anew without what newer records made superfluous, oldest first. Every group is
 * an entry of its own, in order: a tombstone goes only after all that it deletes.
 */
import assert from 'node:assert/strict';
import { recordCount } from '../../kafka/index.ts';
import { Turns } from '../../runtime/index.ts';
import { SegmentRewriter, partitionKey } from '../../storage/index.ts';
import type { GroupState, PartitionState, Segment } from '../../storage/index.ts';
import { workerError } from '../errors.ts';
import { StoredBatches } from '../extents/stored-batches.ts';
import { uploadSegment } from '../extents/upload-segment.ts';
import type { JobContext } from '../group-job.ts';
import { bytesOf, groupSegments, planBelow } from './compaction-plan.ts';
import type { CompactionPlan } from './compaction-plan.ts';
import { LogCleaner } from './log-cleaner.ts';
import { PartitionHistory } from './partition-history.ts';

/** What is put together into one segment is held in memory until it is put. */
const GROUP_BYTES_MAX = 128 * 1024 * 1024;

export type PassOutcome =
  /** All that may be cleaned is. */
  | 'clean'
  /** The map of keys was full: another pass goes on where this one ended. */
  | 'partly'
  /** The partition was changed meanwhile. */
  | 'dropped';

interface Pass {
  readonly context: JobContext;
  readonly stored: StoredBatches;
  readonly history: PartitionHistory;
  readonly plan: CompactionPlan;
  readonly cleaner: LogCleaner;
}

/**
 * @param planned of the partition's present state
 * @param mapBytes what the map of keys may take
 * @throws `WORKER_COMPACTION_TOO_LARGE` for a batch with more keys than the map has room for, and
 *   what the store, segments or batches throw; what was committed before stays
 */
export async function compactPartition(
  context: JobContext,
  planned: CompactionPlan,
  mapBytes: number,
): Promise<PassOutcome> {
  const { memory, store, group, clock, signal } = context;
  const stored = new StoredBatches({ store, group: group.number });
  const history = await PartitionHistory.read(stored, planned.partition, { signal });
  const plan = planBelow(planned, history.decidedTo);
  if (plan === undefined) return 'clean';
  const groups = groupSegments(plan.segments, bytesMaxOf(plan));
  const bytes = mapBytes + stored.bytesHeldMax + Math.max(...groups.map(bytesOf));
  await memory.acquire(bytes);
  try {
    const cleaner = new LogCleaner({
      firstDirtyOffset: plan.firstDirtyOffset,
      mapBytes,
      nowMs: clock.wallMs(),
      deleteRetentionMs: plan.settings.deleteRetentionMs,
      producers: history.producers,
    });
    const pass: Pass = { context, stored, history, plan, cleaner };
    context.progress.expect(plan.dirtyBytes + bytesOf(plan.segments));
    const isWhole = await indexDirty(pass);
    for (const run of groups) {
      if ((run[0]?.startOffset ?? 0n) >= cleaner.endOffset) break;
      if (!(await cleanRun(pass, run))) return 'dropped';
    }
    return isWhole ? 'clean' : 'partly';
  } finally {
    memory.release(bytes);
  }
}

function bytesMaxOf({ settings }: CompactionPlan): number {
  return Math.min(settings.segmentBytes, GROUP_BYTES_MAX);
}

/** @returns whether all that is dirty had room in the map */
async function indexDirty({ context, stored, history, plan, cleaner }: Pass): Promise<boolean> {
  const { partition, firstDirtyOffset } = plan;
  const { signal, progress } = context;
  const turns = new Turns();
  for (const segment of plan.segments) {
    const { startOffset, endOffset, bytes } = segment;
    if (endOffset <= firstDirtyOffset) continue;
    const from = startOffset > firstDirtyOffset ? startOffset : firstDirtyOffset;
    cleaner.expectToIndex(history.abortedIn(from, endOffset));
    let records = 0;
    const batches = stored.segmentBatches(partition, segment, from, endOffset, { signal });
    for await (const batch of batches) {
      if (turns.isOver) await turns.next();
      records += recordCount(batch.bytes);
      if (cleaner.index(batch.bytes)) continue;
      if (cleaner.endOffset > firstDirtyOffset) return false;
      throw tooManyKeys(partition, batch.baseOffset);
    }
    cleaner.indexedUpTo(endOffset);
    progress.advance({ records, bytes });
  }
  return true;
}

/** @returns false if the run is another one by now */
async function cleanRun(pass: Pass, run: readonly Segment[]): Promise<boolean> {
  const { context, plan, cleaner } = pass;
  const { topicId, topic, partition } = plan.partition;
  const cleaned = await cleanedRun(pass, run);
  const { endOffset } = lastOf(run);
  const cleanedTo = higher(plan.firstDirtyOffset, lower(cleaner.endOffset, endOffset));
  const isMarked = cleanedTo === plan.partition.cleanedTo;
  if (cleaned === undefined && isMarked) return true;
  const segments = cleaned === undefined ? [] : [await put(pass, run, cleaned)];
  await context.failpoint('compact:before-commit');
  const compacted = [{ topicId, topic, partition, segments, cleanedTo }];
  const onlyIf = (state: GroupState): boolean => isUnchanged(state, plan.partition, run);
  const outcome = await context.group.commit({ kind: 'compact', compacted }, undefined, { onlyIf });
  await context.failpoint('compact:after-commit');
  if (outcome.kind === 'committed') return true;
  const why = outcome.kind === 'refused' ? outcome.reason : outcome.kind;
  context.logger.info({ topic, partition, why }, 'a partition changed while it was compacted');
  return false;
}

/** Whether no other history has begun since the segments were read, nor any of them gave way. */
function isUnchanged(state: GroupState, read: PartitionState, run: readonly Segment[]): boolean {
  const now = state.partitions.get(partitionKey(read));
  if (now === undefined || now.quarantined.length !== read.quarantined.length) return false;
  const ends = new Map(now.segments.map(({ id, endOffset }) => [id, endOffset]));
  return run.every(({ id, endOffset }) => ends.get(id) === endOffset);
}

interface CleanedRun {
  readonly rewriter: SegmentRewriter;
  readonly kept: readonly Buffer[];
  readonly brokerId: number;
}

/** @returns what is left of the run, undefined if it may stay as it is */
async function cleanedRun(pass: Pass, run: readonly Segment[]): Promise<CleanedRun | undefined> {
  const { context, stored, history, plan, cleaner } = pass;
  const { signal, progress } = context;
  const last = lastOf(run);
  const { manifest, indexes } = await stored.openSegment(plan.partition, last, { signal });
  const rewriter = new SegmentRewriter(run[0]?.baseOffset ?? last.baseOffset, indexes.state());
  const kept: Buffer[] = [];
  const turns = new Turns();
  let isChanged = run.length > 1;
  for (const segment of run) {
    const { startOffset, endOffset, bytes } = segment;
    cleaner.expectToClean(history.abortedIn(startOffset, endOffset));
    let records = 0;
    const batches = stored.segmentBatches(plan.partition, segment, startOffset, endOffset, {
      signal,
    });
    for await (const batch of batches) {
      if (turns.isOver) await turns.next();
      records += recordCount(batch.bytes);
      const isLast = segment === last && batch.lastOffset === manifest.endOffset;
      const cleaned = cleaner.clean(batch.bytes, isLast);
      isChanged ||= cleaned.kept !== batch.bytes;
      if (cleaned.kept === undefined) continue;
      rewriter.append(cleaned.kept, cleaned.aborted);
      kept.push(cleaned.kept);
    }
    progress.advance({ records, bytes });
  }
  return isChanged ? { rewriter, kept, brokerId: manifest.brokerId } : undefined;
}

async function put(pass: Pass, run: readonly Segment[], cleaned: CleanedRun): Promise<Segment> {
  const { context, plan } = pass;
  const { store, clock, random, signal, failpoint } = context;
  await failpoint('compact:before-upload');
  const { segment } = await uploadSegment(
    {
      store,
      id: plan.partition,
      brokerId: cleaned.brokerId,
      nowMs: clock.wallMs(),
      createdMs: Math.max(...run.map(({ createdMs }) => createdMs)),
      random,
      afterPut: async (suffix) => await failpoint(`compact:after-${suffix}`),
    },
    cleaned.rewriter.finish(),
    cleaned.kept,
    { startOffset: run[0]?.startOffset ?? 0n, endOffset: lastOf(run).endOffset },
    { signal },
  );
  return segment;
}

function lastOf(run: readonly Segment[]): Segment {
  const last = run.at(-1);
  assert(last !== undefined, 'a group has segments');
  return last;
}

function lower(left: bigint, right: bigint): bigint {
  return left < right ? left : right;
}

function higher(left: bigint, right: bigint): bigint {
  return left > right ? left : right;
}

function tooManyKeys({ topic, partition }: PartitionState, offset: bigint): Error {
  return workerError(
    'WORKER_COMPACTION_TOO_LARGE',
    `The batch at offset ${offset} of ${topic}-${partition} has more keys than compact.map.bytes ` +
      'has room for: the partition is not compacted.',
    { details: { topic, partition, offset } },
  );
}
