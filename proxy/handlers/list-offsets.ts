/**
 * ListOffsets by timestamp, of the largest timestamp, and of the first offset (DESIGN §7 and §9).
 * In a placeholder the broker sees the first and the last timestamp only, so its answer is made
 * exact within the real batch. What workers trimmed in the broker's log is looked for in segments,
 * and the first offset is the logical start. Other offsets are the broker's own.
 */
import {
  findByTimestamp,
  findMaxTimestamp,
  KafkaErrorCode,
  ListOffsetsRequest,
  ListOffsetsResponse,
  OutriggerError,
  readPlaceholder,
  restoreBatch,
  type KeyRing,
  type TimestampedOffset,
} from '../../kafka/index.ts';
import type { ConnectionContext, Reply, RequestHandler } from '../connection/handler.ts';
import { changedReply, decodeReply, decodeRequest, headOf } from '../connection/recode.ts';
import { proxyError } from '../errors.ts';
import type { BatchResolver } from '../read/batch-resolver.ts';
import type { LogicalStarts } from '../read/logical-starts.ts';
import type { LogPartition, LogReader } from '../read/log-reader.ts';
import type { PartitionViews } from '../read/partition-views.ts';
import type { StoredOffsets } from '../read/stored-offsets.ts';
import type { TopicCatalog } from '../topics/topic-catalog.ts';

const EARLIEST = -2n;
/** Asks for the record with the largest timestamp (KIP-734). */
const MAX_TIMESTAMP = -3n;
const OF_OURS: ReadonlySet<bigint> = new Set([EARLIEST, MAX_TIMESTAMP]);
/** A client may ask for thousands of partitions at once, and each may need a file. */
const LOOKUPS_AT_ONCE_MAX = 16;

export interface ListOffsetsDependencies {
  readonly catalog: Pick<TopicCatalog, 'byName'>;
  readonly logReader: Pick<LogReader, 'batchAt'>;
  readonly resolver: Pick<BatchResolver, 'resolve'>;
  readonly keyRing: KeyRing;
  readonly views: Pick<PartitionViews, 'get' | 'refresh'>;
  readonly starts: LogicalStarts;
  readonly storedOffsets: StoredOffsets;
}

type PartitionResponse = ListOffsetsResponse['topics'][number]['partitions'][number];

/** A partition whose answer has to be looked at more closely. */
interface Lookup extends LogPartition {
  readonly timestamp: bigint;
}

/** @returns the handler of ListOffsets */
export function listOffsetsHandler(dependencies: ListOffsetsDependencies): RequestHandler {
  return {
    handle(request, connection) {
      const body = decodeRequest(ListOffsetsRequest, request);
      const lookups = lookupsOf(dependencies.catalog, body);
      const frame = [request.frame];
      if (lookups.length === 0) return { kind: 'forward', frame, reply: 'pass' };
      const head = headOf(request);
      const reply = async (answer: Buffer): Promise<Reply> => {
        const { header, body: response } = decodeReply(ListOffsetsResponse, head, answer);
        const waiting = lookups.values();
        const lookUp = async (): Promise<void> => {
          for (const lookup of waiting) await refine(dependencies, connection, lookup, response);
        };
        await Promise.all(Array.from({ length: LOOKUPS_AT_ONCE_MAX }, lookUp));
        return changedReply(ListOffsetsResponse, head, header, response);
      };
      return { kind: 'forward', frame, reply };
    },
  };
}

function lookupsOf(catalog: Pick<TopicCatalog, 'byName'>, body: ListOffsetsRequest): Lookup[] {
  return body.topics.flatMap(({ name, partitions }) => {
    const topic = catalog.byName(name);
    if (topic?.record == null) return [];
    return partitions
      .filter(({ timestamp }) => timestamp >= 0n || OF_OURS.has(timestamp))
      .map(({ partitionIndex, timestamp }) => ({
        topic: name,
        topicId: topic.topicId,
        partition: partitionIndex,
        timestamp,
      }));
  });
}

