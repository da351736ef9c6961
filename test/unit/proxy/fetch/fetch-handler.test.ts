import { describe, expect, test } from 'vitest';
import {
  baseOffset,
  batchCrc,
  computeBatchCrc,
  FetchRequest,
  FetchResponse,
  isLogAppendTime,
  KafkaErrorCode,
  KeyRing,
  maxTimestamp,
  partitionLeaderEpoch,
} from '../../../../kafka/index.ts';
import { idOf, topicOf } from '../../../support/fake-catalog.ts';
import { bytesOf, decoded } from '../../../support/handler-calls.ts';
import { LEADER_EPOCH } from './fake-broker.ts';
import {
  batchesOf,
  batchOf,
  FetchHarness,
  partitionOf,
  requestOf,
  valuesOf,
} from './fetch-harness.ts';

const VERSIONS = Array.from({ length: 15 }, (_, index) => index + 4);

describe.each(VERSIONS)('Fetch v%i', (version) => {
  test('placeholders are answered with the batches that they stand for', async () => {
    const harness = new FetchHarness();
    const [first, second, real] = [batchOf(), batchOf(), batchOf()];
    harness.append('orders', 3, first, second);
    harness.broker.append('orders', 3, real);
    const { body } = await harness.fetch(version, { offsets: [['orders', 3, 0n]] });
    const batches = batchesOf(body, 'orders', 3);
    expect(valuesOf(batches)).toEqual(valuesOf([first, second, real]));
    expect(batches.map((batch) => baseOffset(batch))).toEqual([0n, 20n, 40n]);
    for (const batch of batches) {
      expect(partitionLeaderEpoch(batch)).toBe(LEADER_EPOCH);
      expect(computeBatchCrc(batch, 0, batch.length)).toBe(batchCrc(batch));
    }
    expect(partitionOf(body, 'orders', 3)).toMatchObject({ errorCode: 0, highWatermark: 60n });
  });

  test('an answer without placeholders is passed on as the bytes that it came in', async () => {
    const harness = new FetchHarness();
    harness.broker.append('classic', 0, batchOf());
    const asking = { offsets: [['classic', 0, 0n]] as const, sessionId: 5, sessionEpoch: 9 };
    const { request, handled, answer, reply } = await harness.fetch(version, asking);
    expect(handled.kind === 'forward' && handled.frame[0]).toBe(request.frame);
    expect(reply).toEqual({ chunks: [answer] });
    expect(reply.chunks[0]).toBe(answer);
  });

  test('a placeholder is filled even if its topic is taken for a classic one here', async () => {
    const harness = new FetchHarness([topicOf('classic', { diskless: false })]);
    const real = batchOf();
    harness.append('classic', 0, real);
    const { body } = await harness.fetch(version, { offsets: [['classic', 0, 0n]] });
    expect(valuesOf(batchesOf(body, 'classic', 0))).toEqual(valuesOf([real]));
  });

  test('a follower gets what the broker has', async () => {
    const harness = new FetchHarness();
    harness.append('orders', 0, batchOf());
    const { handled } = await harness.fetch(version, {
      offsets: [['orders', 0, 0n]],
      replicaId: 2,
    });
    expect(handled).toMatchObject({ kind: 'forward', reply: 'pass' });
  });
});

test('the classic answer is passed on within the call', () => {
  const harness = new FetchHarness();
  harness.broker.append('classic', 0, batchOf());
  const request = requestOf(12, { offsets: [['classic', 0, 0n]] });
  const handled = harness.handler.handle(request, harness.connection);
  if (handled instanceof Promise || handled.kind !== 'forward') throw new TypeError('late');
  if (typeof handled.reply !== 'function') throw new TypeError('the answer is not looked at');
  const answer = harness.broker.answer(request.frame, request);
  expect(handled.reply(answer)).toEqual({ chunks: [answer] });
});

