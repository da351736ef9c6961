import { expect, test } from 'vitest';
import type { PartitionView } from '../../../../coordinator/index.ts';
import {
  buildRecordBatch,
  FetchResponse,
  KafkaErrorCode,
  lastOffset,
} from '../../../../kafka/index.ts';
import { segmentKeys, SEGMENT_PREFIX } from '../../../../storage/index.ts';
import { idOf, topicOf } from '../../../support/fake-catalog.ts';
import { brokerFrame, bytesOf, decoded } from '../../../support/handler-calls.ts';
import { emptyView, putSegments } from '../../../support/stored-log-objects.ts';
import { batchesOf, FetchHarness, partitionOf, requestOf, type Asking } from './fetch-harness.ts';

const NAME = { topic: 'orders', topicId: idOf('orders'), partition: 0 };
const VERSION = 12;
const BATCHES = 20;
const TRIM_INTENT = 100n;
const END = 120n;

type Answered = Partial<FetchResponse['responses'][number]['partitions'][number]>;

/** Twenty batches of five records; the broker was asked to delete them. */
async function trimmed(changes: Partial<PartitionView> = {}) {
  const harness = new FetchHarness();
  const batches = Array.from({ length: BATCHES }, (_, index) => {
    const records = Array.from({ length: 5 }, () => ({ value: Buffer.alloc(100, index) }));
    return buildRecordBatch({ baseOffset: BigInt(5 * index), partitionLeaderEpoch: 2 }, records);
  });
  const runs = [batches.slice(0, 10), batches.slice(10)];
  const segments = await putSegments(harness.read.bucket, NAME, runs, 0n);
  const view = {
    ...emptyView(NAME),
    cursor: END,
    logicalStart: 0n,
    trimIntent: TRIM_INTENT,
    consolidatedTo: TRIM_INTENT,
    segments,
    ...changes,
  };
  harness.read.states.set(view);
  return { harness, batches, view };
}

/** One round with a broker that answers this for each partition. */
async function round(
  harness: FetchHarness,
  asking: Asking,
  answered: Readonly<Record<number, Answered>>,
) {
  const request = requestOf(VERSION, asking);
  const handled = await harness.handler.handle(request, harness.connection);
  if (handled.kind !== 'forward') throw new TypeError('the broker is asked');
  const partitions = Object.entries(answered).map(([partition, answer]) => ({
    partitionIndex: Number(partition),
    errorCode: 0,
    highWatermark: END,
    lastStableOffset: END,
    logStartOffset: TRIM_INTENT,
    abortedTransactions: null,
    records: Buffer.alloc(0),
    ...answer,
  }));
  const responses = [{ topic: 'orders', partitions }];
  const body = { throttleTimeMs: 0, errorCode: 0, responses };
  const frame = brokerFrame(FetchResponse, VERSION, body);
  const reply = await harness.replyOf(handled, frame);
  const upstream = harness.broker.answer(Buffer.concat(handled.frame), request);
  expect(upstream.length).toBeGreaterThan(0);
  const asked = harness.broker.requests.at(-1);
  const answer = decoded(FetchResponse, VERSION, bytesOf(reply));
  reply.release?.();
  expect([harness.budget.bytesHeld, harness.storedBudget.bytesHeld]).toEqual([0, 0]);
  return { answer, asked };
}

async function known(harness: FetchHarness): Promise<void> {
  await harness.read.stored.views.get(NAME);
}

const OUT_OF_RANGE: Answered = {
  errorCode: KafkaErrorCode.OFFSET_OUT_OF_RANGE,
  highWatermark: -1n,
  lastStableOffset: -1n,
  logStartOffset: -1n,
};

test('what was trimmed comes from segments, with what the broker says of the rest', async () => {
  const { harness, batches } = await trimmed();
  await known(harness);
  const { answer, asked } = await round(harness, { offsets: [['orders', 0, 33n]] }, { 0: {} });
  expect(asked?.topics[0]?.partitions[0]).toMatchObject({ fetchOffset: TRIM_INTENT });
  expect(asked).toMatchObject({ minBytes: 0, maxWaitMs: 0 });
  const expected = batches.filter((batch) => lastOffset(batch) >= 33n);
  expect(batchesOf(answer, 'orders', 0)).toEqual(expected);
  expect(partitionOf(answer, 'orders', 0)).toMatchObject({
    errorCode: 0,
    highWatermark: END,
    lastStableOffset: END,
    logStartOffset: 0n,
    abortedTransactions: null,
  });
});

test('limits count, and one batch comes whatever they are', async () => {
  const { harness, batches } = await trimmed();
  await known(harness);
  const asking: Asking = { offsets: [['orders', 0, 0n]], partitionMaxBytes: 1 };
  const { answer } = await round(harness, asking, { 0: {} });
  expect(batchesOf(answer, 'orders', 0)).toEqual(batches.slice(0, 1));
  const size = batches[0]?.length ?? 0;
  const three = { offsets: asking.offsets, maxBytes: 3 * size + 10 };
  expect(batchesOf((await round(harness, three, { 0: {} })).answer, 'orders', 0)).toHaveLength(3);
});

