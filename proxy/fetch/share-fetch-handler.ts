/**
 * ShareFetch (KIP-932; DESIGN §7). The broker has acquired the records before it answers, and a
 * client acknowledges as a gap, which is lost to the group, what was acquired and is not in the
 * answer. So an answer is filled and never cut: limits are scaled on the way up, and a partition
 * that cannot be filled whole is answered with an error, without records and without acquisitions.
 * Each such failure costs the records an attempt of delivery, so while the store does not answer
 * nothing is acquired.
 */
import {
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
  headOf,
  ownReply,
} from '../connection/recode.ts';
import type { LeaderHints } from '../nodes/leader-hints.ts';
import type { Clock } from '../../runtime/index.ts';
import type { BatchFiller, Filled } from './batch-filler.ts';
import { scaledMinimum } from './fetch-limits.ts';
import { partitionKey, type FetchTopics } from './fetch.ts';
import { hasPlaceholder, readLogBatches, type LogBatch } from './log-batches.ts';
import type { ObservedRatios } from './observed-ratios.ts';

/** Opens a share session anew, and closes it. */
const EPOCH_OPEN = 0;
const EPOCH_CLOSE = -1;
/** Scaled limits stay above this: a broker gives one batch at least, but not always more. */
const SCALED_BYTES_MIN = 16 * 1024;

export interface ShareFetchDependencies {
  readonly catalog: FetchTopics;
  readonly keyRing: KeyRing;
  readonly filler: BatchFiller;
  readonly ratios: ObservedRatios;
  readonly leaderHints: Pick<LeaderHints, 'rewriteShareFetch'>;
  /** Whether the store answers as far as writers have seen. */
  readonly storeAvailable: () => boolean;
  readonly answerBytesMax: number;
  readonly clock: Pick<Clock, 'after'>;
}

type PartitionResponse = ShareFetchResponse['responses'][number]['partitions'][number];

/** The partitions of a share session, by topic id. */
type Session = Map<string, Set<number>>;

/** @returns the handler of ShareFetch */
export function shareFetchHandler(dependencies: ShareFetchDependencies): RequestHandler {
  const sessions = new WeakMap<ConnectionContext, Session>();
  return {
    async handle(request, connection): Promise<Handled> {
      const body = decodeRequest(ShareFetchRequest, request);
      const session = followSession(sessions.get(connection), body);
      sessions.set(connection, session);
      await lookUp(dependencies.catalog, session.keys());
      const marked = markedPartitions(dependencies.catalog, session);
      const head = headOf(request);
      const reply = (frame: Buffer): Promise<Reply> => answer(dependencies, head, frame);
      if (marked.length === 0) return { kind: 'forward', frame: [request.frame], reply };
      if (mayWait(body) && !(await isStoreWorking(dependencies))) {
        return refuse(dependencies.clock, request, body);
      }
      scale(dependencies, body, marked);
      return { kind: 'forward', frame: changedRequest(ShareFetchRequest, request, body), reply };
    },
  };
}

/** An incremental request names only what changes in its session. */
function followSession(known: Session | undefined, body: ShareFetchRequest): Session {
  const { shareSessionEpoch } = body;
  const isNew = shareSessionEpoch === EPOCH_OPEN || shareSessionEpoch === EPOCH_CLOSE;
  const session: Session = known === undefined || isNew ? new Map() : known;
  for (const { topicId, partitions } of body.topics) {
    const fetched = session.get(topicId) ?? new Set();
    session.set(topicId, fetched);
    for (const { partitionIndex } of partitions) fetched.add(partitionIndex);
  }
  for (const { topicId, partitions } of body.forgottenTopicsData) {
    const fetched = session.get(topicId);
    for (const partition of partitions) fetched?.delete(partition);
    if (fetched?.size === 0) session.delete(topicId);
  }
  return session;
}

async function lookUp(catalog: FetchTopics, topicIds: Iterable<string>): Promise<void> {
  const unknown = [...topicIds].filter((topicId) => catalog.byId(topicId) === undefined);
  if (unknown.length > 0) await catalog.lookUp({ ids: unknown });
}