test('leaders that were rewritten are in the answer', async () => {
  const harness = new FetchHarness();
  harness.hinted = true;
  const { answer, reply } = await harness.fetch(16, { offsets: [['classic', 0, 0n]] });
  expect(reply.chunks[0]).not.toBe(answer);
  expect(bytesOf(reply)).toEqual(answer);
});

describe('sessions', () => {
  test('a fetch of a marked topic makes none, and asks the leader', async () => {
    const harness = new FetchHarness();
    const offsets = [['orders', 0, 0n]] as const;
    const { upstream, body } = await harness.fetch(12, { offsets, sessionEpoch: 0, rackId: 'a' });
    expect(upstream).toMatchObject({ sessionId: 0, sessionEpoch: -1, rackId: '' });
    expect(body.sessionId).toBe(0);
  });

  test('a topic that was marked since it was opened ends it', async () => {
    const harness = new FetchHarness([topicOf('orders', { diskless: false, marked: true })]);
    const asking = { offsets: [['orders', 0, 0n]] as const, sessionId: 7, sessionEpoch: 3 };
    const { handled, body } = await harness.fetch(12, asking);
    expect(handled.kind).toBe('answer');
    expect(body).toMatchObject({
      errorCode: KafkaErrorCode.FETCH_SESSION_ID_NOT_FOUND,
      sessionId: 0,
    });
  });

  test('those of classic topics go on, and what they bring is filled', async () => {
    const harness = new FetchHarness([], [topicOf('orders', { diskless: false })]);
    const real = batchOf();
    harness.append('orders', 0, real);
    const request = requestOf(13, { offsets: [], sessionId: 7, sessionEpoch: 3 });
    const handled = await harness.handler.handle(request, harness.connection);
    const asked = requestOf(13, { offsets: [['orders', 0, 0n]] });
    const answer = harness.broker.answer(asked.frame, asked);
    const body = decoded(FetchResponse, 13, bytesOf(await harness.replyOf(handled, answer)));
    expect(valuesOf(batchesOf(body, 'orders', 0))).toEqual(valuesOf([real]));
    expect(harness.catalog.lookedUp).toEqual([{ ids: [idOf('orders')] }]);
  });
});

test('below v4 a marked topic is refused, since brokers would convert hollow records', async () => {
  for (const version of [0, 1, 2, 3]) {
    const { handled, body } = await new FetchHarness().fetch(version, {
      offsets: [['orders', 2, 0n]],
    });
    expect(handled.kind).toBe('answer');
    expect(partitionOf(body, 'orders', 2)).toMatchObject({
      errorCode: 35,
      records: Buffer.alloc(0),
    });
  }
});

describe('placeholders that cannot be known', () => {
  test('those of a topic whose id cannot be looked up are an error, its real batches are not', async () => {
    const harness = new FetchHarness([]);
    harness.append('orders', 0, batchOf());
    const real = batchOf();
    harness.broker.append('orders', 1, real);
    const offsets = [
      ['orders', 0, 0n],
      ['orders', 1, 0n],
    ] as const;
    const { body } = await harness.fetch(13, { offsets });
    expect(partitionOf(body, 'orders', 0)).toMatchObject({
      errorCode: 9,
      records: Buffer.alloc(0),
    });
    expect(valuesOf(batchesOf(body, 'orders', 1))).toEqual(valuesOf([real]));
  });

  test('an unknown key is an error that consumers retry, and an alarm', async () => {
    const harness = new FetchHarness();
    const [placeholder = Buffer.alloc(0)] = harness.placeholders('orders', 0, batchOf());
    const forged = Buffer.from(placeholder);
    forged.writeUInt8(9, forged.indexOf('⊘or') + 6);
    harness.broker.append('orders', 0, batchOf());
    harness.broker.append('orders', 0, forged);
    const first = await harness.fetch(12, { offsets: [['orders', 0, 0n]] });
    expect(batchesOf(first.body, 'orders', 0)).toHaveLength(1);
    const second = await harness.fetch(12, { offsets: [['orders', 0, 20n]] });
    expect(partitionOf(second.body, 'orders', 0)).toMatchObject({ errorCode: 9 });
    expect(harness.warnings.filter((line) => line.includes('ALARM'))).toHaveLength(1);
  });

  test.each(['another topic', 'another partition', 'another key of the same id'])(
    'a pointer that was made for %s is passed on as it is',
    async (made) => {
      const harness = new FetchHarness();
      const real = batchOf();
      const [topic, partition] = [
        made === 'another topic' ? 'others' : 'orders',
        made === 'another partition' ? 1 : 0,
      ];
      const [copied = Buffer.alloc(0)] = harness.placeholders(topic, partition, real);
      if (made === 'another key of the same id') {
        const other = new KeyRing({ id: 1, secret: Buffer.alloc(32, 'other') });
        const at = copied.indexOf('⊘or');
        const pointer = { fileId: 1n, position: 0, length: 100, attributes: 0, crc: 1 };
        other.encodePointer(pointer, 'orders', 0).copy(copied, at);
      }
      harness.broker.append('orders', 0, copied);
      const { answer, reply } = await harness.fetch(12, { offsets: [['orders', 0, 0n]] });
      expect(reply.chunks[0]).toBe(answer);
    },
  );
});

