/**
 * Which partitions a group's merge looks after: those of marked topics, those that the journal
 * knows, and those that a file names, marked or not (DESIGN §9).
 */
import { partitionGroup, partitionKey, TopicRecordStore } from '../../storage/index.ts';
import type { PartitionState, TopicRecord } from '../../storage/index.ts';
import type { JobContext } from '../group-job.ts';
import type { PartitionLeader } from '../log/cluster-log.ts';
import { nameOf, type AnnouncedPartitions } from './announced-partitions.ts';

export interface WatchedPartition {
  /** Has a leader. */
  readonly leader: PartitionLeader;
  /** Undefined until something of it was merged. */
  readonly state: PartitionState | undefined;
  /** Where to begin while the journal does not know it; null: at the log's start. */
  readonly startOffset: bigint | null;
  /** Whether its log end is to be sampled though nothing new is in it. */
  readonly isRequested: boolean;
  /** Whether its topic was made classic again, and its last placeholder is merged. */
  readonly isLeft: boolean;
}

type Watching = Pick<JobContext, 'group' | 'topics' | 'coordinator' | 'log' | 'store'>;

/** @returns those of the group that have a leader, in the order of their keys */
export async function watchedPartitions(
  { group, topics, coordinator, log, store }: Watching,
  announced: AnnouncedPartitions,
): Promise<readonly WatchedPartition[]> {
  const requested = new Set((await coordinator.requestedSamples()).map(nameOf));
  const marked = [...topics.topics().values()].filter(isMarked);
  const known = [...group.state.partitions.values()];
  const named = [...announced.names(), ...requested].map(topicIn);
  const names = new Set([
    ...marked.map(({ name }) => name),
    ...known.map(({ topic }) => topic),
    ...named,
  ]);
  const found = await log.topics([...names]);
  const watched: WatchedPartition[] = [];
  for (const { topicId, partitions } of found.values()) {
    let record = topics.topics().get(topicId);
    for (const leader of partitions) {
      if (leader.brokerId < 0) continue;
      if (partitionGroup(leader, group.groupCount) !== group.number) continue;
      const state = group.state.partitions.get(partitionKey(leader));
      const isRequested = requested.has(nameOf(leader));
      const isNamed = isRequested || announced.has(nameOf(leader));
      if (state === undefined && !isNamed && !isMarked(record)) continue;
      // It may have been marked just now, and the news of it be on their way.
      if (state === undefined && !isMarked(record)) {
        record = await new TopicRecordStore(store).get(topicId);
      }
      const startOffset = startOffsetIn(record, leader);
      const isLeft = hasLeft(record, state);
      watched.push({ leader, state, startOffset, isRequested, isLeft });
    }
  }
  return watched.sort((left, right) => {
    return partitionKey(left.leader) < partitionKey(right.leader) ? -1 : 1;
  });
}

function topicIn(name: string): string {
  return name.slice(0, name.lastIndexOf('/'));
}

function isMarked(record: TopicRecord | undefined): boolean {
  return record !== undefined && (record.diskless || record.placeholdersLeft === true);
}

/** A partition that was added later began at 0. */
function startOffsetIn(
  record: TopicRecord | undefined,
  { partition }: PartitionLeader,
): bigint | null {
  const offset = record?.startOffsets?.[partition];
  return offset === undefined ? null : BigInt(offset);
}

function hasLeft(record: TopicRecord | undefined, state: PartitionState | undefined): boolean {
  if (record === undefined || state === undefined || record.diskless) return false;
  if (record.placeholdersLeft !== true) return true;
  const end = record.placeholdersEnd?.[state.partition];
  return end !== undefined && state.cursor >= BigInt(end);
}