/** The keys of those partitions of a session that may hold placeholders. */
function markedPartitions(catalog: FetchTopics, session: Session): string[] {
  const marked: string[] = [];
  for (const [topicId, partitions] of session) {
    if (catalog.byId(topicId)?.record == null) continue;
    for (const partition of partitions) marked.push(keyOf(topicId, partition));
  }
  return marked;
}

function keyOf(topicId: string, partition: number): string {
  return partitionKey({ topic: '', topicId }, partition);
}

/** What a client has to say about records that it has is not held back, and acquires few. */
function mayWait({ topics, shareSessionEpoch, maxRecords }: ShareFetchRequest): boolean {
  const acknowledges = topics.some(({ partitions }) =>
    partitions.some(({ acknowledgementBatches }) => acknowledgementBatches.length > 0),
  );
  return !acknowledges && shareSessionEpoch !== EPOCH_CLOSE && maxRecords > 0;
}

async function isStoreWorking({
  storeAvailable,
  filler,
}: ShareFetchDependencies): Promise<boolean> {
  return storeAvailable() && (await filler.isWorking());
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
  // A request that only renews acquisitions has limits of zero, and they stay zero.
  body.maxBytes = Math.min(maxBytes, Math.max(SCALED_BYTES_MIN, Math.ceil(maxBytes * ratio)));
  if (body.maxRecords > 0 && recordBytes > 0) {
    const fitting = Math.max(1, Math.floor(maxBytes / recordBytes));
    body.maxRecords = Math.min(body.maxRecords, fitting);
  }
  body.minBytes = scaledMinimum(body.minBytes, ratio);
}

/** Not asked, the broker acquires nothing; the client tries again, with a new session. */
async function refuse(
  clock: Pick<Clock, 'after'>,
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
  const hollow = await hollowPartitions(dependencies, body);
  if (hollow.size === 0) {
    return hinted ? changedReply(ShareFetchResponse, request, header, body) : { chunks: [frame] };
  }
  const demands = [...hollow.values()];
  const { reply } = await filler.fillBatches(demands, (filled) => {
    const byResponse = new Map<PartitionResponse, Filled | null>();
    for (const [index, response] of [...hollow.keys()].entries()) {
      const one = filled[index];
      const isWhole = one?.batchCount === demands[index]?.length;
      byResponse.set(response, isWhole && one !== undefined ? one : null);
    }
    return changedReply(ShareFetchResponse, request, header, withBatches(body, byResponse));
  });
  return reply;
}

/** What has to be filled: the partitions in whose records there is a placeholder. */
async function hollowPartitions(
  { catalog, keyRing, ratios }: ShareFetchDependencies,
  { responses }: ShareFetchResponse,
): Promise<Map<PartitionResponse, LogBatch[]>> {
  const withRecords = responses.filter(({ partitions }) =>
    partitions.some(({ records }) => records.length > 0),
  );
  await lookUp(
    catalog,
    withRecords.map(({ topicId }) => topicId),
  );
  const hollow = new Map<PartitionResponse, LogBatch[]>();
  for (const { topicId, partitions } of withRecords) {
    const known = catalog.byId(topicId);
    for (const response of partitions) {
      const { records, partitionIndex: partition } = response;
      const topic = known?.name ?? null;
      const position = { topic, topicId, partition, deep: known?.record != null };
      const isHollow = hasPlaceholder(records, position, keyRing);
      if (!isHollow && !position.deep) continue;
      const batches = Array.from(readLogBatches(records, position, keyRing));
      ratios.observe(keyOf(topicId, partition), batches);
      if (isHollow) hollow.set(response, batches);
    }
  }
  return hollow;
}

/** @param filled null for a partition of which something is missing */
function withBatches(
  answer: ShareFetchResponse,
  filled: ReadonlyMap<PartitionResponse, Filled | null>,
): MessageInput<typeof ShareFetchResponse> {
  const responses = answer.responses.map((topic) => ({
    ...topic,
    partitions: topic.partitions.map((partition) => {
      const one = filled.get(partition);
      if (one === undefined) return partition;
      return { ...partition, ...(one === null ? UNFILLED : { records: one.chunks }) };
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
