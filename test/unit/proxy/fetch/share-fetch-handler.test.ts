import { describe, expect, test } from 'vitest';
import {
  BATCH_FIELD,
  completeBatches,
  KafkaErrorCode,
  ShareFetchRequest,
  ShareFetchResponse,
} from '../../../../kafka/index.ts';
import type { ClientRequest, Handled } from '../../../../proxy/connection/handler.ts';
import { shareFetchHandler } from '../../../../proxy/fetch/share-fetch-handler.ts';
import type { CatalogTopic } from '../../../../proxy/topics/topic-catalog.ts';
import { idOf, topicOf } from '../../../support/fake-catalog.ts';
import { brokerFrame, bytesOf, clientRequest, decoded } from '../../../support/handler-calls.ts';
import { DOWN, SOUND } from '../wal/faulty-object-store.ts';
import { batchOf, FetchHarness, KEY_RING, slabBytes, valuesOf } from './fetch-harness.ts';

const MEBIBYTE = 1024 * 1024;
type Asked = Partial<Parameters<typeof ShareFetchRequest.encode>[0]>;
type Topics = ShareFetchRequest['topics'];

/** What handlers of fetches share, with a ShareFetch handler on top. */
class ShareHarness extends FetchHarness {
  available = true;
  readonly share: ReturnType<typeof shareFetchHandler>;

  constructor(
    known: readonly CatalogTopic[] = [topicOf('orders')],
    hidden: readonly CatalogTopic[] = [],
  ) {
    super(known, hidden);
    this.share = shareFetchHandler({
      catalog: this.catalog,
      keyRing: KEY_RING,
      filler: this.filler,
      ratios: this.ratios,
      leaderHints: { rewriteShareFetch: () => this.hinted },
      storeAvailable: () => this.available,
      answerBytesMax: 16 * MEBIBYTE,
      clock: this.read.clock,
    });
  }

  async ask(version: number, asked: Asked): Promise<{ request: ClientRequest; handled: Handled }> {
    const request = clientRequest(ShareFetchRequest, version, {
      shareSessionEpoch: 0,
      maxWaitMs: 500,
      minBytes: 1,
      maxBytes: 50 * MEBIBYTE,
      maxRecords: 500,
      batchSize: 500,
      topics: [],
      forgottenTopicsData: [],
      ...asked,
    });
    const handling = Promise.resolve(this.share.handle(request, this.connection));
    await Promise.race([handling, this.read.clock.advance(60_000)]);
    return { request, handled: await handling };
  }

  async answer(version: number, handled: Handled, records: ReadonlyMap<string, Buffer>) {
    const responses = [...records].map(([key, bytes]) => ({
      topicId: idOf(key.split('-')[0] ?? ''),
      partitions: [
        {
          partitionIndex: Number(key.split('-')[1]),
          errorCode: 0,
          acknowledgeErrorCode: 0,
          currentLeader: { leaderId: -1, leaderEpoch: -1 },
          records: bytes,
          acquiredRecords: [{ firstOffset: 0n, lastOffset: 19n, deliveryCount: 1 }],
        },
      ],
    }));
    const frame = brokerFrame(ShareFetchResponse, version, {
      throttleTimeMs: 0,
      errorCode: 0,
      acquisitionLockTimeoutMs: 30_000,
      responses,
      nodeEndpoints: [],
    });
    const reply = await this.replyOf(handled, frame);
    return { frame, reply, body: decoded(ShareFetchResponse, version, bytesOf(reply)) };
  }
}

function asking(...partitions: readonly string[]): Topics {
  return partitions.map((key) => ({
    topicId: idOf(key.split('-')[0] ?? ''),
    partitions: [{ partitionIndex: Number(key.split('-')[1]), acknowledgementBatches: [] }],
  }));
}

function upstreamOf(request: ClientRequest, handled: Handled): ShareFetchRequest {
  if (handled.kind !== 'forward') throw new TypeError('the request was not forwarded');
  const frame = Buffer.concat(handled.frame);
  return ShareFetchRequest.decode(frame, request.apiVersion, request.bodyOffset);
}

