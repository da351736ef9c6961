/**
 * Fetch (DESIGN §7): forwarded with limits that speak of placeholders, answered with the batches
 * that they stand for. Every answer is looked at, whatever this member knows of its topics, because
 * another member may have marked one a moment ago; an answer without placeholders is passed on as
 * the bytes that it came in.
 *
 * Requests that name a topic that is or was marked go upstream without a fetch session (KIP-227),
 * so that limits and order can be chosen anew each time. The client is told so and sends full
 * requests. What came back empty although there was more to read is asked for first the next time:
 * in a log that mixes placeholders and real batches a scaled limit may be smaller than the next
 * batch, and only the first partition of a request may exceed its limit.
 */
import {
  FetchRequest,
  FetchResponse,
  KafkaErrorCode,
  type MessageInput,
} from '../../kafka/index.ts';
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
  headOf,
  ownReply,
} from '../connection/recode.ts';
import type { LeaderHints } from '../nodes/leader-hints.ts';
import type { Clock } from '../../runtime/index.ts';
import type { AnswerFiller } from './answer-filler.ts';
import type { BelowStart, StoredAnswers } from './below-start.ts';
import type { FilledReply } from './batch-filler.ts';
import { scaleLimits } from './fetch-limits.ts';
import { demandsOf, findTopic, namesTopicsById, partitionKey } from './fetch.ts';
import type { Detour, Fetch, FetchTopic, FetchTopics } from './fetch.ts';
import type { ObservedRatios } from './observed-ratios.ts';

/** Below this a broker would convert hollow records to a format that cannot point anywhere. */
const FETCH_VERSION_BATCHES = 4;
/** A request that belongs to no session and makes none. */
const SESSIONLESS = { sessionId: 0, sessionEpoch: -1 } as const;
const READ_COMMITTED = 1;
/** What the broker sends of a partition that is answered from segments: a batch is enough. */
const DETOUR_BYTES = 16 * 1024;
/** An answer of which nothing could be filled is held back so long: clients ask again at once. */
const FAILED_ANSWER_DELAY_MS_MAX = 500;
const NOTHING_STORED: StoredAnswers['batches'] = new Map();

export interface FetchDependencies {
  readonly catalog: FetchTopics;
  readonly answerFiller: AnswerFiller;
  readonly belowStart: BelowStart;
  readonly ratios: ObservedRatios;
  readonly leaderHints: Pick<LeaderHints, 'rewriteFetch'>;
  /** What one answer may hold in memory, whatever the client asks. */
  readonly answerBytesMax: number;
  readonly clock: Pick<Clock, 'after'>;
}

/** One partition of a request, with what is needed to scale its limits. */
interface Part {
  readonly topic: FetchTopic;
  readonly partition: FetchTopic['partitions'][number];
  readonly key: string;
  readonly maxBytes: number;
  readonly ratio: number;
}

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
      if (isFollower(body)) return { kind: 'forward', frame: [request.frame], reply: 'pass' };
      const handleKnown = (): Handled =>
        handleFetch(dependencies, request, body, starvedOf(connection));
      const unknownIds = unknownTopicIds(catalog, request, body);
      if (unknownIds.length === 0) return handleKnown();
      return catalog.lookUp({ ids: unknownIds }).then(handleKnown);
    },
  };
}

/** A replica stores what the broker has, placeholders too; consumers have negative replica ids. */
function isFollower({ replicaId, replicaState }: FetchRequest): boolean {
  return replicaId >= 0 || replicaState.replicaId >= 0;
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
  body: FetchRequest,
  starved: Set<string>,
): Handled {
  const { catalog, answerBytesMax } = dependencies;
  const fetch: Fetch = {
    request: headOf(request),
    demands: demandsOf(body.topics),
    detours: detoursOf(dependencies, request, body),
    maxBytes: Math.min(body.maxBytes, answerBytesMax),
    readCommitted: body.isolationLevel === READ_COMMITTED,
    starved,
  };
  const { maxWaitMs } = body;
  const reply = (frame: Buffer): Reply | Promise<Reply> =>
    answer(dependencies, fetch, maxWaitMs, frame);
  if (!body.topics.some((topic) => findTopic(catalog, request, topic)?.record != null)) {
    return { kind: 'forward', frame: [request.frame], reply };
  }
  if (request.apiVersion < FETCH_VERSION_BATCHES) return refuseOldFormat(request, body);
  if (body.sessionId !== SESSIONLESS.sessionId) return endSession(request);
  scale(body, starvedFirst(partsOf(dependencies, fetch, body), starved), fetch);
  return { kind: 'forward', frame: changedRequest(FetchRequest, request, body), reply };
}

