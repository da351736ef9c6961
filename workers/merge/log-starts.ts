/**
 * Follows the brokers' log starts. A start at or below a trim intent is the workers' own; a higher
 * one is a DeleteRecords that a user sent, or the broker's retention, and moves the logical start.
 */
import { partitionKey, type PartitionState } from '../../storage/index.ts';
import type { JobContext } from '../group-job.ts';
import type { WatchedPartition } from './watched-partitions.ts';

/**
 * Judged by the journal as it is now, not as it was when the leaders were asked: a trim that began
 * meanwhile has its intent there before its broker's start moves.
 *
 * @param starts by partition key, as the leaders say
 * @returns false if the journal went on without us: begin anew
 */
export async function followLogStarts(
  { group, logger }: Pick<JobContext, 'group' | 'logger'>,
  watched: readonly WatchedPartition[],
  starts: ReadonlyMap<string, bigint>,
): Promise<boolean> {
  const offsets = watched.flatMap(({ leader }) => {
    const offset = starts.get(partitionKey(leader));
    const state = group.state.partitions.get(partitionKey(leader));
    if (offset === undefined || state === undefined || !hasMoved(state, offset)) return [];
    const { topicId, topic, partition } = state;
    return [{ topicId, topic, partition, offset }];
  });
  if (offsets.length === 0) return true;
  const outcome = await group.commit({ kind: 'start-moved', offsets, isForeign: true });
  logger.info({ partitions: offsets.length, outcome: outcome.kind }, 'log starts have moved');
  return outcome.kind === 'committed';
}

/** @returns whether it looks as if the start had moved: `followLogStarts` judges it */
export function isMoved(
  { leader, state }: WatchedPartition,
  starts: ReadonlyMap<string, bigint>,
): boolean {
  const logStart = starts.get(partitionKey(leader));
  return state !== undefined && logStart !== undefined && hasMoved(state, logStart);
}

function hasMoved(state: PartitionState, logStart: bigint): boolean {
  const { trimIntent, logicalStart, cursor, consolidatedTo, extents, segments } = state;
  if (trimIntent !== null && logStart <= trimIntent) return false;
  if (logicalStart !== null && logStart <= logicalStart) return false;
  const first = [extents[0]?.startOffset, segments[0]?.startOffset, cursor, consolidatedTo];
  return first.some((offset) => offset !== undefined && offset < logStart);
}
