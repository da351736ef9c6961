/**
 * ShareFetch (KIP-932; DESIGN §7). The broker has acquired the records before it answers, and a
 * client acknowledges as a gap, which is lost to the group, what was acquired and is not in the
 * answer. So an answer is filled and never cut: limits are scaled on the way up, and a partition
 * that cannot be filled whole is answered with an error, without records and without acquisitions.
 */
import {
  completeBatches,
  KafkaErrorCode,
  ShareFetchRequest,
  ShareFetchResponse,
  type KeyRing,
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
  ownReply,
} from '../connection/recode.ts';
import type { LeaderHints } from '../nodes/leader-hints.ts';
import type { Clock } from '../wal/clock.ts';
import type { BatchFiller, FillDemand, Filled } from './batch-filler.ts';
import { partitionKey, type FetchTopics } from './fetch.ts';
import { readLogBatches, realBatch, type LogBatch } from './log-batches.ts';
import type { ObservedRatios } from './observed-ratios.ts';

/** Opens a share session anew. */
const EPOCH_OPEN = 0;
/** Scaled limits stay above this: a broker gives one batch at least, but not always more. */
const SCALED_BYTES_MIN = 8 * 1024;

export interface ShareFetchDependencies {
  readonly catalog: FetchTopics;
  readonly keyRing: KeyRing;
  readonly filler: BatchFiller;
  readonly ratios: ObservedRatios;
  readonly leaderHints: Pick<LeaderHints, 'rewriteShareFetch'>;
  /** Whether filling can be expected to work; while it cannot, nothing should be acquired. */
  readonly storeAvailable: () => boolean;
  readonly answerBytesMax: number;
  readonly clock: Clock;
}

type PartitionResponse = ShareFetchResponse['responses'][number]['partitions'][number];

/** The partitions of a share session, as `topicId:partition`. */
type Session = Set<string>;

/** @returns the handler of ShareFetch */
export function shareFetchHandler(dependencies: ShareFetchDependencies): RequestHandler {
  const sessions = new WeakMap<ConnectionContext, Session>();
  return {
    async handle(request, connection): Promise<Handled> {
      const body = decodeRequest(ShareFetchRequest, request);
      const session = followSession(sessions.get(connection), body);
      sessions.set(connection, session);
      await lookUp(dependencies.catalog, body);
      const marked = markedPartitions(dependencies.catalog, session);
      const reply = (frame: Buffer): Promise<Reply> => answer(dependencies, request, frame);
      if (marked.length === 0) return { kind: 'forward', frame: [request.frame], reply };
      if (!dependencies.storeAvailable()) return refuse(dependencies.clock, request, body);
      scale(dependencies, body, marked);
      return { kind: 'forward', frame: changedRequest(ShareFetchRequest, request, body), reply };
    },
  };
}

/** An incremental request names only what changes in its session. */
function followSession(known: Session | undefined, body: ShareFetchRequest): Session {
  const session: Session =
    known === undefined || body.shareSessionEpoch === EPOCH_OPEN ? new Set() : known;
  for (const { topicId, partitions } of body.topics) {
    for (const { partitionIndex } of partitions) session.add(partitionKey(topicId, partitionIndex));
  }
  for (const { topicId, partitions } of body.forgottenTopicsData) {
    for (const partition of partitions) session.delete(partitionKey(topicId, partition));
  }
  return session;
}

async function lookUp(catalog: FetchTopics, body: ShareFetchRequest): Promise<void> {
  const unknown = body.topics
    .map(({ topicId }) => topicId)
    .filter((topicId) => catalog.byId(topicId) === undefined);
  if (unknown.length > 0) await catalog.lookUp({ ids: unknown });
}

/** The keys, by topic name, of those partitions of a session that may hold placeholders. */
function markedPartitions(catalog: FetchTopics, session: Session): string[] {
  const marked: string[] = [];
  for (const key of session) {
    const [topicId = '', partition] = key.split(':');
    const topic = catalog.byId(topicId);
    if (topic?.record != null) marked.push(partitionKey(topic.name, Number(partition)));
  }
  return marked;
}

