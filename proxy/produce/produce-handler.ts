/**
 * Produce (DESIGN §5, §6). The batches of diskless topics go into a WAL file, and the same request
 * goes to the broker with placeholders in their places; everything else about it is untouched. A
 * request without such batches is forwarded as the bytes that it came in.
 *
 * What is acknowledged is in the bucket and in the broker's log: a placeholder leaves only after
 * its file is stored, and no acknowledgement is passed on after the file's commit deadline.
 */
import assert from 'node:assert/strict';
import {
  buildPlaceholder,
  KafkaErrorCode,
  ProduceRequest,
  ProduceResponse,
  ZERO_UUID,
  type KeyRing,
} from '../../kafka/index.ts';
import type {
  ClientRequest,
  Forward,
  Handled,
  ReplyRewriter,
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
import { proxyError } from '../errors.ts';
import type { LeaderHints } from '../nodes/leader-hints.ts';
import type { CatalogTopic, TopicCatalog } from '../topics/topic-catalog.ts';
import type { Clock } from '../../runtime/index.ts';
import type { WalOutcome } from '../wal/wal-offer.ts';
import type { WalWriter } from '../wal/wal-writer.ts';
import { PRODUCE_VERSION_ZSTD } from './admit-batch.ts';
import {
  planProduce,
  type ProducePlan,
  type RefusedBatch,
  type WalCandidate,
} from './produce-plan.ts';
import { addRefused, assertProduced, removeRefused, responseOf } from './produce-reply.ts';

/** From here on a response may carry the current leader and its address (KIP-951). */
const PRODUCE_VERSION_LEADER_HINTS = 10;
/** From here on topics are named by id. */
const PRODUCE_VERSION_TOPIC_IDS = 13;
/** From here on batches are of the v2 format; older ones are left to the broker. */
const PRODUCE_VERSION_BATCHES = 3;
/** Longer than this no request waits for room in the writer: its client has given up by then. */
const ROOM_WAIT_MS_MAX = 30_000;

/** What is asked of the catalog. */
type ProduceTopics = Pick<TopicCatalog, 'byId' | 'byName' | 'lookUp' | 'ensureConfigs'>;

export interface ProduceDependencies {
  readonly catalog: ProduceTopics;
  readonly writer: Pick<WalWriter, 'offer'>;
  readonly keyRing: KeyRing;
  readonly leaderHints: Pick<LeaderHints, 'rewriteProduce'>;
  /** What happens to batches while the object store takes none. */
  readonly storeFailurePolicy: 'error' | 'passthrough';
  readonly clock: Clock;
}

type Stored = Extract<WalOutcome, { kind: 'stored' }>;

/** One request on its way through the handler; its batches are replaced in `body`. */
interface Produce {
  readonly request: ClientRequest;
  readonly body: ProduceRequest;
}

/** A request that is forwarded changed: its answer is always looked at. */
interface ChangedForward extends Forward {
  readonly reply: ReplyRewriter;
}

/** @returns the handler of Produce */
export function produceHandler(dependencies: ProduceDependencies): RequestHandler {
  return {
    handle(request) {
      const produce = { request, body: decodeRequest(ProduceRequest, request) };
      if (request.apiVersion < PRODUCE_VERSION_BATCHES) return forward(dependencies, produce, []);
      const prepared = prepareTopics(dependencies.catalog, produce);
      if (prepared === null) return plan(dependencies, produce);
      return prepared.then(() => plan(dependencies, produce));
    },
  };
}

/** Looks up what has to be known of the topics first; null if everything is. */
function prepareTopics(catalog: ProduceTopics, produce: Produce): Promise<unknown> | null {
  const ids = namesTopicsById(produce) ? produce.body.topicData.map(({ topicId }) => topicId) : [];
  const unknown = ids.filter((id) => id !== ZERO_UUID && catalog.byId(id) === undefined);
  if (unknown.length === 0) return prepareConfigs(catalog, produce);
  return catalog.lookUp({ ids: unknown }).then(() => prepareConfigs(catalog, produce));
}

function prepareConfigs(catalog: ProduceTopics, produce: Produce): Promise<unknown> | null {
  const pending: Promise<unknown>[] = [];
  for (const requested of produce.body.topicData) {
    const topic = findTopic(catalog, produce, requested);
    if (topic?.diskless === true && topic.configs === null) {
      pending.push(catalog.ensureConfigs(topic));
    }
  }
  return pending.length === 0 ? null : Promise.all(pending);
}

function namesTopicsById({ request }: Produce): boolean {
  return request.apiVersion >= PRODUCE_VERSION_TOPIC_IDS;
}

function findTopic(
  catalog: ProduceTopics,
  produce: Produce,
  { name, topicId }: { readonly name: string; readonly topicId: string },
): CatalogTopic | undefined {
  return namesTopicsById(produce) ? catalog.byId(topicId) : catalog.byName(name);
}

function plan(dependencies: ProduceDependencies, produce: Produce): Handled | Promise<Handled> {
  const { catalog, clock } = dependencies;
  const { request, body } = produce;
  const planned = planProduce(
    body,
    request.apiVersion,
    (requested) => {
      const topic = findTopic(catalog, produce, requested);
      if (topic === undefined || !topic.diskless || topic.configs === null) return undefined;
      return { topic, configs: topic.configs };
    },
    clock.wallMs(),
  );
  if (planned.candidates.length === 0) return forward(dependencies, produce, planned.refused);
  return offer(dependencies, produce, planned);
}

/** Brings the batches into a WAL file, waiting for room in its writer if there is none. */
async function offer(
  dependencies: ProduceDependencies,
  produce: Produce,
  planned: ProducePlan,
): Promise<Handled> {
  const { writer, clock, storeFailurePolicy } = dependencies;
  const { candidates, refused } = planned;
  const giveUpMs = clock.monotonicMs() + ROOM_WAIT_MS_MAX;
  let offered = writer.offer(candidates);
  while (offered.kind === 'full' && clock.monotonicMs() < giveUpMs) {
    await offered.room;
    offered = writer.offer(candidates);
  }
  if (offered.kind === 'real') return forward(dependencies, produce, refused);
  const outcome = offered.kind === 'wal' ? await offered.uploaded : offered;
  if (outcome.kind === 'stored') {
    return forwardPlaceholders(dependencies, produce, planned, outcome);
  }
  if (storeFailurePolicy === 'passthrough') return forward(dependencies, produce, refused);
  return forward(dependencies, produce, [...refused, ...refuseAll(candidates)]);
}

/** Retriable, and without a metadata refresh: the producer tries again until its own timeout. */
function refuseAll(candidates: readonly WalCandidate[]): RefusedBatch[] {
  const refusal = {
    errorCode: KafkaErrorCode.NOT_ENOUGH_REPLICAS,
    message: 'the object store does not take writes at the moment',
    recordErrors: [],
  };
  return candidates.map(({ requested, data }) => ({ requested, data, refusal }));
}

/** Forwards what is not refused, real batches as they are. */
function forward(
  dependencies: ProduceDependencies,
  produce: Produce,
  refused: readonly RefusedBatch[],
): Handled {
  const { request, body } = produce;
  if (refused.length === 0) {
    const frame = [request.frame];
    if (body.acks === 0) return { kind: 'forward', frame, reply: 'none' };
    const mayHint = request.apiVersion >= PRODUCE_VERSION_LEADER_HINTS;
    const reply = mayHint ? replyWith(dependencies, headOf(request), refused) : 'pass';
    return { kind: 'forward', frame, reply };
  }
  removeRefused(body, refused);
  if (body.topicData.length > 0) return forwardChanged(dependencies, produce, refused);
  // A broker closes the connection of a producer that wants no answer, and so cannot be told.
  if (body.acks === 0) return { kind: 'answer', reply: null, close: true };
  const reply = ownReply(ProduceResponse, request, responseOf(refused));
  return { kind: 'answer', reply };
}

/** Forwards the request as it is now; without an answer its file could never settle. */
function forwardChanged(
  dependencies: ProduceDependencies,
  { request, body }: Produce,
  refused: readonly RefusedBatch[],
): ChangedForward {
  const head = headOf(request);
  const unacknowledged = body.acks === 0;
  if (unacknowledged) body.acks = 1;
  const frame = changedRequest(ProduceRequest, head, body);
  const reply = unacknowledged ? swallow(head, refused) : replyWith(dependencies, head, refused);
  return { kind: 'forward', frame, reply };
}

function forwardPlaceholders(
  dependencies: ProduceDependencies,
  produce: Produce,
  { candidates, refused }: ProducePlan,
  stored: Stored,
): Handled {
  const { clock, keyRing } = dependencies;
  const { share, commitByMs } = stored;
  if (clock.monotonicMs() > commitByMs) {
    share.ended('unsent');
    return forward(dependencies, produce, [...refused, ...refuseAll(candidates)]);
  }
  try {
    substitute(keyRing, candidates, stored, produce.request.apiVersion);
    removeRefused(produce.body, refused);
    const { frame, reply } = forwardChanged(dependencies, produce, refused);
    return {
      kind: 'forward',
      frame,
      reply: (answer) => {
        assertInTime(clock, commitByMs);
        return reply(answer);
      },
      ended: (outcome) => share.ended(outcome),
    };
  } catch (error) {
    share.ended('unsent');
    throw error;
  }
}

/** Puts placeholders where the batches were. */
function substitute(
  keyRing: KeyRing,
  candidates: readonly WalCandidate[],
  { fileId, positions }: Stored,
  apiVersion: number,
): void {
  const zstd = apiVersion >= PRODUCE_VERSION_ZSTD;
  for (const [index, candidate] of candidates.entries()) {
    const { topic, partition, maxTimestamp, bytes: realBatch } = candidate;
    const position = positions[index]?.position;
    assert(position !== undefined, 'a stored batch has a position');
    candidate.data.records = buildPlaceholder({
      realBatch,
      fileId,
      position,
      maxTimestamp,
      topic,
      partition,
      keyRing,
      zstd,
    });
  }
}

/** The broker's answer with what was refused here, and with our nodes in place of its own. */
function replyWith(
  { leaderHints }: ProduceDependencies,
  request: ClientRequest,
  refused: readonly RefusedBatch[],
): ReplyRewriter {
  return (frame) => {
    const { header, body } = decodeReply(ProduceResponse, request, frame);
    const hinted = leaderHints.rewriteProduce(body, request);
    if (!hinted && refused.length === 0) return { chunks: [frame] };
    addRefused(body, refused);
    return changedReply(ProduceResponse, request, header, body);
  };
}

/** What a producer that wants no answer gets of one. */
function swallow(request: ClientRequest, refused: readonly RefusedBatch[]): ReplyRewriter {
  return (frame) => {
    const { body } = decodeReply(ProduceResponse, request, frame);
    addRefused(body, refused);
    assertProduced(body);
    return null;
  };
}

function assertInTime(clock: Clock, commitByMs: number): void {
  if (clock.monotonicMs() <= commitByMs) return;
  const message = 'the broker answered after the commit deadline of the WAL file';
  throw proxyError('PROXY_COMMIT_DEADLINE_PASSED', message);
}
