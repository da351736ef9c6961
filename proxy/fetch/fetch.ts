/** What the parts of this folder hand each other about one Fetch. */
import type { FetchRequest } from '../../kafka/index.ts';
import type { PartitionId } from '../../storage/index.ts';
import type { ClientRequest } from '../connection/handler.ts';
import type { StoredPartition } from '../read/stored-partition.ts';
import type { CatalogTopic, TopicCatalog } from '../topics/topic-catalog.ts';

/** From here on topics are named by id. */
const FETCH_VERSION_TOPIC_IDS = 13;

/** What fetches ask of the catalog. */
export type FetchTopics = Pick<TopicCatalog, 'byId' | 'byName' | 'lookUp'>;

export type FetchTopic = FetchRequest['topics'][number];

/** By `partitionKey`. */
export type PartitionDemands = ReadonlyMap<string, FetchTopic['partitions'][number]>;

/** A partition that the broker does not have from the client's offset on. */
export interface Detour {
  readonly id: PartitionId;
  /** What is known of it. */
  readonly partition: StoredPartition;
  /** The client's. */
  readonly fetchOffset: bigint;
  /** The client's limit for the partition. */
  readonly bytesMax: number;
  /** What the broker is asked instead: it has that. */
  readonly askedOffset: bigint;
}

/** One Fetch between its request and its answer. */
export interface Fetch {
  /** Without its body. */
  readonly request: ClientRequest;
  /** What the client asked for, its limits in real bytes. */
  readonly demands: () => PartitionDemands;
  /** By `partitionKey`: those for which the broker is asked something else. */
  readonly detours: ReadonlyMap<string, Detour>;
  /** The real bytes that the answer may have. */
  readonly maxBytes: number;
  readonly readCommitted: boolean;
  /**
   * By `partitionKey`, the longest waiting first: what came back empty on this connection although
   * there was more to read.
   */
  readonly starved: Set<string>;
}

/** How requests and answers name a topic: by `topic` before v13, by `topicId` from then on. */
export interface TopicName {
  readonly topic: string;
  readonly topicId: string;
}

export function namesTopicsById({ apiVersion }: ClientRequest): boolean {
  return apiVersion >= FETCH_VERSION_TOPIC_IDS;
}

/** @returns what is known of the topic */
export function findTopic(
  catalog: FetchTopics,
  request: ClientRequest,
  { topic, topicId }: TopicName,
): CatalogTopic | undefined {
  return namesTopicsById(request) ? catalog.byId(topicId) : catalog.byName(topic);
}

/** @returns what gives the partitions of a request; most answers do not need them */
export function demandsOf(asked: readonly FetchTopic[]): () => PartitionDemands {
  let demands: PartitionDemands | undefined;
  return () => (demands ??= byKey(asked));
}

function byKey(asked: readonly FetchTopic[]): PartitionDemands {
  const demands = new Map<string, FetchTopic['partitions'][number]>();
  for (const topic of asked) {
    for (const demand of topic.partitions) {
      demands.set(partitionKey(topic, demand.partition), demand);
    }
  }
  return demands;
}

/** @returns the key of a partition in the maps of this folder: the same however much is known */
export function partitionKey({ topic, topicId }: TopicName, partition: number): string {
  return `${topic}/${topicId}/${partition}`;
}
