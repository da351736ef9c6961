/**
 * Produce (DESIGN §5, §6). The batches of diskless topics go into a WAL file, and the same request
 * goes to the broker with placeholders in their places; everything else about it is untouched. A
 * request without such batches is forwarded as the bytes that it came in.
 *
 * What is acknowledged is in the bucket and in the broker's log: a placeholder leaves only after its
 * file is stored, and no acknowledgement is passed on after the file's commit deadline.
 */
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
  ConnectionContext,
  Forward,
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
import { proxyError } from '../errors.ts';
import type { LeaderHints } from '../nodes/leader-hints.ts';
import type { TopicCatalog } from '../topics/topic-catalog.ts';
import type { Clock } from '../wal/clock.ts';
import type { WalOutcome } from '../wal/wal-offer.ts';
import type { WalWriter } from '../wal/wal-writer.ts';
import { PRODUCE_VERSION_ZSTD } from './admit-batch.ts';
import {
  planProduce,
  type ProducePlan,
  type RefusedBatch,
  type WalCandidate,
} from './produce-plan.ts';
import { addRefused, assertProduced, emptyResponse, removeRefused } from './produce-reply.ts';

/** From here on a response may carry the current leader and its address (KIP-951). */
const PRODUCE_VERSION_LEADER_HINTS = 10;
/** From here on topics are named by id. */
const PRODUCE_VERSION_TOPIC_IDS = 13;
/** From here on batches are of the v2 format; older ones are left to the broker. */
const PRODUCE_VERSION_BATCHES = 3;

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

/** One request on its way through the handler. */
interface Produce {
  readonly request: ClientRequest;
  readonly connection: ConnectionContext;
  readonly body: ProduceRequest;
}

/** @returns the handler of Produce */
export function produceHandler(dependencies: ProduceDependencies): RequestHandler {
  return {
    handle(request, connection) {
      const body = decodeRequest(ProduceRequest, request);
      const produce = { request, connection, body };
      if (request.apiVersion < PRODUCE_VERSION_BATCHES) return forward(dependencies, produce, []);
      const prepared = prepareTopics(dependencies.catalog, produce);
      if (prepared === null) return plan(dependencies, produce);
      return prepared.then(() => plan(dependencies, produce));
    },
  };
}

/** Looks up what has to be known of the topics first; null if everything is. */
function prepareTopics(
  catalog: ProduceTopics,
  { request, body }: Produce,
): Promise<unknown> | null {
  const byId = request.apiVersion >= PRODUCE_VERSION_TOPIC_IDS;
  const unknownIds: string[] = [];
  const unconfigured: Promise<unknown>[] = [];
  for (const { name, topicId } of body.topicData) {
    const topic = byId ? catalog.byId(topicId) : catalog.byName(name);
    if (topic === undefined) {
      if (byId && topicId !== ZERO_UUID) unknownIds.push(topicId);
    } else if (topic.diskless && topic.configs === null) {
      unconfigured.push(catalog.ensureConfigs(topic));
    }
  }
  if (unknownIds.length > 0) {
    return catalog.lookUp({ ids: unknownIds }).then(() => prepareConfigs(catalog, unknownIds));
  }
  return unconfigured.length === 0 ? null : Promise.all(unconfigured);
}

async function prepareConfigs(catalog: ProduceTopics, ids: readonly string[]): Promise<void> {
  for (const id of ids) {
    const topic = catalog.byId(id);
    if (topic?.diskless === true && topic.configs === null) await catalog.ensureConfigs(topic);
  }
}