test('a request that also asks the broker for something does not wait for it', async () => {
  const { harness, batches } = await trimmed();
  await known(harness);
  const asking: Asking = {
    offsets: [
      ['orders', 0, 95n],
      ['orders', 1, 7n],
    ],
    minBytes: 1_000_000,
    maxWaitMs: 500,
  };
  const { answer, asked } = await round(harness, asking, { 0: {}, 1: { logStartOffset: 3n } });
  expect(asked).toMatchObject({ minBytes: 0, maxWaitMs: 0 });
  expect(asked?.topics[0]?.partitions.map(({ fetchOffset }) => fetchOffset)).toEqual([100n, 7n]);
  expect(batchesOf(answer, 'orders', 0)).toEqual(batches.slice(-1));
  expect(partitionOf(answer, 'orders', 1)).toMatchObject({ errorCode: 0, logStartOffset: 3n });
});

test('of many trimmed partitions none waits for ever', async () => {
  const { harness, batches, view } = await trimmed();
  const partitions = [0, 1, 2, 3, 4, 5, 6];
  for (const partition of partitions) {
    const name = { ...NAME, partition };
    const segments = await putSegments(harness.read.bucket, name, [batches], 0n);
    harness.read.states.set({ ...view, partition, segments });
    await harness.read.stored.views.get(name);
  }
  const offsets = partitions.map((partition) => ['orders', partition, 0n] as const);
  const maxBytes = 2 * (batches[0]?.length ?? 0);
  const served = new Set<number>();
  for (let turn = 0; turn < partitions.length; turn++) {
    const request = requestOf(VERSION, { offsets, maxBytes });
    const handled = await harness.handler.handle(request, harness.connection);
    if (handled.kind !== 'forward') throw new TypeError('the broker is asked');
    harness.broker.answer(Buffer.concat(handled.frame), request);
    const asked = harness.broker.requests.at(-1)?.topics.flatMap((topic) => topic.partitions) ?? [];
    const answered = asked.map(({ partition }) => ({
      partitionIndex: partition,
      errorCode: 0,
      highWatermark: END,
      lastStableOffset: END,
      logStartOffset: TRIM_INTENT,
      abortedTransactions: null,
      records: Buffer.alloc(0),
    }));
    const responses = [{ topic: 'orders', partitions: answered }];
    const frame = brokerFrame(FetchResponse, VERSION, { throttleTimeMs: 0, responses });
    const reply = await harness.replyOf(handled, frame);
    const body = decoded(FetchResponse, VERSION, bytesOf(reply));
    for (const partition of partitions) {
      if (batchesOf(body, 'orders', partition).length > 0) served.add(partition);
    }
    reply.release?.();
  }
  expect(served).toEqual(new Set(partitions));
});

test('what does not fit into memory all at once is answered as it is stored', async () => {
  const memory = { laggingBytesMax: 2 * 1024 * 1024 };
  const harness = new FetchHarness([topicOf('orders')], [], memory);
  const partitions = Array.from({ length: 12 }, (_, partition) => {
    // The reading of some goes on when others have been read.
    const batches = Array.from({ length: 4 * (partition + 1) }, (_none, index) => {
      const value = Buffer.alloc(18_000, `${partition}/${index} `);
      const header = { baseOffset: BigInt(index), partitionLeaderEpoch: 2 };
      return buildRecordBatch(header, [{ value }]);
    });
    return { name: { ...NAME, partition }, batches, trimmedTo: BigInt(batches.length) };
  });
  for (const { name, batches, trimmedTo } of partitions) {
    const segments = await putSegments(harness.read.bucket, name, [batches], 0n);
    const trimming = { logicalStart: 0n, trimIntent: trimmedTo, consolidatedTo: trimmedTo };
    harness.read.states.set({ ...emptyView(name), cursor: END, ...trimming, segments });
    await harness.read.stored.views.get(name);
  }
  const offsets = partitions.map(({ name }) => ['orders', name.partition, 0n] as const);
  const answers = Object.fromEntries(
    partitions.map(({ name, trimmedTo }) => [name.partition, { logStartOffset: trimmedTo }]),
  );
  for (let turn = 0; turn < 3; turn++) {
    const { answer } = await round(harness, { offsets }, answers);
    for (const { name, batches } of partitions) {
      const served = batchesOf(answer, 'orders', name.partition);
      expect(Buffer.concat(served).equals(Buffer.concat(batches))).toBe(true);
    }
  }
});

test("the broker's refusals are passed on", async () => {
  const { harness } = await trimmed();
  await known(harness);
  const { TOPIC_AUTHORIZATION_FAILED: errorCode } = KafkaErrorCode;
  const refused = { errorCode, highWatermark: -1n, logStartOffset: -1n };
  const { answer } = await round(harness, { offsets: [['orders', 0, 0n]] }, { 0: refused });
  expect(partitionOf(answer, 'orders', 0)).toMatchObject({ errorCode });
  expect(batchesOf(answer, 'orders', 0)).toEqual([]);
});