/** What the broker does not have from the client's offset on is asked for at another one. */
function detoursOf(
  { catalog, belowStart }: FetchDependencies,
  request: ClientRequest,
  { topics }: FetchRequest,
): Map<string, Detour> {
  const detours = new Map<string, Detour>();
  for (const named of topics) {
    const topic = findTopic(catalog, request, named);
    if (topic?.record == null) continue;
    for (const demand of named.partitions) {
      const id = { topicId: topic.topicId, partition: demand.partition };
      const detour = belowStart.detourOf(id, demand);
      if (detour !== undefined) detours.set(partitionKey(named, demand.partition), detour);
    }
  }
  return detours;
}

function answer(
  dependencies: FetchDependencies,
  fetch: Fetch,
  maxWaitMs: number,
  frame: Buffer,
): Reply | Promise<Reply> {
  const { answerFiller, belowStart, leaderHints, clock } = dependencies;
  const { request } = fetch;
  const { header, body } = decodeReply(FetchResponse, request, frame);
  const isHinted = leaderHints.rewriteFetch(body, request);
  const isMoved = belowStart.showStarts(fetch, body);
  const encode = (filled: MessageInput<typeof FetchResponse>): Reply =>
    changedReply(FetchResponse, request, header, filled);
  const fill = (stored: StoredAnswers['batches']): Promise<Reply> | null => {
    const filling = answerFiller.fill(fetch, body, stored, encode);
    return filling === null ? null : slowDownFailures(clock, maxWaitMs, filling);
  };
  if (belowStart.concerns(fetch, body)) {
    return belowStart.answer(fetch, body).then(async ({ batches, release }) => {
      try {
        return (await fill(batches)) ?? encode(body);
      } finally {
        release();
      }
    });
  }
  return fill(NOTHING_STORED) ?? (isHinted || isMoved ? encode(body) : { chunks: [frame] });
}

async function slowDownFailures(
  clock: Pick<Clock, 'after'>,
  maxWaitMs: number,
  filling: Promise<FilledReply>,
): Promise<Reply> {
  const { reply, failed } = await filling;
  if (failed) {
    const delayMs = Math.min(maxWaitMs, FAILED_ANSWER_DELAY_MS_MAX);
    await new Promise<void>((resume) => clock.after(delayMs, resume));
  }
  return reply;
}

function partsOf(
  { catalog, ratios }: FetchDependencies,
  { request, detours }: Fetch,
  { topics }: FetchRequest,
): Part[] {
  return topics.flatMap((topic) => {
    const isMarked = findTopic(catalog, request, topic)?.record != null;
    return topic.partitions.map((partition) => {
      const key = partitionKey(topic, partition.partition);
      const detour = detours.get(key);
      if (detour !== undefined) return detouredPart(topic, partition, key, detour);
      const ratio = isMarked ? ratios.ratioOf(key) : 1;
      return { topic, partition, key, maxBytes: partition.partitionMaxBytes, ratio };
    });
  });
}

function detouredPart(
  topic: FetchTopic,
  partition: Part['partition'],
  key: string,
  { askedOffset: fetchOffset }: Detour,
): Part {
  // The epoch that the client saw last is that of another offset.
  const asked = { ...partition, fetchOffset, lastFetchedEpoch: -1 };
  return { topic, partition: asked, key, maxBytes: DETOUR_BYTES, ratio: 1 };
}

/** Forgets on the way what the client no longer asks for. */
function starvedFirst(parts: readonly Part[], starved: Set<string>): readonly Part[] {
  if (starved.size === 0) return parts;
  const byKey = new Map(parts.map((part) => [part.key, part]));
  const first: Part[] = [];
  for (const key of starved) {
    const part = byKey.get(key);
    if (part === undefined) starved.delete(key);
    else first.push(part);
  }
  return [...first, ...parts.filter(({ key }) => !starved.has(key))];
}

/** Changes the request to what the broker is asked. */
function scale(body: FetchRequest, parts: readonly Part[], { maxBytes, detours }: Fetch): void {
  const limits = scaleLimits(parts, maxBytes, body.minBytes);
  // Segments have what is asked of them: nothing is to be waited for.
  const waits = detours.size > 0 ? { minBytes: 0, maxWaitMs: 0 } : { minBytes: limits.minBytes };
  const topics: FetchTopic[] = [];
  let previous: FetchTopic | undefined;
  for (const [index, { topic, partition }] of parts.entries()) {
    if (topic !== previous) topics.push({ ...topic, partitions: [] });
    previous = topic;
    const partitionMaxBytes = limits.partitionMaxBytes[index] ?? partition.partitionMaxBytes;
    topics.at(-1)?.partitions.push({ ...partition, partitionMaxBytes });
  }
  Object.assign(body, SESSIONLESS, waits, { maxBytes: limits.maxBytes });
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
