/**
 * Fetch (DESIGN §7): forwarded with limits that speak of placeholders, answered with the batches
 * that they stand for. Every answer is looked at, whatever this member knows of its topics, because
 * another member may have marked one a moment ago; an answer without placeholders is passed on as
 * the bytes that it came in.
 *
 * Requests that name a topic that is or was marked go upstream without a fetch session (KIP-227), so
 * that limits and order can be chosen anew each time. The client is told so and sends full requests.
 */
import { FetchRequest, FetchResponse, KafkaErrorCode } from '../../kafka/index.ts';
import type {
  ClientRequest,
  ConnectionContext,
  Handled,
  Reply,
  RequestHandler,
} from '../connection/handler.ts';
import {
  changedReply,
  changedRequest,
  decodeReply,
  decodeRequest,
  ownReply,
} from '../connection/recode.ts';
import type { LeaderHints } from '../nodes/leader-hints.ts';
import type { CatalogTopic } from '../topics/topic-catalog.ts';
import type { AnswerFiller } from './answer-filler.ts';
import { scaleLimits, type PartitionDemand } from './fetch-limits.ts';
import {
  findTopic,
  namesTopicsById,
  partitionKey,
  type ClientDemand,
  type Fetch,
  type FetchTopics,
} from './fetch.ts';
import type { ObservedRatios } from './observed-ratios.ts';

/** Below this a broker would convert hollow records to a format that cannot point anywhere. */
const FETCH_VERSION_BATCHES = 4;
/** A request that belongs to no session and makes none. */
const SESSIONLESS = { sessionId: 0, sessionEpoch: -1 } as const;
/** What a consumer sends; anything else is a replica or a debugger, and is left alone. */
const CONSUMER = -1;

export interface FetchDependencies {
  readonly catalog: FetchTopics;
  readonly answerFiller: AnswerFiller;
  readonly ratios: ObservedRatios;
  readonly leaderHints: Pick<LeaderHints, 'rewriteFetch'>;
  /** What one answer may hold in memory, whatever the client asks. */
  readonly answerBytesMax: number;
}

type FetchTopic = FetchRequest['topics'][number];
type FetchPartition = FetchTopic['partitions'][number];
type TopicOf = (topic: FetchTopic) => CatalogTopic | undefined;

/** @returns the handler of Fetch */
export function fetchHandler(dependencies: FetchDependencies): RequestHandler {
  const { catalog } = dependencies;
  const starvedBy = new WeakMap<ConnectionContext, Set<string>>();
  const starvedOf = (connection: ConnectionContext): Set<string> => {
    const starved = starvedBy.get(connection) ?? new Set();
    starvedBy.set(connection, starved);
    return starved;
  };
  return {
    handle(request, connection) {
      const body = decodeRequest(FetchRequest, request);
      if (body.replicaId !== CONSUMER || body.replicaState.replicaId !== CONSUMER) {
        return { kind: 'forward', frame: [request.frame], reply: 'pass' };
      }
      const handleKnown = (): Handled =>
        handleFetch(dependencies, request, connection, body, starvedOf(connection));
      const unknownIds = unknownTopicIds(catalog, request, body);
      if (unknownIds.length === 0) return handleKnown();
      return catalog.lookUp({ ids: unknownIds }).then(handleKnown);
    },
  };
}

function unknownTopicIds(
  catalog: FetchTopics,
  request: ClientRequest,
  body: FetchRequest,
): string[] {
  if (!namesTopicsById(request)) return [];
  return body.topics.map(({ topicId }) => topicId).filter((id) => catalog.byId(id) === undefined);
}

function handleFetch(
  dependencies: FetchDependencies,
  request: ClientRequest,
  connection: ConnectionContext,
  body: FetchRequest,
  starved: Set<string>,
): Handled {
  const topicOf: TopicOf = (topic) => findTopic(dependencies.catalog, request, topic);
  const fetch: Fetch = {
    request,
    connection,
    demands: demandsOf(body, topicOf),
    maxBytes: Math.min(body.maxBytes, dependencies.answerBytesMax),
    readCommitted: body.isolationLevel === 1,
    starved,
  };
  const reply = (frame: Buffer): Promise<Reply> => answer(dependencies, fetch, frame);
  if (!body.topics.some((topic) => topicOf(topic)?.record != null)) {
    return { kind: 'forward', frame: [request.frame], reply };
  }
  if (request.apiVersion < FETCH_VERSION_BATCHES) return refuseOldFormat(request, body);
  if (body.sessionId !== SESSIONLESS.sessionId) return endSession(request);
  scale(dependencies.ratios, body, topicOf, starved, fetch.maxBytes);
  return { kind: 'forward', frame: changedRequest(FetchRequest, request, body), reply };
}

