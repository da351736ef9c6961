/**
 * What the handlers of Produce and Fetch cost: from the client's bytes to the broker's and back,
 * without sockets and with an upload that costs nothing. Prints microseconds of CPU per batch, the
 * median of several rounds. Run: `node test/bench/data-path.ts`.
 */
import { randomBytes } from 'node:crypto';
import { pino } from 'pino';
import {
  BATCH_FIELD,
  buildPlaceholder,
  buildRecordBatch,
  FetchRequest,
  FetchResponse,
  KeyRing,
  maxTimestamp,
  ProduceRequest,
  ProduceResponse,
} from '../../kafka/index.ts';
import { buildWalFile, newFileId } from '../../storage/index.ts';
import type { ClientRequest, RequestHandler } from '../../proxy/connection/handler.ts';
import { AnswerFiller } from '../../proxy/fetch/answer-filler.ts';
import { BelowStart } from '../../proxy/fetch/below-start.ts';
import { BatchFiller } from '../../proxy/fetch/batch-filler.ts';
import { fetchHandler } from '../../proxy/fetch/fetch-handler.ts';
import { ObservedRatios } from '../../proxy/fetch/observed-ratios.ts';
import { SlabPool } from '../../proxy/fetch/slab-pool.ts';
import { ByteBudget } from '../../runtime/index.ts';
import { produceHandler } from '../../proxy/produce/produce-handler.ts';
import { BatchResolver } from '../../proxy/read/batch-resolver.ts';
import { LogicalStarts } from '../../proxy/read/logical-starts.ts';
import { StoredLog } from '../../proxy/read/stored-log.ts';
import { openStoredReading } from '../../proxy/read/open-stored-reading.ts';
import { WalFileCache } from '../../proxy/read/wal-file-cache.ts';
import { WalFileSource } from '../../proxy/read/wal-file-source.ts';
import { systemClock } from '../../runtime/index.ts';
import type { WalOffer } from '../../proxy/wal/wal-offer.ts';
import type { WalBatch } from '../../storage/index.ts';
import { FakeCatalog, topicOf } from '../support/fake-catalog.ts';
import { brokerFrame, clientRequest, connectionTo } from '../support/handler-calls.ts';
import { FakeStates } from '../support/fake-states.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { FaultyObjectStore } from '../unit/proxy/wal/faulty-object-store.ts';

const ROUNDS = 9;
const MEBIBYTE = 1024 * 1024;
const TOPIC = 'orders-by-customer';
const BATCHES_PER_ANSWER = 60;

const keyRing = new KeyRing({ id: 1, secret: randomBytes(32) });
const catalog = new FakeCatalog([topicOf(TOPIC), topicOf('classic', { diskless: false })]);
const connection = connectionTo({ kind: 'diskless', brokerId: 1 });
const log = pino({ level: 'silent' });

function batchOf(records: number, valueBytes: number): Buffer {
  const values = Array.from({ length: records }, (_, index) => ({
    timestampDelta: index,
    key: Buffer.from(`key-${index}`),
    value: randomBytes(valueBytes),
  }));
  return buildRecordBatch({ baseTimestamp: BigInt(Date.now()) }, values);
}

async function measure(
  name: string,
  batchesPerCall: number,
  calls: number,
  call: () => Promise<void> | void,
): Promise<void> {
  const rounds: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const start = process.cpuUsage();
    for (let done = 0; done < calls; done++) {
      const calling = call();
      if (calling !== undefined) await calling;
    }
    const { user, system } = process.cpuUsage(start);
    rounds.push((user + system) / calls / batchesPerCall);
  }
  const median = rounds.sort((a, b) => a - b)[Math.floor(ROUNDS / 2)] ?? Number.NaN;
  console.log(`  ${name.padEnd(44)} ${median.toFixed(2).padStart(8)} µs a batch`);
}

/** Passes a request through a handler and an answer back. */
async function roundTrip(
  handler: RequestHandler,
  request: ClientRequest,
  answer: Buffer,
): Promise<void> {
  const handled = await handler.handle(request, connection);
  if (handled.kind !== 'forward') throw new Error('the handler did not forward');
  handled.ended?.('answered');
  if (typeof handled.reply !== 'function') return;
  const replying = handled.reply(answer);
  const reply = replying instanceof Promise ? await replying : replying;
  reply?.release?.();
}

/** A writer that makes a file of each request, which is stored at once. */
function offer(batches: readonly WalBatch[]): WalOffer {
  const built = buildWalFile({ clusterId: 'cluster', memberId: 0, createdMs: 1, batches });
  const positions = batches.map(({ bytes }, index) => {
    return { position: built.positions[index] ?? 0, length: bytes.length };
  });
  const share = { ended: () => {} };
  const stored = { kind: 'stored', fileId: 1n, positions, commitByMs: Infinity, share } as const;
  return { kind: 'wal', uploaded: Promise.resolve(stored) };
}

