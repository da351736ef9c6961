/**
 * Asks the brokers to delete what lies below the logical starts: placeholders of data that is gone,
 * and real batches that expired by bytes that only workers count. As a trim does it, never above
 * the last stable offset; unlike a trim without an intent, because a broker's log start at the
 * logical start means the same to everybody.
 */
import { partitionKey } from '../../storage/index.ts';
import type { JobContext } from '../group-job.ts';
import type { PartitionLeader } from '../log/cluster-log.ts';

/** A broker may wait for a replica that is slow, and merges wait for us: the rest comes later. */
const RUN_MS_MAX = 10_000;

/**
 * @param doneAt by partition key, the logical start below which a broker had nothing left: kept
 *   between runs, so that brokers are asked once
 */
export async function deleteUpstream(
  context: JobContext,
  doneAt: Map<string, bigint>,
): Promise<void> {
  const { group, log, logger, signal, clock } = context;
  const endMs = clock.monotonicMs() + RUN_MS_MAX;
  for (const key of doneAt.keys()) if (!group.state.partitions.has(key)) doneAt.delete(key);
  const open = [...group.state.partitions].flatMap(([key, { topic, logicalStart: offset }]) =>
    offset === null || offset === doneAt.get(key) ? [] : [{ key, topic, offset }],
  );
  if (open.length === 0) return;
  const leaders = leadersOf(await log.topics(open.map(({ topic }) => topic)));
  const led = open.flatMap(({ key, offset }) => {
    const leader = leaders.get(key);
    return leader === undefined ? [] : [{ key, offset, leader }];
  });
  const starts = await log.logStarts(led.map(({ leader }) => leader));
  for (const { key, offset, leader } of led) {
    signal.throwIfAborted();
    const start = starts.get(key);
    if (start === undefined) continue;
    if (clock.monotonicMs() >= endMs) return;
    try {
      if (start >= offset || (await deleteBelow(context, leader, offset))) doneAt.set(key, offset);
    } catch (error) {
      // One that the broker refuses must not keep the others from it; it is tried again.
      const { topic, partition } = leader;
      logger.warn({ err: error, topic, partition }, 'a broker keeps what was given up');
    }
  }
}

/** @returns whether nothing is left below the offset */
async function deleteBelow(
  { log }: JobContext,
  leader: PartitionLeader,
  offset: bigint,
): Promise<boolean> {
  const read = await log.read({ leader, offset, lastFetchedEpoch: -1, bytesMax: 1 });
  // Another leader, or another history: looked at again the next time.
  if (read.kind !== 'read') return false;
  const target = offset < read.lastStableOffset ? offset : read.lastStableOffset;
  if (read.logStartOffset < target) await log.deleteRecords(leader, target);
  return target === offset;
}

function leadersOf(
  topics: ReadonlyMap<string, { readonly partitions: readonly PartitionLeader[] }>,
): ReadonlyMap<string, PartitionLeader> {
  const leaders = [...topics.values()].flatMap(({ partitions }) => partitions);
  const known = leaders.filter(({ brokerId }) => brokerId >= 0);
  return new Map(known.map((leader) => [partitionKey(leader), leader]));
}
