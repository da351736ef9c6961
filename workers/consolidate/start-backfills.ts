/**
 * Begins the backfills that operators asked for: an entry that lowers where segments begin to the
 * start of the broker's log. Asking twice, or for what is done, changes nothing.
 */
import { partitionGroup, partitionKey } from '../../storage/index.ts';
import type { Change, PartitionState, TopicRecord } from '../../storage/index.ts';
import type { JobContext } from '../group-job.ts';
import type { PartitionLeader } from '../log/cluster-log.ts';

type BackfillRow = Extract<Change, { readonly kind: 'backfill' }>['offsets'][number];

/** @returns whether a backfill was asked for, and does not rest */
export function isBackfilled(record: TopicRecord | undefined): boolean {
  return record?.backfill !== undefined && record.backfill.cancelledAtMs === undefined;
}

/** Writes one entry for all partitions of the group whose backfill begins now, if there are any. */
export async function startBackfills(context: JobContext): Promise<void> {
  const records = [...context.topics.topics().values()].filter(isBackfilled);
  if (records.length === 0) return;
  const { group, log, logger } = context;
  const topics = await log.topics(records.map(({ name }) => name));
  const waiting: { readonly leader: PartitionLeader; readonly record: TopicRecord }[] = [];
  for (const record of records) {
    const topic = topics.get(record.name);
    if (topic?.topicId !== record.topicId) continue;
    for (const leader of topic.partitions) {
      if (partitionGroup(leader, group.groupCount) !== group.number) continue;
      const known = group.state.partitions.get(partitionKey(leader));
      if ((known?.segments.length ?? 0) === 0) waiting.push({ leader, record });
    }
  }
  const starts = await log.logStarts(waiting.map(({ leader }) => leader));
  const offsets = waiting.flatMap(({ leader, record }) => {
    const known = group.state.partitions.get(partitionKey(leader));
    const row = rowOf(leader, starts.get(partitionKey(leader)), known, record);
    return row === undefined ? [] : [row];
  });
  if (offsets.length === 0) return;
  const outcome = await group.commit({ kind: 'backfill', offsets });
  logger.info({ outcome: outcome.kind, partitions: offsets.length }, 'a backfill begins');
}

function rowOf(
  { topicId, topic, partition }: PartitionLeader,
  logStart: bigint | undefined,
  known: PartitionState | undefined,
  record: TopicRecord,
): BackfillRow | undefined {
  if (logStart === undefined) return undefined;
  const startOffset = record.startOffsets?.[partition];
  // Without a start offset a partition is merged from the start of its log on.
  const cursor = known?.cursor ?? (startOffset === undefined ? logStart : BigInt(startOffset));
  const bounds = [logStart, known?.logicalStart ?? 0n, known?.trimIntent ?? 0n];
  const offset = bounds.reduce((highest, bound) => (bound > highest ? bound : highest));
  const isBelow = offset < (known?.consolidatedTo ?? cursor);
  return isBelow ? { topicId, topic, partition, offset, cursor } : undefined;
}