test('on a topic with LogAppendTime batches carry the time of the broker', async () => {
  const harness = new FetchHarness();
  const real = batchOf();
  const [placeholder = Buffer.alloc(0)] = harness.placeholders('orders', 0, real);
  harness.broker.append('orders', 0, placeholder, 1_900_000_000_000);
  const { body } = await harness.fetch(12, { offsets: [['orders', 0, 0n]] });
  const [batch = Buffer.alloc(0)] = batchesOf(body, 'orders', 0);
  expect(isLogAppendTime(batch.readUInt16BE(21))).toBe(true);
  expect(maxTimestamp(batch)).toBe(1_900_000_000_000n);
  expect(computeBatchCrc(batch, 0, batch.length)).toBe(batchCrc(batch));
  expect(valuesOf([batch])).toEqual(valuesOf([real]));
});

test('bytes that are no batch are passed on for the consumer to complain about', async () => {
  const harness = new FetchHarness();
  harness.append('orders', 0, batchOf());
  const junk = batchOf();
  harness.broker.append('orders', 1, junk);
  const request = requestOf(12, {
    offsets: [
      ['orders', 0, 0n],
      ['orders', 1, 0n],
    ],
  });
  const handled = await harness.handler.handle(request, harness.connection);
  if (handled.kind !== 'forward') throw new TypeError('not forwarded');
  const answer = harness.broker.answer(Buffer.concat(handled.frame), request);
  const at = answer.lastIndexOf(junk.subarray(61));
  answer.writeInt8(99, at - 61 + 16);
  const body = decoded(FetchResponse, 12, bytesOf(await harness.replyOf(handled, answer)));
  expect(batchesOf(body, 'orders', 0)).toHaveLength(1);
  expect(partitionOf(body, 'orders', 1)?.records).toEqual(
    answer.subarray(at - 61, at - 61 + junk.length),
  );
});

test('a client that leaves out nothing but the partition is asked for as it asked', async () => {
  const harness = new FetchHarness();
  const request = requestOf(12, {
    offsets: [
      ['orders', 0, 5n],
      ['orders', 1, 6n],
    ],
  });
  const before = FetchRequest.decode(request.frame, 12, request.bodyOffset);
  const handled = await harness.handler.handle(request, harness.connection);
  if (handled.kind !== 'forward') throw new TypeError('not forwarded');
  const after = FetchRequest.decode(Buffer.concat(handled.frame), 12, request.bodyOffset);
  const limits = { maxBytes: 0, minBytes: 0, sessionEpoch: 0 };
  const withoutLimits = (body: FetchRequest) => ({
    ...body,
    ...limits,
    topics: body.topics.map((topic) => ({
      ...topic,
      partitions: topic.partitions.map((partition) => ({ ...partition, partitionMaxBytes: 0 })),
    })),
  });
  expect(withoutLimits(after)).toEqual(withoutLimits(before));
});