/** Limits count real bytes for the client and placeholders for the broker. */
function scale(
  { ratios, answerBytesMax }: ShareFetchDependencies,
  body: ShareFetchRequest,
  marked: readonly string[],
): void {
  const maxBytes = Math.min(body.maxBytes, answerBytesMax);
  let ratio = 1;
  let recordBytes = 0;
  for (const key of marked) {
    ratio = Math.min(ratio, ratios.ratioOf(key));
    recordBytes = Math.max(recordBytes, ratios.recordBytesOf(key));
  }
  // A request that renews acquisitions asks for nothing, and must go on doing so.
  if (maxBytes > 0) {
    body.maxBytes = Math.min(maxBytes, Math.max(SCALED_BYTES_MIN, Math.ceil(maxBytes * ratio)));
  }
  if (body.maxRecords > 0 && recordBytes > 0) {
    const fitting = Math.max(1, Math.floor(maxBytes / recordBytes));
    body.maxRecords = Math.min(body.maxRecords, fitting);
  }
  body.minBytes = Math.max(Math.min(body.minBytes, 1), Math.floor(body.minBytes * ratio));
}

/** Not asked, the broker acquires nothing; the client tries again, with a new session. */
async function refuse(
  clock: Clock,
  request: ClientRequest,
  body: ShareFetchRequest,
): Promise<Handled> {
  await new Promise<void>((resume) => clock.after(body.maxWaitMs, resume));
  const reply = {
    throttleTimeMs: 0,
    errorCode: KafkaErrorCode.KAFKA_STORAGE_ERROR,
    errorMessage: 'the object store is not reachable at the moment',
    acquisitionLockTimeoutMs: 0,
    responses: [],
    nodeEndpoints: [],
  };
  return { kind: 'answer', reply: ownReply(ShareFetchResponse, request, reply) };
}

async function answer(
  dependencies: ShareFetchDependencies,
  request: ClientRequest,
  frame: Buffer,
): Promise<Reply> {
  const { leaderHints, filler } = dependencies;
  const { header, body } = decodeReply(ShareFetchResponse, request, frame);
  const hinted = leaderHints.rewriteShareFetch(body, request);
  const demands = await demandsOf(dependencies, body);
  if (demands.size === 0) {
    return hinted ? changedReply(ShareFetchResponse, request, header, body) : { chunks: [frame] };
  }
  const { filled, release } = await filler.fill([...demands.values()]);
  const byResponse = new Map<PartitionResponse, Filled>();
  for (const [index, response] of [...demands.keys()].entries()) {
    const one = filled[index];
    if (one !== undefined) byResponse.set(response, one);
  }
  const reply = withBatches(body, demands, byResponse);
  return { ...changedReply(ShareFetchResponse, request, header, reply), release };
}

/** What has to be filled: the partitions in whose records there is a placeholder. */
async function demandsOf(
  { catalog, keyRing, ratios }: ShareFetchDependencies,
  { responses }: ShareFetchResponse,
): Promise<Map<PartitionResponse, FillDemand>> {
  const unknown = responses.map(({ topicId }) => topicId).filter((id) => !catalog.byId(id));
  if (unknown.length > 0) await catalog.lookUp({ ids: unknown });
  const demands = new Map<PartitionResponse, FillDemand>();
  for (const { topicId, partitions } of responses) {
    const known = catalog.byId(topicId);
    const topic = known?.name ?? topicId;
    for (const response of partitions) {
      const { records, partitionIndex: partition } = response;
      if (records === null || records.length === 0) continue;
      const position = { topic, partition, deep: known?.record != null };
      const batches = readLogBatches(records, position, keyRing);
      const all = batches ?? Array.from(completeBatches(records), realBatch);
      ratios.observeBatches(partitionKey(topic, partition), all);
      if (batches !== null) demands.set(response, { topic, partition, batches });
    }
  }
  return demands;
}

function withBatches(
  answer: ShareFetchResponse,
  demands: ReadonlyMap<PartitionResponse, { readonly batches: readonly LogBatch[] }>,
  filled: ReadonlyMap<PartitionResponse, Filled>,
): MessageInput<typeof ShareFetchResponse> {
  const responses = answer.responses.map((topic) => ({
    ...topic,
    partitions: topic.partitions.map((partition) => {
      const one = filled.get(partition);
      if (one === undefined) return partition;
      const whole = one.batchCount === demands.get(partition)?.batches.length;
      return { ...partition, ...(whole ? { records: one.chunks } : UNFILLED) };
    }),
  }));
  return { ...answer, responses };
}

/** The acquired records become available again when their lock expires. */
const UNFILLED = {
  errorCode: KafkaErrorCode.KAFKA_STORAGE_ERROR,
  errorMessage: 'the records could not be fetched from the object store',
  records: Buffer.alloc(0),
  acquiredRecords: [],
};