/** Corrects the answer for one partition in place. */
async function refine(
  dependencies: ListOffsetsDependencies,
  connection: ConnectionContext,
  lookup: Lookup,
  response: ListOffsetsResponse,
): Promise<void> {
  const topic = response.topics.find(({ name }) => name === lookup.topic);
  const answer = topic?.partitions.find((item) => item.partitionIndex === lookup.partition);
  if (answer === undefined || answer.errorCode !== 0) return;
  try {
    // A broker that finds an offset leads the partition.
    const brokerId = connection.node.kind === 'bootstrap' ? null : connection.node.brokerId;
    if (lookup.timestamp !== EARLIEST && answer.offset >= 0n) {
      await refineWithin(dependencies, lookup, answer, brokerId);
    }
    await searchStored(dependencies, lookup, answer);
  } catch (error) {
    if (!(error instanceof OutriggerError)) throw error;
    // The broker's offset may lie behind records that the client is looking for.
    connection.log.warn({ err: error }, 'an offset could not be looked up in its batch');
    answer.errorCode = KafkaErrorCode.REPLICA_NOT_AVAILABLE;
    answer.offset = -1n;
    answer.timestamp = -1n;
  }
}

async function refineWithin(
  { logReader, resolver, keyRing }: ListOffsetsDependencies,
  lookup: Lookup,
  answer: PartitionResponse,
  brokerId: number | null,
): Promise<void> {
  const { topic, topicId, partition, timestamp } = lookup;
  const entry = await logReader.batchAt(lookup, answer.offset, brokerId);
  if (entry === undefined) return;
  const { batch, logStartOffset } = entry;
  const reading = readPlaceholder({ buf: batch, at: 0, topic, partition, keyRing, deep: true });
  if (reading.kind === 'real') return;
  if (reading.kind === 'unknown') {
    const message = 'a placeholder of an unknown version or key cannot be searched';
    const details = { topic, partition, ...reading };
    throw proxyError('PROXY_PLACEHOLDER_UNKNOWN', message, { retriable: true, details });
  }
  const offset = batch.readBigInt64BE(0);
  const { pointer } = reading;
  const wanted = { topic, topicId, partition, pointer, offset, placeholder: batch };
  const real = await resolver.resolve(wanted);
  const [header, records] = restoreBatch(real, batch);
  const found =
    timestamp === MAX_TIMESTAMP
      ? findMaxTimestamp(header, records)
      : findByTimestamp(header, records, timestamp, logStartOffset);
  if (found === undefined) return;
  answer.offset = found.offset;
  answer.timestamp = found.timestamp;
}

/** Looks below the broker's log start, which may also be below the partition's own. */
async function searchStored(
  { views, starts, storedOffsets }: ListOffsetsDependencies,
  lookup: Lookup,
  answer: PartitionResponse,
): Promise<void> {
  // A trim that came in between would look like the user's doing.
  const partition = await views.refresh(lookup);
  if (partition === null) return;
  if (lookup.timestamp === EARLIEST) {
    const start = starts.of(partition, answer.offset);
    if (start !== answer.offset) replace(answer, { offset: start, timestamp: answer.timestamp });
    return;
  }
  const { trimIntent, consolidatedTo } = partition.view;
  const start = starts.atLeast(partition);
  const isDeleted = answer.offset >= 0n && answer.offset < start;
  const end = isDeleted ? consolidatedTo : (trimIntent ?? 0n);
  if (lookup.timestamp === MAX_TIMESTAMP) {
    const found = await storedOffsets.ofMaxTimestamp(partition, start, end);
    if (found === undefined) return;
    const isFirst = answer.offset < 0n || isDeleted || found.timestamp >= answer.timestamp;
    if (isFirst) replace(answer, found);
    return;
  }
  const found = await storedOffsets.atTimestamp(partition, lookup.timestamp, start, end);
  if (found !== undefined) replace(answer, found);
  // What follows is not searched: no record before it is one that is asked for.
  else if (isDeleted) replace(answer, { offset: end > start ? end : start, timestamp: -1n });
}

/** The leader epoch that the broker gave is that of another offset. */
function replace(answer: PartitionResponse, found: TimestampedOffset): void {
  Object.assign(answer, found, { leaderEpoch: -1 });
}