function plan(dependencies: ProduceDependencies, produce: Produce): Handled | Promise<Handled> {
  const { catalog, clock } = dependencies;
  const { request, body } = produce;
  const byId = request.apiVersion >= PRODUCE_VERSION_TOPIC_IDS;
  const planned = planProduce(
    body,
    request.apiVersion,
    ({ name, topicId }) => {
      const topic = byId ? catalog.byId(topicId) : catalog.byName(name);
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
  { candidates, refused }: ProducePlan,
): Promise<Handled> {
  let offered = dependencies.writer.offer(candidates);
  while (offered.kind === 'full') {
    await offered.room;
    offered = dependencies.writer.offer(candidates);
  }
  if (offered.kind === 'real') return forward(dependencies, produce, refused);
  const outcome = offered.kind === 'wal' ? await offered.uploaded : offered;
  if (outcome.kind === 'stored') {
    return forwardPlaceholders(dependencies, produce, candidates, refused, outcome);
  }
  if (dependencies.storeFailurePolicy === 'passthrough') {
    return forward(dependencies, produce, refused);
  }
  return forward(dependencies, produce, [...refused, ...refuseAll(produce.body, candidates)]);
}

/** Retriable, and without a metadata refresh: the producer tries again until its own timeout. */
function refuseAll(body: ProduceRequest, candidates: readonly WalCandidate[]): RefusedBatch[] {
  const refused = new Set(candidates.map(({ data }) => data));
  const refusal = {
    errorCode: KafkaErrorCode.NOT_ENOUGH_REPLICAS,
    message: 'the object store does not take writes at the moment',
    recordErrors: [],
  };
  return body.topicData.flatMap((topic) =>
    topic.partitionData
      .filter((data) => refused.has(data))
      .map((data) => ({ topic, data, refusal })),
  );
}

/** Forwards what is not refused, real batches as they are. */
function forward(
  dependencies: ProduceDependencies,
  produce: Produce,
  refused: readonly RefusedBatch[],
): Handled {
  const { request, body } = produce;
  if (refused.length === 0) {
    if (body.acks === 0) return { kind: 'forward', frame: [request.frame], reply: 'none' };
    const mayHint = request.apiVersion >= PRODUCE_VERSION_LEADER_HINTS;
    const reply = mayHint ? replyWith(dependencies, produce, refused) : 'pass';
    return { kind: 'forward', frame: [request.frame], reply };
  }
  if (body.acks === 0) {
    const response = emptyResponse();
    addRefused(response, refused);
    assertProduced(response);
  }
  removeRefused(body, refused);
  if (body.topicData.length === 0) {
    const response = emptyResponse();
    addRefused(response, refused);
    return { kind: 'answer', reply: ownReply(ProduceResponse, request, response) };
  }
  const frame = changedRequest(ProduceRequest, request, body);
  return { kind: 'forward', frame, reply: replyWith(dependencies, produce, refused) };
}

function forwardPlaceholders(
  dependencies: ProduceDependencies,
  produce: Produce,
  candidates: readonly WalCandidate[],
  refused: readonly RefusedBatch[],
  stored: Stored,
): Handled {
  const { request, body } = produce;
  const { share, commitByMs } = stored;
  if (dependencies.clock.monotonicMs() > commitByMs) {
    share.ended('unsent');
    return forward(dependencies, produce, [...refused, ...refuseAll(body, candidates)]);
  }
  substitute(dependencies.keyRing, candidates, stored, request.apiVersion);
  removeRefused(body, refused);
  const unacknowledged = body.acks === 0;
  // Without an answer the file could never settle, so one is asked for and kept from the client.
  if (unacknowledged) body.acks = 1;
  const rewrite = unacknowledged ? swallow(produce) : replyWith(dependencies, produce, refused);
  const reply: Forward['reply'] = (frame) => {
    assertInTime(dependencies.clock, commitByMs);
    return rewrite(frame);
  };
  const frame = changedRequest(ProduceRequest, request, body);
  return { kind: 'forward', frame, reply, ended: (outcome) => share.ended(outcome) };
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
    if (position === undefined) throw new TypeError('a stored batch has no position');
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
  { request, connection }: Produce,
  refused: readonly RefusedBatch[],
): (frame: Buffer) => Reply {
  return (frame) => {
    const { header, body } = decodeReply(ProduceResponse, request, frame);
    const hinted = leaderHints.rewriteProduce(body, request, connection);
    if (!hinted && refused.length === 0) return { chunks: [frame] };
    addRefused(body, refused);
    return changedReply(ProduceResponse, request, header, body);
  };
}

function swallow({ request }: Produce): (frame: Buffer) => null {
  return (frame) => {
    assertProduced(decodeReply(ProduceResponse, request, frame).body);
    return null;
  };
}

function assertInTime(clock: Clock, commitByMs: number): void {
  if (clock.monotonicMs() <= commitByMs) return;
  const message = 'the broker answered after the commit deadline of the WAL file';
  throw proxyError('PROXY_COMMIT_DEADLINE_PASSED', message);
}