/** Batches as the broker returns them, one behind the other. */
function logOf(...batches: readonly Buffer[]): Buffer {
  const copies = batches.map((batch, index) => {
    const copy = Buffer.from(batch);
    copy.writeBigInt64BE(BigInt(index * 20), BATCH_FIELD.baseOffset);
    return copy;
  });
  return Buffer.concat(copies);
}

function partition(body: ShareFetchResponse, index: number) {
  return body.responses[index]?.partitions[0];
}

describe.each([1, 2])('ShareFetch v%i', (version) => {
  test('all placeholders are filled, whatever limit the client gave', async () => {
    const harness = new ShareHarness();
    const reals = Array.from({ length: 100 }, () => batchOf(20, 1_000));
    const records = logOf(...harness.placeholders('orders', 2, ...reals));
    const { handled } = await harness.ask(version, { topics: asking('orders-2'), maxBytes: 1 });
    const { body, reply } = await harness.answer(
      version,
      handled,
      new Map([['orders-2', records]]),
    );
    const filled = [...completeBatches(partition(body, 0)?.records ?? Buffer.alloc(0))];
    expect(valuesOf(filled)).toEqual(valuesOf(reals));
    expect(partition(body, 0)?.acquiredRecords).toHaveLength(1);
    const realBytes = reals.reduce((sum, { length }) => sum + length, 0);
    expect(harness.budget.bytesHeld).toBe(slabBytes(realBytes));
    reply.release?.();
    expect(harness.budget.bytesHeld).toBe(0);
  });

  test('a partition of which something is missing has no records and no acquisitions', async () => {
    const harness = new ShareHarness();
    const lost = harness.placeholders('orders', 0, batchOf());
    harness.read.store.objects.clear();
    const [kept = Buffer.alloc(0)] = harness.placeholders('orders', 0, batchOf());
    const whole = harness.placeholders('orders', 1, batchOf());
    const { handled } = await harness.ask(version, { topics: asking('orders-0', 'orders-1') });
    const { body } = await harness.answer(
      version,
      handled,
      new Map([
        ['orders-0', logOf(kept, ...lost)],
        ['orders-1', logOf(...whole)],
      ]),
    );
    expect(partition(body, 0)).toMatchObject({
      errorCode: KafkaErrorCode.KAFKA_STORAGE_ERROR,
      records: Buffer.alloc(0),
      acquiredRecords: [],
    });
    expect(partition(body, 1)).toMatchObject({
      errorCode: 0,
      acquiredRecords: [{ firstOffset: 0n }],
    });
  });

  test('an answer without placeholders is passed on as the bytes that it came in', async () => {
    const harness = new ShareHarness([topicOf('classic', { diskless: false })]);
    const { request, handled } = await harness.ask(version, { topics: asking('classic-0') });
    expect(handled.kind === 'forward' && handled.frame[0]).toBe(request.frame);
    const records = new Map([['classic-0', logOf(batchOf())]]);
    const { frame, reply } = await harness.answer(version, handled, records);
    expect(reply.chunks[0]).toBe(frame);
  });
});

test('hollow records of a topic whose id cannot be looked up are not handed out', async () => {
  const harness = new ShareHarness([]);
  const records = logOf(...harness.placeholders('orders', 0, batchOf()));
  const { handled } = await harness.ask(1, { topics: asking('orders-0') });
  const { body } = await harness.answer(1, handled, new Map([['orders-0', records]]));
  expect(partition(body, 0)).toMatchObject({ errorCode: 56, acquiredRecords: [] });
});

test('limits are scaled, and so are records once their size is known', async () => {
  const harness = new ShareHarness();
  const reals = Array.from({ length: 20 }, () => batchOf(20, 100_000));
  const records = logOf(...harness.placeholders('orders', 0, ...reals));
  const first = await harness.ask(1, { topics: asking('orders-0') });
  const upstream = upstreamOf(first.request, first.handled);
  expect(upstream.maxBytes).toBeLessThan(2 * MEBIBYTE);
  expect(upstream.maxRecords).toBe(500);
  await harness.answer(1, first.handled, new Map([['orders-0', records]]));
  const second = await harness.ask(1, { shareSessionEpoch: 1 });
  expect(upstreamOf(second.request, second.handled).maxRecords).toBeLessThan(180);
});

