/** The Produce handler over a real WAL writer, a store in memory and a clock that stands still. */
import {
  KeyRing,
  ProduceRequest,
  ProduceResponse,
  readPlaceholder,
  buildRecordBatch,
  type RecordBatchHeader,
  ZERO_UUID,
} from '../../../../kafka/index.ts';
import { readWalFrame, walKey } from '../../../../storage/index.ts';
import type { ClientRequest, Handled } from '../../../../proxy/connection/handler.ts';
import { produceHandler } from '../../../../proxy/produce/produce-handler.ts';
import type { CatalogTopic } from '../../../../proxy/topics/topic-catalog.ts';
import type { WalWriterOptions } from '../../../../proxy/wal/wal-writer.ts';
import { FakeCatalog, idOf, topicOf } from '../../../support/fake-catalog.ts';
import { brokerFrame, clientRequest, connectionTo } from '../../../support/handler-calls.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { WriterHarness } from '../wal/writer-harness.ts';

export const KEY_RING = new KeyRing({ id: 1, secret: Buffer.alloc(32, 'secret') });
const TOPIC_IDS_FROM = 13;

export interface ProduceHarnessOptions {
  readonly known?: readonly CatalogTopic[];
  readonly hidden?: readonly CatalogTopic[];
  readonly policy?: 'error' | 'passthrough';
  readonly writer?: Partial<WalWriterOptions>;
}

/** Batches by topic and partition, in the order of the request. */
export type Batches = readonly (readonly [
  topic: string,
  partition: number,
  batch: Buffer | null,
])[];

export class ProduceHarness {
  readonly wal: WriterHarness;
  readonly catalog: FakeCatalog;
  readonly handler: ReturnType<typeof produceHandler>;
  readonly connection = connectionTo({ kind: 'diskless', brokerId: 1 });
  /** What the hints say when asked; the answer is left as it is. */
  hinted = false;

  constructor(options: ProduceHarnessOptions = {}) {
    const { known = [topicOf('orders'), topicOf('classic', { diskless: false })] } = options;
    this.wal = new WriterHarness({
      maxBytes: 1_000_000,
      bufferBytesMax: 4_000_000,
      ...options.writer,
    });
    this.catalog = new FakeCatalog(known, options.hidden);
    this.handler = produceHandler({
      catalog: this.catalog,
      writer: this.wal.writer,
      keyRing: KEY_RING,
      leaderHints: { rewriteProduce: () => this.hinted },
      storeFailurePolicy: options.policy ?? 'error',
      clock: this.wal.clock,
    });
  }

  /** Hands a request over and lets everything happen that needs no time. */
  async handle(request: ClientRequest): Promise<Handled> {
    const handled = Promise.resolve(this.handler.handle(request, this.connection));
    await Promise.race([handled.catch(() => undefined), this.wal.clock.advance(0)]);
    return await handled;
  }

  /** The real batch that a placeholder in a forwarded request points to, out of the bucket. */
  realOf(placeholder: Buffer | null, topic: string, partition: number): Buffer {
    const buf = placeholder ?? Buffer.alloc(0);
    const reading = readPlaceholder({
      buf,
      at: 0,
      topic,
      partition,
      keyRing: KEY_RING,
      deep: false,
    });
    if (reading.kind !== 'placeholder')
      throw new TypeError(`expected a placeholder: ${reading.kind}`);
    const { fileId, position, length } = reading.pointer;
    const file = this.wal.store.objects.get(walKey(fileId));
    if (file === undefined) throw new TypeError('the pointer names no file');
    return readWalFrame(file, position, length, topic, partition);
  }
}

/** @returns a batch of 20 records of 100 bytes that a broker would take */
export function batchOf(header: RecordBatchHeader = {}, count = 20, keys = true): Buffer {
  const records = Array.from({ length: count }, (_, index) => ({
    key: keys ? Buffer.from(`key-${index}`) : null,
    value: Buffer.alloc(100, index),
    timestampDelta: index,
  }));
  return buildRecordBatch({ baseTimestamp: BigInt(FakeClock.EPOCH_MS), ...header }, records);
}

export function requestOf(version: number, batches: Batches, acks = -1): ClientRequest {
  const topics = new Map<string, { index: number; records: Buffer | null }[]>();
  for (const [topic, index, records] of batches) {
    const partitions = topics.get(topic) ?? [];
    topics.set(topic, partitions);
    partitions.push({ index, records });
  }
  const topicData = [...topics].map(([name, partitionData]) => ({
    name: version < TOPIC_IDS_FROM ? name : '',
    topicId: version < TOPIC_IDS_FROM ? ZERO_UUID : idOf(name),
    partitionData,
  }));
  return clientRequest(ProduceRequest, version, { acks, timeoutMs: 30_000, topicData });
}

/** What the broker gets, by topic and partition. */
export function forwardedBatches(
  handled: Handled,
  request: ClientRequest,
): { acks: number; batches: Map<string, Buffer | null> } {
  if (handled.kind !== 'forward') throw new TypeError('the request was not forwarded');
  const frame = Buffer.concat(handled.frame);
  const body = ProduceRequest.decode(frame, request.apiVersion, request.bodyOffset);
  const batches = new Map<string, Buffer | null>();
  for (const { name, topicId, partitionData } of body.topicData) {
    for (const { index, records } of partitionData) {
      batches.set(`${name === '' ? nameOf(topicId) : name}-${index}`, records);
    }
  }
  return { acks: body.acks, batches };
}

function nameOf(topicId: string): string {
  const bytes = Buffer.from(topicId, 'base64url').toString();
  return ['orders', 'classic', 'compacted', 'late'].find((name) => idOf(name) === topicId) ?? bytes;
}

/** The broker's answer to those partitions: error codes by topic and partition. */
export function brokerAnswer(
  version: number,
  errors: readonly (readonly [topic: string, partition: number, errorCode: number])[],
): Buffer {
  const responses = errors.map(([name, index, errorCode]) => ({
    name: version < TOPIC_IDS_FROM ? name : '',
    topicId: version < TOPIC_IDS_FROM ? ZERO_UUID : idOf(name),
    partitionResponses: [{ index, errorCode, baseOffset: 5n, recordErrors: [] }],
  }));
  return brokerFrame(ProduceResponse, version, { responses, nodeEndpoints: [] });
}
