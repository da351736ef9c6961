/**
 * Up to where a log still is the one that was merged. Two logs that differ at an offset differ from
 * there on, so the last batch that both have is found by halving.
 */
import type { KeyRing } from '../../kafka/index.ts';
import type { ExtentIndex, LogBatch, ObjectStore, PartitionState } from '../../storage/index.ts';
import { StoredBatches } from '../extents/stored-batches.ts';
import type { ClusterLog, PartitionLeader } from '../log/cluster-log.ts';
import { readLogBatch } from './log-batch.ts';
import { isSameInLog } from './partition-reader.ts';

/** A broker gives one batch, whatever the limit. */
const ONE_BATCH = 1;

export interface HistoryQuestion {
  readonly leader: PartitionLeader;
  readonly state: PartitionState;
  readonly logStart: bigint;
  readonly logEnd: bigint;
  readonly group: number;
}

export interface HistoryTools {
  readonly log: Pick<ClusterLog, 'read'>;
  readonly store: ObjectStore;
  readonly keyRing: KeyRing;
}

/**
 * @returns the offset up to which what was merged is in the log, at most the cursor; what the log
 *   has no more, and what only segments have, is taken to be the same. Undefined if the leader does
 *   not answer for all of it
 */
export async function sharedHistory(
  question: HistoryQuestion,
  tools: HistoryTools,
): Promise<bigint | undefined> {
  const { state, logStart, logEnd, group } = question;
  const { extents, cursor } = state;
  const stored = new StoredBatches({ store: tools.store, group });
  for (const extent of extents.toReversed()) {
    if (extent.startOffset >= logEnd) continue;
    const index = await stored.index(extent);
    const shared = await sharedRows(index, question, tools);
    if (shared === undefined) return undefined;
    const last = shared === 0 ? undefined : index.at(shared - 1);
    if (last !== undefined && last.lastOffset >= extent.startOffset) {
      return min(last.lastOffset + 1n, extent.endOffset);
    }
    if (extent.startOffset <= logStart) return min(max(logStart, extent.startOffset), cursor);
  }
  return min(extents[0]?.startOffset ?? cursor, logEnd);
}

/** @returns how many of the extent's batches, from the first, the log has */
async function sharedRows(
  index: ExtentIndex,
  question: HistoryQuestion,
  tools: HistoryTools,
): Promise<number | undefined> {
  let shared = 0;
  let end = index.batchCount;
  while (shared < end) {
    const middle = (shared + end) >>> 1;
    const isShared = await isInLog(index.at(middle), question, tools);
    if (isShared === undefined) return undefined;
    if (isShared) shared = middle + 1;
    else end = middle;
  }
  return shared;
}

async function isInLog(
  merged: LogBatch,
  { leader, logStart, logEnd }: HistoryQuestion,
  { log, keyRing }: HistoryTools,
): Promise<boolean | undefined> {
  if (merged.lastOffset >= logEnd) return false;
  if (merged.lastOffset < logStart) return true;
  const offset = max(merged.baseOffset, logStart);
  const outcome = await log.read({ leader, offset, lastFetchedEpoch: -1, bytesMax: ONE_BATCH });
  if (outcome.kind !== 'read') return undefined;
  const [bytes] = outcome.batches;
  if (bytes === undefined) return undefined;
  const reading = readLogBatch(bytes, leader, keyRing);
  return reading.kind === 'batch' && isSameInLog(merged, reading.batch, bytes);
}

function min(left: bigint, right: bigint): bigint {
  return left < right ? left : right;
}

function max(left: bigint, right: bigint): bigint {
  return left > right ? left : right;
}