test('a trim that the member has not heard of costs a round, and no offset', async () => {
  const { harness, batches, view } = await trimmed();
  harness.read.states.set({ ...view, trimIntent: null });
  await known(harness);
  harness.read.states.set(view);
  const asking: Asking = { offsets: [['orders', 0, 50n]] };
  const first = await round(harness, asking, { 0: OUT_OF_RANGE });
  expect(partitionOf(first.answer, 'orders', 0)).toMatchObject({
    errorCode: 0,
    highWatermark: END,
    logStartOffset: 0n,
  });
  const second = await round(harness, asking, { 0: {} });
  expect(batchesOf(second.answer, 'orders', 0)).toEqual(batches.slice(10));
});

test('a later trim is heard of when the broker does not have the old one any more', async () => {
  const { harness, batches, view } = await trimmed();
  harness.read.states.set({ ...view, trimIntent: 50n });
  await known(harness);
  harness.read.states.set(view);
  const asking: Asking = { offsets: [['orders', 0, 20n]] };
  const first = await round(harness, asking, { 0: OUT_OF_RANGE });
  expect(partitionOf(first.answer, 'orders', 0)?.errorCode).toBe(0);
  const second = await round(harness, asking, { 0: {} });
  expect(batchesOf(second.answer, 'orders', 0)).toEqual(batches.slice(4));
});

test('what a user deleted in the broker is out of range', async () => {
  const { harness } = await trimmed();
  await known(harness);
  const asking: Asking = { offsets: [['orders', 0, 50n]] };
  const { answer } = await round(harness, asking, { 0: OUT_OF_RANGE });
  expect(partitionOf(answer, 'orders', 0)).toMatchObject(OUT_OF_RANGE);
});

test('below the logical start everything is out of range, what the broker has too', async () => {
  const { harness } = await trimmed({ logicalStart: 110n });
  await known(harness);
  for (const offset of [0n, 99n, 105n]) {
    const asking: Asking = { offsets: [['orders', 0, offset]] };
    const { answer, asked } = await round(harness, asking, { 0: {} });
    expect(asked?.topics[0]?.partitions[0]?.fetchOffset).toBe(110n);
    expect(partitionOf(answer, 'orders', 0)).toMatchObject(OUT_OF_RANGE);
  }
  const at = await round(harness, { offsets: [['orders', 0, 110n]] }, { 0: {} });
  expect(partitionOf(at.answer, 'orders', 0)).toMatchObject({ errorCode: 0, logStartOffset: 110n });
});

test('what a user asked to delete counts before the journal has it', async () => {
  const { harness, batches } = await trimmed();
  await known(harness);
  harness.starts.request(NAME, 50n);
  const below = await round(harness, { offsets: [['orders', 0, 49n]] }, { 0: {} });
  expect(partitionOf(below.answer, 'orders', 0)).toMatchObject(OUT_OF_RANGE);
  const { answer } = await round(harness, { offsets: [['orders', 0, 50n]] }, { 0: {} });
  expect(batchesOf(answer, 'orders', 0)).toEqual(batches.slice(10));
});

test('while nobody says what was trimmed nothing is out of range', async () => {
  const { harness } = await trimmed();
  harness.read.states.isDown = true;
  const asking: Asking = { offsets: [['orders', 0, 50n]] };
  const { answer } = await round(harness, asking, { 0: OUT_OF_RANGE });
  expect(partitionOf(answer, 'orders', 0)?.errorCode).toBe(KafkaErrorCode.REPLICA_NOT_AVAILABLE);
});

test('a segment that is gone is an error and one alarm, and never skipped', async () => {
  const { harness, view } = await trimmed();
  await known(harness);
  const [segment] = view.segments;
  if (segment === undefined) throw new TypeError('there are two');
  const id = { ...NAME, segmentId: segment.id };
  harness.read.store.objects.delete(segmentKeys(SEGMENT_PREFIX, id, 0n).log);
  for (let attempt = 0; attempt < 2; attempt++) {
    const { answer } = await round(harness, { offsets: [['orders', 0, 0n]] }, { 0: {} });
    expect(partitionOf(answer, 'orders', 0)?.errorCode).toBe(KafkaErrorCode.KAFKA_STORAGE_ERROR);
  }
  expect(harness.warnings.filter((line) => line.includes('ALARM'))).toHaveLength(1);
});

test('other topics are not looked at', async () => {
  const { harness } = await trimmed();
  const request = requestOf(VERSION, { offsets: [['classic', 0, 0n]] });
  const handled = await harness.handler.handle(request, harness.connection);
  expect(handled).toMatchObject({ kind: 'forward', frame: [request.frame] });
  const partitions = [{ partitionIndex: 0, records: Buffer.alloc(0), ...OUT_OF_RANGE }];
  const frame = brokerFrame(FetchResponse, VERSION, {
    throttleTimeMs: 0,
    errorCode: 0,
    responses: [
      {
        topic: 'classic',
        partitions: partitions.map((one) => ({ ...one, errorCode: 1, highWatermark: -1n })),
      },
    ],
  });
  expect((await harness.replyOf(handled, frame)).chunks).toEqual([frame]);
  expect(harness.read.states.asked).toBe(0);
});
