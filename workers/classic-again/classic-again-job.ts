/**
 * Takes the mark `placeholdersLeft` off topics that are classic again, in two steps, each of them a
 * new version of the topic's record: once no placeholder can be on its way any more, where the logs
 * end is written down; once the logs begin there, by retention or trims, no placeholder is left.
 */
import { partitionKey, TopicRecordStore, type TopicRecord } from '../../storage/index.ts';
import type { ClusterJob, ClusterJobContext } from '../cluster-job.ts';
import type { LogTopic } from '../log/cluster-log.ts';

/**
 * Members hear of a change within seconds, and a placeholder is forwarded within a minute; brokers
 * have been seen to append later than that.
 */
export const QUIET_MS = 3_600_000;

export function createClassicAgainJob(intervalMs: number): ClusterJob {
  return { name: 'classic-again', intervalMs, run };
}

async function run(context: ClusterJobContext): Promise<void> {
  const { topics, log, clock, signal } = context;
  const records = [...topics.topics().values()].filter(({ diskless, placeholdersLeft }) => {
    return !diskless && placeholdersLeft === true;
  });
  if (records.length === 0) return;
  const found = await log.topics(records.map(({ name }) => name));
  for (const record of records) {
    signal.throwIfAborted();
    const topic = found.get(record.name);
    if (topic === undefined || topic.topicId !== record.topicId) continue;
    const isQuiet = clock.wallMs() - record.updatedAtMs >= QUIET_MS;
    if (record.placeholdersEnd === undefined && isQuiet) {
      const placeholdersEnd = await endsOf(topic, context);
      if (placeholdersEnd !== undefined) await change(context, record, { placeholdersEnd });
    } else if (await areGone(topic, record.placeholdersEnd, context)) {
      await change(context, record, 'cleared');
    }
  }
}

/** @returns where the logs end; undefined unless all leaders have answered */
async function endsOf(
  { partitions }: LogTopic,
  { log }: ClusterJobContext,
): Promise<number[] | undefined> {
  const found = await log.logEnds(partitions);
  const ends = partitions.map((leader) => found.get(partitionKey(leader))?.endOffset);
  return ends.every((end) => end !== undefined) ? ends.map(Number) : undefined;
}

async function areGone(
  { partitions }: LogTopic,
  placeholdersEnd: readonly number[] | undefined,
  { log }: ClusterJobContext,
): Promise<boolean> {
  if (placeholdersEnd === undefined) return false;
  const starts = await log.logStarts(partitions);
  return partitions.every((leader) => {
    // A partition that was added later has held none.
    const end = placeholdersEnd[leader.partition] ?? 0;
    const start = starts.get(partitionKey(leader));
    return start !== undefined && start >= BigInt(end);
  });
}

/** Changes the record unless somebody else has meanwhile. */
async function change(
  { store, topics, clock, logger }: ClusterJobContext,
  seen: TopicRecord,
  to: 'cleared' | { readonly placeholdersEnd: readonly number[] },
): Promise<void> {
  const records = new TopicRecordStore(store);
  const present = await records.get(seen.topicId);
  if (present?.version !== seen.version) return;
  const { placeholdersLeft, placeholdersEnd: _end, startOffsets, ...rest } = present;
  const changed: TopicRecord = {
    ...rest,
    ...(to !== 'cleared' && placeholdersLeft !== undefined ? { ...to, placeholdersLeft } : {}),
    ...(to !== 'cleared' && startOffsets !== undefined ? { startOffsets } : {}),
    updatedAtMs: clock.wallMs(),
    version: present.version + 1,
  };
  await records.put(changed);
  topics.publishTopic(changed);
  const what = to === 'cleared' ? 'no placeholder is left' : 'no more placeholders come';
  logger.info({ topic: seen.name }, `a topic is classic again: ${what}`);
}