async function benchProduce(batch: Buffer, topic: string, batches: number): Promise<void> {
  const handler = produceHandler({
    catalog,
    writer: { offer },
    keyRing,
    leaderHints: { rewriteProduce: () => false },
    storeFailurePolicy: 'error',
    clock: systemClock,
  });
  const indexes = Array.from({ length: batches }, (_, index) => index);
  const partitionData = indexes.map((index) => ({ index, records: batch }));
  const topicData = [{ name: topic, partitionData }];
  const request = clientRequest(ProduceRequest, 9, { acks: -1, timeoutMs: 1, topicData });
  const partitionResponses = indexes.map((index) => {
    return { index, errorCode: 0, baseOffset: 1n, recordErrors: [] };
  });
  const responses = [{ name: topic, partitionResponses }];
  const answer = brokerFrame(ProduceResponse, 9, { responses });
  const name = `produce, ${topic === TOPIC ? 'diskless' : 'classic'}, ${batches} in a request`;
  await measure(name, batches, 4_000 / batches, () => roundTrip(handler, request, answer));
}

async function benchFetch(batch: Buffer, hollow: boolean): Promise<void> {
  const cache = new WalFileCache({
    tailBytesMax: 64 * MEBIBYTE,
    laggingBytesMax: MEBIBYTE,
    tailAgeMsMax: 60_000,
    wallMs: () => Date.now(),
  });
  const source = new WalFileSource({
    store: new FaultyObjectStore(new FakeClock()),
    clusterId: 'cluster',
    cache,
    loadBudget: new ByteBudget(MEBIBYTE),
    fileBytesExpected: MEBIBYTE,
    monotonicMs: () => systemClock.monotonicMs(),
  });
  const stored = openStoredReading({
    store: new FaultyObjectStore(new FakeClock()),
    states: new FakeStates(),
    loadBudget: new ByteBudget(MEBIBYTE),
    bytesMax: MEBIBYTE,
    clock: systemClock,
    log,
  });
  const wallMs = (): number => Date.now();
  const resolver = new BatchResolver({
    wal: source,
    stored: stored.source,
    unmergedAgeMsMax: Number.POSITIVE_INFINITY,
    wallMs,
    log,
  });
  const filler = new BatchFiller(resolver, new SlabPool(new ByteBudget(64 * MEBIBYTE)), log);
  const ratios = new ObservedRatios();
  const handler = fetchHandler({
    catalog,
    ratios,
    answerFiller: new AnswerFiller({ catalog, ratios, filler, keyRing }),
    belowStart: new BelowStart({
      catalog,
      views: stored.views,
      starts: new LogicalStarts(),
      storedLog: new StoredLog(stored),
      budget: new ByteBudget(MEBIBYTE),
      log,
    }),
    leaderHints: { rewriteFetch: () => false },
    answerBytesMax: 16 * MEBIBYTE,
    clock: systemClock,
  });
  const topic = hollow ? TOPIC : 'classic';
  const records = Buffer.concat(logOf(batch, hollow, cache));
  const partition = { partition: 0, fetchOffset: 0n, partitionMaxBytes: 16 * MEBIBYTE };
  const request = clientRequest(FetchRequest, 12, {
    maxWaitMs: 1,
    minBytes: 1,
    maxBytes: 16 * MEBIBYTE,
    topics: [{ topic, partitions: [partition] }],
    forgottenTopicsData: [],
  });
  const read = { partitionIndex: 0, errorCode: 0, highWatermark: 100n, records };
  const responses = [{ topic, partitions: [read] }];
  const answer = brokerFrame(FetchResponse, 12, { throttleTimeMs: 0, errorCode: 0, responses });
  const name = `fetch, ${hollow ? 'filled from memory' : 'classic, scanned only'}`;
  await measure(name, BATCHES_PER_ANSWER, 100, () => roundTrip(handler, request, answer));
}

/**
 * What the broker's log holds: placeholders of one file in the cache, or the batches themselves.
 */
function logOf(batch: Buffer, hollow: boolean, cache: WalFileCache): Buffer[] {
  const batches = Array.from({ length: BATCHES_PER_ANSWER }, () => batch);
  if (!hollow) return batches;
  const createdMs = Date.now();
  const fileId = newFileId(createdMs, 1);
  const where = { topic: TOPIC, partition: 0 };
  const wal = batches.map((bytes) => ({ ...where, bytes }));
  const built = buildWalFile({ clusterId: 'cluster', memberId: 0, createdMs, batches: wal });
  cache.add(fileId, built.file);
  return built.positions.map((position, index) => {
    const pointer = { fileId, position, maxTimestamp: maxTimestamp(batch), keyRing, zstd: true };
    const placeholder = buildPlaceholder({ realBatch: batch, ...pointer, ...where });
    placeholder.writeBigInt64BE(BigInt(index), BATCH_FIELD.baseOffset);
    return placeholder;
  });
}

for (const [records, valueBytes] of [
  [16, 1_024],
  [150, 100],
  [4, 256],
] as const) {
  const batch = batchOf(records, valueBytes);
  console.log(`${records} records of ${valueBytes} B, ${batch.length} B a batch`);
  for (const count of [1, 20]) await benchProduce(batch, TOPIC, count);
  await benchProduce(batch, 'classic', 1);
  await benchFetch(batch, true);
  await benchFetch(batch, false);
}
