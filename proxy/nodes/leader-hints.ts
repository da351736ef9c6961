/**
 * The leaders and addresses that brokers put into the answers of data requests (KIP-951), and the
 * replica that they recommend (KIP-392). Rewritten in a decoded answer: addresses become those of
 * nodes, and a diskless partition's leader its diskless node.
 */
import type {
  FetchResponse,
  NodeEndpoint,
  ProduceResponse,
  ShareAcknowledgeResponse,
  ShareFetchResponse,
} from '../../kafka/index.ts';
import type { ClientRequest } from '../connection/handler.ts';
import type { NodeDirectory } from './node-directory.ts';

/** As much of the topic catalog as is needed here. */
export interface HintedTopics {
  byName(name: string): HintedTopic | undefined;
  byId(topicId: string): HintedTopic | undefined;
}

interface HintedTopic {
  readonly name: string;
  readonly diskless: boolean;
}

export interface LeaderHintsOptions {
  readonly directory: NodeDirectory;
  readonly catalog: HintedTopics;
}

/** Looked up only where an answer does name a leader, which is rare. */
type TopicOf = () => HintedTopic | undefined;

const FETCH_VERSION_TOPIC_IDS = 13;
const PRODUCE_VERSION_TOPIC_IDS = 13;

export class LeaderHints {
  readonly #directory: NodeDirectory;
  readonly #catalog: HintedTopics;

  constructor({ directory, catalog }: LeaderHintsOptions) {
    this.#directory = directory;
    this.#catalog = catalog;
  }

  /** @returns whether the answer was changed */
  rewriteProduce(body: ProduceResponse, request: ClientRequest): boolean {
    const byId = request.apiVersion >= PRODUCE_VERSION_TOPIC_IDS;
    const nodes = new AnswerNodes(this.#directory, request);
    for (const { name, topicId, partitionResponses } of body.responses) {
      const topicOf: TopicOf = () => this.#topic(byId, name, topicId);
      for (const { index, currentLeader } of partitionResponses) {
        nodes.replaceLeader(topicOf, index, currentLeader);
      }
    }
    return nodes.replaceEndpoints(body);
  }

  /** @returns whether the answer was changed */
  rewriteFetch(body: FetchResponse, request: ClientRequest): boolean {
    const byId = request.apiVersion >= FETCH_VERSION_TOPIC_IDS;
    const nodes = new AnswerNodes(this.#directory, request);
    for (const { topic, topicId, partitions } of body.responses) {
      const topicOf: TopicOf = () => this.#topic(byId, topic, topicId);
      for (const partition of partitions) {
        nodes.replaceLeader(topicOf, partition.partitionIndex, partition.currentLeader);
        nodes.replacePreferredReplica(topicOf, partition);
      }
    }
    return nodes.replaceEndpoints(body);
  }

  /** @returns whether the answer was changed */
  rewriteShareFetch(body: ShareFetchResponse, request: ClientRequest): boolean {
    return this.#rewriteShare(body, request);
  }

  /** @returns whether the answer was changed */
  rewriteShareAcknowledge(body: ShareAcknowledgeResponse, request: ClientRequest): boolean {
    return this.#rewriteShare(body, request);
  }

  #rewriteShare(
    body: ShareFetchResponse | ShareAcknowledgeResponse,
    request: ClientRequest,
  ): boolean {
    const nodes = new AnswerNodes(this.#directory, request);
    for (const { topicId, partitions } of body.responses) {
      const topicOf: TopicOf = () => this.#catalog.byId(topicId);
      for (const { partitionIndex, currentLeader } of partitions) {
        nodes.replaceLeader(topicOf, partitionIndex, currentLeader);
      }
    }
    return nodes.replaceEndpoints(body);
  }

  #topic(byId: boolean, name: string, topicId: string): HintedTopic | undefined {
    return byId ? this.#catalog.byId(topicId) : this.#catalog.byName(name);
  }
}

/** The nodes that one answer names. */
class AnswerNodes {
  readonly #directory: NodeDirectory;
  readonly #rack: string;
  readonly #leaderIds = new Set<number>();
  #changed = false;

  constructor(directory: NodeDirectory, request: ClientRequest) {
    this.#directory = directory;
    this.#rack = directory.rackOf(request.clientId);
  }

  replaceLeader(topicOf: TopicOf, partition: number, leader: { leaderId: number }): void {
    if (leader.leaderId < 0) return;
    leader.leaderId = this.#nodeFor(leader.leaderId, topicOf(), partition);
    this.#leaderIds.add(leader.leaderId);
    this.#changed = true;
  }

  replacePreferredReplica(
    topicOf: TopicOf,
    data: { readonly partitionIndex: number; preferredReadReplica: number },
  ): void {
    if (data.preferredReadReplica < 0) return;
    const { partitionIndex, preferredReadReplica } = data;
    data.preferredReadReplica = this.#nodeFor(preferredReadReplica, topicOf(), partitionIndex);
    this.#changed = true;
  }

  /** Lists the leaders that were named; no other address of the broker's list gets through. */
  replaceEndpoints(body: { nodeEndpoints: NodeEndpoint[] }): boolean {
    if (!this.#changed && body.nodeEndpoints.length === 0) return false;
    body.nodeEndpoints = [...this.#leaderIds].flatMap((nodeId) => {
      return this.#directory.addressOf(this.#rack, nodeId) ?? [];
    });
    return true;
  }

  /** The node that stands for a broker as far as one partition is concerned. */
  #nodeFor(brokerId: number, topic: HintedTopic | undefined, partition: number): number {
    if (topic?.diskless !== true) return brokerId;
    return this.#directory.leaderOf(this.#rack, brokerId, topic.name, partition);
  }
}