async function answer(
  { answerFiller, leaderHints }: FetchDependencies,
  fetch: Fetch,
  frame: Buffer,
): Promise<Reply> {
  const { request } = fetch;
  const { header, body } = decodeReply(FetchResponse, request, frame);
  const hinted = leaderHints.rewriteFetch(body, request);
  const filled = await answerFiller.fill(fetch, body);
  if (filled !== null) {
    const reply = changedReply(FetchResponse, request, header, filled.body);
    return { ...reply, release: filled.release };
  }
  return hinted ? changedReply(FetchResponse, request, header, body) : { chunks: [frame] };
}

function demandsOf(body: FetchRequest, topicOf: TopicOf): Map<string, ClientDemand> {
  const demands = new Map<string, ClientDemand>();
  for (const topic of body.topics) {
    const name = topicOf(topic)?.name ?? topic.topic;
    for (const { partition, fetchOffset, partitionMaxBytes } of topic.partitions) {
      demands.set(partitionKey(name, partition), { fetchOffset, maxBytes: partitionMaxBytes });
    }
  }
  return demands;
}

/** Changes the request to what the broker is asked. */
function scale(
  ratios: ObservedRatios,
  body: FetchRequest,
  topicOf: TopicOf,
  starved: ReadonlySet<string>,
  maxBytes: number,
): void {
  const parts: { topic: FetchTopic; partition: FetchPartition; demand: PartitionDemand }[] = [];
  for (const topic of body.topics) {
    const known = topicOf(topic);
    for (const partition of topic.partitions) {
      const key = partitionKey(known?.name ?? topic.topic, partition.partition);
      const ratio = known?.record == null ? 1 : ratios.ratioOf(key);
      const demand = { maxBytes: partition.partitionMaxBytes, ratio, starved: starved.has(key) };
      parts.push({ topic, partition, demand });
    }
  }
  const demands = parts.map(({ demand }) => demand);
  const limits = scaleLimits(demands, maxBytes, body.minBytes);
  const topics: FetchTopic[] = [];
  for (const index of limits.order) {
    const part = parts[index];
    if (part === undefined) continue;
    const partitionMaxBytes = limits.partitionMaxBytes[index] ?? part.partition.partitionMaxBytes;
    const last = topics.at(-1);
    const sameTopic = last?.topic === part.topic.topic && last.topicId === part.topic.topicId;
    const target = sameTopic ? last : { ...part.topic, partitions: [] };
    if (!sameTopic) topics.push(target);
    target.partitions.push({ ...part.partition, partitionMaxBytes });
  }
  Object.assign(body, SESSIONLESS, { maxBytes: limits.maxBytes, minBytes: limits.minBytes });
  body.topics = topics;
  body.forgottenTopicsData = [];
  // Otherwise the broker may send the client to a follower, past the node that fills for it.
  body.rackId = '';
}

/** The client begins anew with a full request, as after a broker that forgot its session. */
function endSession(request: ClientRequest): Handled {
  const body: FetchResponse = {
    throttleTimeMs: 0,
    errorCode: KafkaErrorCode.FETCH_SESSION_ID_NOT_FOUND,
    sessionId: 0,
    responses: [],
    nodeEndpoints: [],
  };
  return { kind: 'answer', reply: ownReply(FetchResponse, request, body) };
}

function refuseOldFormat(request: ClientRequest, body: FetchRequest): Handled {
  const responses = body.topics.map(({ topic, topicId, partitions }) => ({
    topic,
    topicId,
    partitions: partitions.map(({ partition }) => ({
      partitionIndex: partition,
      errorCode: KafkaErrorCode.UNSUPPORTED_VERSION,
      highWatermark: -1n,
      abortedTransactions: null,
      records: Buffer.alloc(0),
    })),
  }));
  const reply = { throttleTimeMs: 0, errorCode: 0, responses };
  return { kind: 'answer', reply: ownReply(FetchResponse, request, reply) };
}
