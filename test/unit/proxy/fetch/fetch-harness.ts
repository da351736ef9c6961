/** The Fetch handler between a consumer and a broker with limits, over WAL files in a store. */
import { pino } from 'pino';
import {
  BATCH_HEADER_BYTES,
  buildPlaceholder,
  buildRecordBatch,
  completeBatches,
  FetchRequest,
  FetchResponse,
  KeyRing,
  lastOffset,
  maxTimestamp,
  recordCount,
  records,
  ZERO_UUID,
  type RecordBatchHeader,
} from '../../../../kafka/index.ts';
import type {
  ClientRequest,
  ConnectionContext,
  Handled,
  Reply,
} from '../../../../proxy/connection/handler.ts';
import { AnswerFiller } from '../../../../proxy/fetch/answer-filler.ts';
import { BelowStart } from '../../../../proxy/fetch/below-start.ts';
import { BatchFiller } from '../../../../proxy/fetch/batch-filler.ts';
import { fetchHandler } from '../../../../proxy/fetch/fetch-handler.ts';
import { ObservedRatios } from '../../../../proxy/fetch/observed-ratios.ts';
import { LogicalStarts } from '../../../../proxy/read/logical-starts.ts';
import { StoredLog } from '../../../../proxy/read/stored-log.ts';
import { SlabPool } from '../../../../proxy/fetch/slab-pool.ts';
import { ByteBudget } from '../../../../runtime/index.ts';
import type { CatalogTopic } from '../../../../proxy/topics/topic-catalog.ts';
import { FakeCatalog, idOf, topicOf } from '../../../support/fake-catalog.ts';
import { bytesOf, clientRequest, connectionTo, decoded } from '../../../support/handler-calls.ts';
import { ReadHarness } from '../read/read-harness.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { FakeBroker } from './fake-broker.ts';

export const KEY_RING = new KeyRing({ id: 1, secret: Buffer.alloc(32, 'secret') });
const MEBIBYTE = 1024 * 1024;
const TOPIC_IDS_FROM = 13;

export interface Asking {
  readonly offsets: readonly (readonly [topic: string, partition: number, offset: bigint])[];
  readonly maxBytes?: number;
  readonly partitionMaxBytes?: number;
  readonly minBytes?: number;
  readonly maxWaitMs?: number;
  readonly sessionId?: number;
  readonly sessionEpoch?: number;
  readonly replicaId?: number;
  readonly rackId?: string;
}

/** One round of a consumer: what it sent, what the broker was asked, and what came back. */
export interface Round {
  readonly request: ClientRequest;
  readonly handled: Handled;
  readonly upstream: FetchRequest | undefined;
  readonly answer: Buffer;
  readonly reply: Reply;
  readonly body: FetchResponse;
}

export class FetchHarness {
  readonly read: ReadHarness;
  readonly broker = new FakeBroker();
  readonly budget: ByteBudget;
  readonly ratios = new ObservedRatios();
  readonly filler: BatchFiller;
  readonly handler: ReturnType<typeof fetchHandler>;
  readonly catalog: FakeCatalog;
  readonly connection: ConnectionContext = connectionTo({ kind: 'diskless', brokerId: 1 });
  readonly warnings: string[] = [];
  readonly starts = new LogicalStarts();
  /** Bounds what is read from segments at once. */
  readonly storedBudget = new ByteBudget(64 * MEBIBYTE);
  hinted = false;

  constructor(
    known: readonly CatalogTopic[] = [topicOf('orders'), topicOf('classic', { diskless: false })],
    hidden: readonly CatalogTopic[] = [],
    { budgetBytes = 64 * MEBIBYTE, laggingBytesMax = 64 * MEBIBYTE } = {},
  ) {
    this.read = new ReadHarness({
      tailBytesMax: 64 * MEBIBYTE,
      laggingBytesMax,
      loadBytesMax: 64 * MEBIBYTE,
      fileBytesExpected: MEBIBYTE,
    });
    this.catalog = new FakeCatalog(known, hidden);
    this.budget = new ByteBudget(budgetBytes);
    const log = pino({}, { write: (line: string): unknown => this.warnings.push(line) });
    this.filler = new BatchFiller(this.read.resolver, new SlabPool(this.budget), log);
    const { catalog, ratios, filler, starts } = this;
    const { views } = this.read.stored;
    const storedLog = new StoredLog(this.read.stored);
    const below = { catalog, views, starts, storedLog, budget: this.storedBudget, log };
    this.handler = fetchHandler({
      catalog,
      ratios,
      answerFiller: new AnswerFiller({ catalog, ratios, filler, keyRing: KEY_RING }),
      belowStart: new BelowStart(below),
      leaderHints: { rewriteFetch: () => this.hinted },
      answerBytesMax: 16 * MEBIBYTE,
      clock: this.read.clock,
    });
  }

  /** Appends placeholders of batches that all lie in one file. */
  append(topic: string, partition: number, ...reals: readonly Buffer[]): Buffer[] {
    const placeholders = this.placeholders(topic, partition, ...reals);
    for (const placeholder of placeholders) this.broker.append(topic, partition, placeholder);
    return placeholders;
  }

