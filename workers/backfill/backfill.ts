/**
 * Asking for the data that a topic had before it was marked to be moved to the bucket, and saying
 * how far that is. The topic's record carries the wish, the consolidate job does the work, a
 * segment at a time, and the journals say what is done: so it goes on after any interruption.
 */
import type { Coordinator } from '../../coordinator/index.ts';
import type { Clock } from '../../runtime/index.ts';
import { partitionKey } from '../../storage/index.ts';
import type { GroupState, TopicRecord, TopicRecordStore } from '../../storage/index.ts';
import { workerError } from '../errors.ts';
import type { ClusterLog, LogTopic } from '../log/cluster-log.ts';

export interface BackfillDependencies {
  readonly log: Pick<ClusterLog, 'topics' | 'logStarts'>;
  readonly records: Pick<TopicRecordStore, 'get' | 'put'>;
  /** Tells members and workers of the record. */
  readonly coordinator: Pick<Coordinator, 'publishTopic'>;
  readonly clock: Clock;
}

/** `cancel` only interrupts: what was moved stays moved, and `request` goes on from there. */
export type BackfillWish = 'request' | 'cancel';

/**
 * @returns the record as it is now
 * @throws `WORKER_TOPIC_NOT_DISKLESS`, and what broker and store throw
 */
export async function wishBackfill(
  { log, records, coordinator, clock }: BackfillDependencies,
  topic: string,
  wish: BackfillWish,
): Promise<TopicRecord> {
  const { topicId } = await logTopicOf(log, topic);
  const record = await records.get(topicId);
  if (record?.diskless !== true) {
    const message = `The topic ${topic} is not diskless: only those can be backfilled.`;
    throw workerError('WORKER_TOPIC_NOT_DISKLESS', message, { details: { topic } });
  }
  const nowMs = clock.wallMs();
  const requestedAtMs = record.backfill?.requestedAtMs ?? nowMs;
  const changed = {
    ...record,
    backfill: wish === 'request' ? { requestedAtMs } : { requestedAtMs, cancelledAtMs: nowMs },
    updatedAtMs: nowMs,
    version: record.version + 1,
  };
  await records.put(changed);
  coordinator.publishTopic(changed);
  return changed;
}

/** How far one partition is. Offsets, the ends exclusive. */
export interface BackfillProgress {
  readonly partition: number;
  /** `waiting`: not begun, or not yet known to the workers. */
  readonly state: 'waiting' | 'moving' | 'done';
  readonly startOffset: bigint;
  /** Everything below it is in segments. */
  readonly movedTo: bigint;
  /** Where the data begins that was merged as it came. */
  readonly endOffset: bigint;
}

/**
 * @param states of all partition groups
 * @throws `WORKER_PARTITION_UNKNOWN` for a topic that is not there, and what the broker throws
 */
export async function backfillProgress(
  log: BackfillDependencies['log'],
  states: Iterable<GroupState>,
  topic: string,
): Promise<readonly BackfillProgress[]> {
  const { partitions } = await logTopicOf(log, topic);
  const starts = await log.logStarts(partitions);
  const all = [...states];
  return partitions.map((id) => {
    const key = partitionKey(id);
    const logStart = starts.get(key) ?? 0n;
    const known = all
      .map((state) => state.partitions.get(key))
      .find((found) => found !== undefined);
    if (known === undefined) {
      const nothing = { startOffset: logStart, movedTo: logStart, endOffset: logStart };
      return { partition: id.partition, state: 'waiting', ...nothing };
    }
    const { cursor, extents, segments, consolidatedTo } = known;
    const [first] = segments;
    const endOffset = extents[0]?.startOffset ?? cursor;
    const startOffset = first?.startOffset ?? lower(logStart, consolidatedTo);
    const movedTo = lower(first === undefined ? startOffset : consolidatedTo, endOffset);
    const hasBegun = first !== undefined || consolidatedTo < endOffset;
    const state = movedTo >= endOffset ? 'done' : hasBegun ? 'moving' : 'waiting';
    return { partition: id.partition, state, startOffset, movedTo, endOffset };
  });
}

async function logTopicOf(log: Pick<ClusterLog, 'topics'>, topic: string): Promise<LogTopic> {
  const found = (await log.topics([topic])).get(topic);
  if (found !== undefined) return found;
  const message = `The cluster has no topic ${topic}.`;
  throw workerError('WORKER_PARTITION_UNKNOWN', message, { details: { topic } });
}

function lower(left: bigint, right: bigint): bigint {
  return left < right ? left : right;
}
