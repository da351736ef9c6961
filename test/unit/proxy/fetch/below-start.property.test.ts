import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  completeBatches,
  FetchRequest,
  FetchResponse,
  KafkaErrorCode,
  lastOffset,
} from '../../../../kafka/index.ts';
import { idOf } from '../../../support/fake-catalog.ts';
import { bytesOf, clientRequest, decoded } from '../../../support/handler-calls.ts';
import {
  emptyView,
  putMergedFile,
  putSegments,
  realBatch,
} from '../../../support/stored-log-objects.ts';
import { randomLogs } from '../../storage/segment/random-log.ts';
import { FetchHarness } from './fetch-harness.ts';
import { committedOffsets, consumed, TransactionalBroker } from './transactional-broker.ts';

const TOPIC = { topic: 'orders', topicId: idOf('orders'), partition: 0 };
const ROUNDS_MAX = 1_000;

/** A consumer of one partition, whose broker has lost the beginning. */
class Reader {
  readonly harness = new FetchHarness();
  readonly broker: TransactionalBroker;
  readonly version: number;

  constructor(broker: TransactionalBroker, version: number) {
    this.broker = broker;
    this.version = version;
  }

  async fetch(fetchOffset: bigint, isCommitted: boolean, partitionMaxBytes: number) {
    const name = this.version < 13 ? { topic: TOPIC.topic } : { topicId: TOPIC.topicId };
    const request = clientRequest(FetchRequest, this.version, {
      maxWaitMs: 100,
      minBytes: 1,
      maxBytes: 1_000_000,
      isolationLevel: isCommitted ? 1 : 0,
      topics: [{ ...name, partitions: [{ partition: 0, fetchOffset, partitionMaxBytes }] }],
      forgottenTopicsData: [],
    });
    const handled = await this.harness.handler.handle(request, this.harness.connection);
    if (handled.kind !== 'forward') throw new TypeError('the broker is always asked');
    const answer = this.broker.answer(Buffer.concat(handled.frame), request);
    const reply = await this.harness.replyOf(handled, answer);
    const body = decoded(FetchResponse, this.version, bytesOf(reply));
    const [partition] = body.responses[0]?.partitions ?? [];
    if (partition === undefined) throw new TypeError('the partition is not answered');
    const batches = [...completeBatches(partition.records ?? Buffer.alloc(0))].map((batch) =>
      Buffer.from(batch),
    );
    reply.release?.();
    return { ...partition, batches };
  }

  /** @returns the offsets of all records that an application gets, from one offset to the end */
  async readFrom(from: bigint, isCommitted: boolean, bytesMax: number): Promise<bigint[]> {
    const { highWatermark, lastStableOffset } = this.broker;
    const end = isCommitted ? lastStableOffset : highWatermark;
    const offsets: bigint[] = [];
    let next = from;
    for (let round = 0; round < ROUNDS_MAX && next < end; round++) {
      const { errorCode, batches, abortedTransactions } = await this.fetch(
        next,
        isCommitted,
        bytesMax,
      );
      expect(errorCode).toBe(KafkaErrorCode.NONE);
      expect(abortedTransactions === null).toBe(!isCommitted);
      offsets.push(...consumed(batches, abortedTransactions ?? [], next));
      const last = batches.at(-1);
      if (last !== undefined) next = lastOffset(last) + 1n;
      else if (round > 0 && offsets.length === 0 && next >= end) break;
    }
    return offsets;
  }
}

const scenario = fc.record({
  log: randomLogs,
  /** Each a share of the batches that it may be: see `cutLog`. */
  shares: fc.record({
    segments: fc.array(fc.nat(100), { maxLength: 4 }),
    consolidated: fc.nat(100),
    merged: fc.nat(100),
    trimmed: fc.nat(100),
    deleted: fc.nat(100),
    from: fc.nat(100),
  }),
  isCommitted: fc.boolean(),
  bytesMax: fc.constantFrom(1, 700, 5_000, 1_000_000),
  version: fc.constantFrom(4, 5, 11, 12, 13, 18),
  /** Whether the member knows of the trim before the first fetch. */
  isKnown: fc.boolean(),
});
type Scenario = typeof scenario extends fc.Arbitrary<infer T> ? T : never;

function share(percent: number, most: number): number {
  return Math.floor((percent * most) / 100);
}

/** Puts the log's beginning into segments, and some of the rest into a merged file. */
async function prepare({ log, shares, version }: Scenario): Promise<Reader | undefined> {
  const whole = new TransactionalBroker(log.batches, 0n);
  // Trims stay below the last stable offset.
  const stable = log.batches.filter((batch) => lastOffset(batch) < whole.lastStableOffset);
  const trimmable = stable.length - 1;
  if (trimmable < 1) return undefined;
  const trimmed = 1 + share(shares.trimmed, trimmable - 1);
  const consolidated = trimmed + share(shares.consolidated, stable.length - trimmed);
  const deleted = share(shares.deleted, trimmed);
  const offsetAt = (index: number): bigint =>
    index === 0 ? log.startOffset : lastOffset(log.batches[index - 1] ?? Buffer.alloc(0)) + 1n;
  const cuts = shares.segments.map((percent) => share(percent, consolidated));
  const edges = [...new Set([0, ...cuts, consolidated])].sort((a, b) => a - b);
  const runs = edges.slice(1).map((end, index) => log.batches.slice(edges[index], end));
  const reader = new Reader(new TransactionalBroker(log.batches, offsetAt(deleted)), version);
  const { states } = reader.harness.read;
  const store = reader.harness.read.bucket;
  const segments = await putSegments(store, TOPIC, runs, log.startOffset);
  const merged = consolidated + share(shares.merged, log.batches.length - consolidated);
  const rest = log.batches.slice(consolidated, merged).map(realBatch);
  const extents = rest.length === 0 ? [] : [await putMergedFile(store, TOPIC, 7, rest)];
  states.set({
    ...emptyView(TOPIC),
    cursor: offsetAt(merged),
    logicalStart: log.startOffset,
    trimIntent: offsetAt(trimmed),
    consolidatedTo: offsetAt(consolidated),
    segments,
    extents,
  });
  return reader;
}

test('a consumer that begins anywhere gets what was committed, once, across the trim', async () => {
  const run = async (given: Scenario): Promise<void> => {
    const reader = await prepare(given);
    if (reader === undefined) return;
    const { log, shares, isCommitted, bytesMax, isKnown } = given;
    if (isKnown) await reader.harness.read.stored.views.get(TOPIC);
    const { highWatermark, lastStableOffset } = reader.broker;
    const from =
      log.startOffset + BigInt(share(shares.from, Number(highWatermark - log.startOffset)));
    const all = committedOffsets(log.batches, isCommitted ? lastStableOffset : highWatermark);
    const expected = isCommitted ? all : allOffsets(log.batches, highWatermark);
    expect(await reader.readFrom(from, isCommitted, bytesMax)).toEqual(
      expected.filter((offset) => offset >= from),
    );
    expect(reader.harness.storedBudget.bytesHeld).toBe(0);
    expect(reader.harness.budget.bytesHeld).toBe(0);
  };
  await fc.assert(fc.asyncProperty(scenario, run), { numRuns: 100 });
}, 120_000);

/** Of all data records: who reads uncommitted gets aborted ones too. */
function allOffsets(batches: readonly Buffer[], below: bigint): bigint[] {
  return consumed(batches, [], 0n).filter((offset) => offset < below);
}