  placeholders(topic: string, partition: number, ...reals: readonly Buffer[]): Buffer[] {
    const stored = this.read.storeFile(reals.map((bytes) => ({ topic, partition, bytes })));
    return stored.map(({ pointer: { fileId, position } }, index) => {
      const realBatch = reals[index] ?? Buffer.alloc(0);
      const where = { fileId, position, topic, partition, keyRing: KEY_RING, zstd: true };
      return buildPlaceholder({ realBatch, maxTimestamp: maxTimestamp(realBatch), ...where });
    });
  }

  /** Asks, and lets everything happen that needs no time. */
  async fetch(version: number, asking: Asking): Promise<Round> {
    const request = requestOf(version, asking);
    const handled = await this.handler.handle(request, this.connection);
    if (handled.kind === 'answer') {
      const reply = handled.reply ?? { chunks: [] };
      const body = decoded(FetchResponse, version, bytesOf(reply));
      return { request, handled, upstream: undefined, answer: Buffer.alloc(0), reply, body };
    }
    const answer = this.broker.answer(Buffer.concat(handled.frame), request);
    const reply = await this.replyOf(handled, answer);
    const body = decoded(FetchResponse, version, bytesOf(reply));
    return { request, handled, upstream: this.broker.requests.at(-1), answer, reply, body };
  }

  async replyOf(handled: Handled, answer: Buffer): Promise<Reply> {
    if (handled.kind !== 'forward' || typeof handled.reply !== 'function')
      return { chunks: [answer] };
    const replying = Promise.resolve(handled.reply(answer));
    await Promise.race([replying.catch(() => undefined), this.read.clock.advance(60_000)]);
    const reply = await replying;
    if (reply === null) throw new TypeError('the client gets no answer');
    return reply;
  }
}

export function requestOf(version: number, asking: Asking): ClientRequest {
  const topics = new Map<
    string,
    { partition: number; fetchOffset: bigint; partitionMaxBytes: number }[]
  >();
  for (const [topic, partition, fetchOffset] of asking.offsets) {
    const partitions = topics.get(topic) ?? [];
    topics.set(topic, partitions);
    const partitionMaxBytes = asking.partitionMaxBytes ?? MEBIBYTE;
    partitions.push({ partition, fetchOffset, partitionMaxBytes });
  }
  return clientRequest(FetchRequest, version, {
    ...(version < 15 ? { replicaId: asking.replicaId ?? -1 } : {}),
    ...(version >= 15 ? { replicaState: { replicaId: asking.replicaId ?? -1 } } : {}),
    maxWaitMs: asking.maxWaitMs ?? 100,
    minBytes: asking.minBytes ?? 1,
    maxBytes: asking.maxBytes ?? 50 * MEBIBYTE,
    sessionId: asking.sessionId ?? 0,
    sessionEpoch: asking.sessionEpoch ?? 0,
    topics: [...topics].map(([name, partitions]) => ({
      topic: version < TOPIC_IDS_FROM ? name : '',
      topicId: version < TOPIC_IDS_FROM ? ZERO_UUID : idOf(name),
      partitions,
    })),
    forgottenTopicsData: [],
    rackId: asking.rackId ?? '',
  });
}

let made = 0;

/** @returns a batch with random-like values, unlike any other */
export function batchOf(count = 20, valueBytes = 100, header: RecordBatchHeader = {}): Buffer {
  made += 1;
  const values = Array.from({ length: count }, (_, index) => ({
    key: Buffer.from(`key-${index}`),
    value: Buffer.alloc(valueBytes, `${made}/${index} `),
    timestampDelta: index,
  }));
  return buildRecordBatch({ baseTimestamp: BigInt(FakeClock.EPOCH_MS), ...header }, values);
}

/** The values of uncompressed batches. */
export function valuesOf(batches: readonly Buffer[]): string[] {
  return batches.flatMap((batch) =>
    [...records(batch.subarray(BATCH_HEADER_BYTES), recordCount(batch))].map(({ value }) =>
      String(value),
    ),
  );
}

export function partitionOf(body: FetchResponse, topic: string, partition: number) {
  const topics = body.responses.filter((item) =>
    [item.topic, item.topicId].some((name) => name === topic || name === idOf(topic)),
  );
  return topics
    .flatMap(({ partitions }) => partitions)
    .find((item) => item.partitionIndex === partition);
}

export function batchesOf(body: FetchResponse, topic: string, partition: number): Buffer[] {
  return [...completeBatches(partitionOf(body, topic, partition)?.records ?? Buffer.alloc(0))];
}

/** What a consumer that reads the answer asks for next. */
export function nextOffset(
  body: FetchResponse,
  topic: string,
  partition: number,
  from: bigint,
): bigint {
  const last = batchesOf(body, topic, partition).at(-1);
  return last === undefined ? from : lastOffset(last) + 1n;
}

/** @returns what is reserved for so many bytes: whole slabs */
export function slabBytes(bytes: number): number {
  return Math.ceil(bytes / 65_536) * 65_536;
}
