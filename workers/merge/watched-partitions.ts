/**
 * Which partitions a group's merge looks at: those of marked topics, those that the journal knows,
 * and those that a file names, marked or not (DESIGN §9); of very many, those that may have
 * something new, and the others in turn.
 */
import { Turns } from '../../runtime/index.ts';
import { partitionGroup, partitionKey, TopicRecordStore } from '../../storage/index.ts';
import type { PartitionState, TopicRecord } from '../../storage/index.ts';
import type { JobContext } from '../group-job.ts';
import type { PartitionLeader } from '../log/cluster-log.ts';
import { nameOf, type AnnouncedPartitions } from './announced-partitions.ts';
import type { TopicLookups } from './topic-lookups.ts';
import type { TopicTurns } from './topic-turns.ts';

/** Merges of small groups keep step with each other, so that they share what they read (ADR 9). */
const SLICE_MIN = 1_000;

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

type Watching = Pick<JobContext, 'clock' | 'group' | 'topics' | 'coordinator' | 'log' | 'store'>;

/** What the merges of a process have in common. */
export interface WatchTools {
  readonly announced: AnnouncedPartitions;
  readonly turns: TopicTurns;
  readonly lookups: TopicLookups;
  /** So long a partition is looked at in each run after a file has named it. */
  readonly hotMs: number;
}

/** @returns those of the group that have a leader, in the order of their keys */
export async function watchedPartitions(
  context: Watching,
  tools: WatchTools,
): Promise<readonly WatchedPartition[]> {
  const { group, topics, coordinator, log, store } = context;
  const requested = new Set((await coordinator.requestedSamples()).map(nameOf));
  const looking = await lookedAt(context, tools, requested);
  const watched: WatchedPartition[] = [];
  const turns = new Turns();
  let seen = 0;
  for (const { topicId, topic, partitions } of await tools.lookups.get(looking.topics, log)) {
    let record = topics.topics().get(topicId);
    seen += partitions.length;
    if (seen >= SLICE_MIN && turns.isOver) await turns.next();
    for (const leader of partitions) {
      const name = nameOf(leader);
      if (leader.brokerId < 0 || !(looking.isTurn(topic) || looking.hot.has(name))) continue;
      if (partitionGroup(leader, group.groupCount) !== group.number) continue;
      const state = group.state.partitions.get(partitionKey(leader));
      const isRequested = requested.has(name);
      const isNamed = isRequested || tools.announced.has(name);
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
  return inOrder(watched);
}

/** What a run looks at. */
interface Looking {
  readonly isTurn: (topic: string) => boolean;
  /** Partitions that are looked at whether it is their topic's turn or not. */
  readonly hot: ReadonlySet<string>;
  readonly topics: ReadonlySet<string>;
}

async function lookedAt(
  { group, topics, clock }: Watching,
  { announced, turns, hotMs }: WatchTools,
  requested: ReadonlySet<string>,
): Promise<Looking> {
  const { partitions } = group.state;
  const isTurn = turns.next(group.number, partitions.size);
  const inTurn = new Set<string>();
  const others = new Set<string>();
  const add = (topic: string): void => {
    if (inTurn.has(topic) || others.has(topic)) return;
    (isTurn(topic) ? inTurn : others).add(topic);
  };
  for (const record of topics.topics().values()) if (isMarked(record)) add(record.name);
  const pace = new Turns();
  let seen = 0;
  for (const { topic } of partitions.values()) {
    add(topic);
    if (++seen >= SLICE_MIN && pace.isOver) await pace.next();
  }
  for (const name of announced.names()) add(topicIn(name));
  const hot = new Set([...announced.namesSince(clock.monotonicMs() - hotMs), ...requested]);
  for (const name of hot) inTurn.add(topicIn(name));
  return { isTurn: (topic) => !others.has(topic), hot, topics: inTurn };
}

function inOrder(watched: readonly WatchedPartition[]): readonly WatchedPartition[] {
  const keyed = watched.map((each) => [partitionKey(each.leader), each] as const);
  keyed.sort(([left], [right]) => (left < right ? -1 : 1));
  return keyed.map(([, each]) => each);
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