test('a session remembers its partitions until they are forgotten or it is opened anew', async () => {
  const harness = new ShareHarness([topicOf('orders'), topicOf('classic', { diskless: false })]);
  const isScaled = async (asked: Asked): Promise<boolean> => {
    const { request, handled } = await harness.ask(1, asked);
    return upstreamOf(request, handled).maxBytes < 50 * MEBIBYTE;
  };
  expect(await isScaled({ topics: asking('classic-0') })).toBe(false);
  expect(await isScaled({ topics: asking('orders-0', 'orders-1'), shareSessionEpoch: 1 })).toBe(
    true,
  );
  expect(await isScaled({ shareSessionEpoch: 2 })).toBe(true);
  const forgotten = (index: number) => [{ topicId: idOf('orders'), partitions: [index] }];
  expect(await isScaled({ forgottenTopicsData: forgotten(0), shareSessionEpoch: 3 })).toBe(true);
  expect(await isScaled({ forgottenTopicsData: forgotten(1), shareSessionEpoch: 4 })).toBe(false);
  expect(await isScaled({ topics: asking('orders-0'), shareSessionEpoch: 5 })).toBe(true);
  expect(await isScaled({ topics: asking('classic-0'), shareSessionEpoch: 0 })).toBe(false);
});

test('a request that only renews goes on asking for nothing', async () => {
  const harness = new ShareHarness();
  await harness.ask(2, { topics: asking('orders-0') });
  harness.available = false;
  const zero = { maxBytes: 0, minBytes: 0, maxRecords: 0, maxWaitMs: 0 };
  const asked = { ...zero, isRenewAck: true, shareSessionEpoch: 1, topics: asking('orders-0') };
  const { request, handled } = await harness.ask(2, asked);
  expect(upstreamOf(request, handled)).toMatchObject({ ...zero, isRenewAck: true });
});

describe('while the store does not answer', () => {
  test('nothing is acquired, but acknowledgements get through', async () => {
    const harness = new ShareHarness();
    harness.available = false;
    const { handled } = await harness.ask(1, { topics: asking('orders-0') });
    if (handled.kind !== 'answer') throw new TypeError('the request was forwarded');
    const body = decoded(ShareFetchResponse, 1, bytesOf(handled.reply));
    expect(body).toMatchObject({ errorCode: 56, responses: [] });
    const acknowledgementBatches = [{ firstOffset: 0n, lastOffset: 9n, acknowledgeTypes: [1] }];
    const partitions = [{ partitionIndex: 0, acknowledgementBatches }];
    const topics = [{ topicId: idOf('orders'), partitions }];
    const acknowledging = await harness.ask(1, { topics, shareSessionEpoch: 1 });
    expect(acknowledging.handled.kind).toBe('forward');
    const closing = await harness.ask(1, { topics: asking('orders-0'), shareSessionEpoch: -1 });
    expect(closing.handled.kind).toBe('forward');
  });

  test('one failed answer is enough, until the batch that failed can be read', async () => {
    const harness = new ShareHarness();
    const records = logOf(...harness.placeholders('orders', 0, batchOf()));
    const first = await harness.ask(1, { topics: asking('orders-0') });
    harness.read.store.onGet = () => DOWN;
    await harness.answer(1, first.handled, new Map([['orders-0', records]]));
    expect((await harness.ask(1, { topics: asking('orders-0') })).handled.kind).toBe('answer');
    harness.read.store.onGet = () => SOUND;
    expect((await harness.ask(1, { topics: asking('orders-0') })).handled.kind).toBe('forward');
  });

  test('a batch that is lost for good does not stop the others', async () => {
    const harness = new ShareHarness();
    const records = logOf(...harness.placeholders('orders', 0, batchOf()));
    const first = await harness.ask(1, { topics: asking('orders-0') });
    harness.read.store.objects.clear();
    await harness.answer(1, first.handled, new Map([['orders-0', records]]));
    expect((await harness.ask(1, { topics: asking('orders-0') })).handled.kind).toBe('forward');
  });
});
