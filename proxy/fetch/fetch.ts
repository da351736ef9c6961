/** What the parts of this folder hand each other about one Fetch. */
import type { FetchRequest } from '../../kafka/index.ts';
import type { ClientRequest } from '../connection/handler.ts';
import type { CatalogTopic, TopicCatalog } from '../topics/topic-catalog.ts';

/** From here on topics are named by id. */
const FETCH_VERSION_TOPIC_IDS = 13;

/** What fetches ask of the catalog. */
export type FetchTopics = Pick<TopicCatalog, 'byId' | 'byName' | 'lookUp'>;

export type FetchTopic = FetchRequest['topics'][number];

/** One Fetch between its request and its answer. */
export interface Fetch {
  /** Without its body. */
  readonly request: ClientRequest;
  /** What the client asked for, its limits in real bytes. */
  readonly asked: readonly FetchTopic[];
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

/** @returns the key of a partition in the maps of this folder: the same however much is known */
export function partitionKey({ topic, topicId }: TopicName, partition: number): string {
  return `${topic}/${topicId}/${partition}`;
}
