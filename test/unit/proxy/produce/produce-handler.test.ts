import { setImmediate } from 'node:timers/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { CODEC, KafkaErrorCode, ProduceResponse } from '../../../../kafka/index.ts';
import type { Handled } from '../../../../proxy/connection/handler.ts';
import { idOf, topicOf } from '../../../support/fake-catalog.ts';
import { bytesOf, decoded } from '../../../support/handler-calls.ts';
import { proxied } from '../../../support/proxied-connection.ts';
import { DOWN } from '../wal/faulty-object-store.ts';
import {
  batchOf,
  brokerAnswer,
  forwardedBatches,
  ProduceHarness,
  requestOf,
} from './produce-harness.ts';

const VERSIONS = Array.from({ length: 14 }, (_, version) => version);
const VERSIONS_WITH_BATCHES = VERSIONS.filter((version) => version >= 3);

function rewriterOf(handled: Handled): (frame: Buffer) => unknown {
  if (handled.kind !== 'forward' || typeof handled.reply !== 'function') {
    throw new TypeError('the answer is not looked at');
  }
  return handled.reply;
}

async function replyOf(handled: Handled, answer: Buffer): Promise<Buffer> {
  if (handled.kind !== 'forward' || typeof handled.reply !== 'function') {
    throw new TypeError('the answer is not looked at');
  }
  return bytesOf(await handled.reply(answer));
}

function end(handled: Handled, outcome: 'answered' | 'lost' | 'unsent'): void {
  if (handled.kind !== 'forward') throw new TypeError('the request was not forwarded');
  handled.ended?.(outcome);
}

describe.each(VERSIONS)('Produce v%i', (version) => {
  test('a request without diskless topics is forwarded as the bytes that it came in', async () => {
    const harness = new ProduceHarness();
    const request = requestOf(version, [['classic', 0, batchOf()]]);
    const handled = await harness.handle(request);
    expect(handled.kind === 'forward' && handled.frame).toEqual([request.frame]);
    expect(handled.kind === 'forward' && handled.frame[0]).toBe(request.frame);
    expect(harness.wal.store.puts).toEqual([]);
    const answer = brokerAnswer(version, [['classic', 0, 0]]);
    if (handled.kind !== 'forward' || typeof handled.reply !== 'function') return;
    expect(await handled.reply(answer)).toEqual({ chunks: [answer] });
  });

  test('a request with acks=0 and no diskless topic has no answer', async () => {
    const request = requestOf(version, [['classic', 0, batchOf()]], 0);
    const handled = await new ProduceHarness().handle(request);
    expect(handled).toMatchObject({ kind: 'forward', frame: [request.frame], reply: 'none' });
  });
});

test.each([0, 1, 2])(
  'batches of Produce v%i are older than placeholders and stay real',
  async (version) => {
    const request = requestOf(version, [['orders', 0, batchOf()]]);
    const handled = await new ProduceHarness().handle(request);
    expect(handled).toMatchObject({ kind: 'forward', frame: [request.frame], reply: 'pass' });
  },
);

describe.each(VERSIONS_WITH_BATCHES)('Produce v%i', (version) => {
  test('placeholders of diskless topics go out among the batches of classic ones', async () => {
    const harness = new ProduceHarness();
    const [first, second, classic] = [
      batchOf(),
      batchOf({ producerId: 7n, baseSequence: 3 }),
      batchOf(),
    ];
    const request = requestOf(version, [
      ['orders', 0, first],
      ['orders', 3, second],
      ['classic', 1, classic],
    ]);
    const handled = await harness.handle(request);
    const { acks, batches } = forwardedBatches(handled, request);
    expect(acks).toBe(-1);
    expect([...batches.keys()]).toEqual(['orders-0', 'orders-3', 'classic-1']);
    expect(batches.get('classic-1')).toEqual(classic);
    expect(harness.realOf(batches.get('orders-0') ?? null, 'orders', 0)).toEqual(first);
    expect(harness.realOf(batches.get('orders-3') ?? null, 'orders', 3)).toEqual(second);
    const answer = brokerAnswer(version, [
      ['orders', 0, 0],
      ['orders', 3, 0],
      ['classic', 1, 0],
    ]);
    expect(await replyOf(handled, answer)).toEqual(answer);
    expect(harness.wal.settled).toEqual([]);
    end(handled, 'answered');
    expect(harness.wal.settled).toHaveLength(1);
  });

  test('what the topic refuses is answered here and the rest by the broker', async () => {
    const compacted = topicOf('compacted', { configs: { compacted: true } });
    const harness = new ProduceHarness({ known: [topicOf('orders'), compacted] });
    const request = requestOf(version, [
      ['compacted', 0, batchOf({}, 20, false)],
      ['compacted', 1, batchOf()],
      ['orders', 0, batchOf()],
    ]);
    const handled = await harness.handle(request);
    const { batches } = forwardedBatches(handled, request);
    expect([...batches.keys()]).toEqual(['compacted-1', 'orders-0']);
    const answer = brokerAnswer(version, [
      ['compacted', 1, 0],
      ['orders', 0, 0],
    ]);
    const { responses } = decoded(ProduceResponse, version, await replyOf(handled, answer));
    const partitions = responses.flatMap(({ name, topicId, partitionResponses }) =>
      partitionResponses.map(({ index, errorCode }) => [
        version < 13 ? idOf(name) : topicId,
        index,
        errorCode,
      ]),
    );
    expect(partitions).toEqual([
      [idOf('compacted'), 1, 0],
      [idOf('compacted'), 0, KafkaErrorCode.INVALID_RECORD],
      [idOf('orders'), 0, 0],
    ]);
    const refused = responses[0]?.partitionResponses[1];
    if (version >= 8) {
      expect(refused?.recordErrors).toHaveLength(20);
      expect(refused?.errorMessage).toContain('key');
    }
  });
});

test('a request of which everything is refused is answered without the broker', async () => {
  const compacted = topicOf('compacted', { configs: { compacted: true } });
  const harness = new ProduceHarness({ known: [compacted] });
  const request = requestOf(9, [['compacted', 0, batchOf({}, 20, false)]]);
  const handled = await harness.handle(request);
  if (handled.kind !== 'answer') throw new TypeError('the broker was asked');
  const { responses } = decoded(ProduceResponse, 9, bytesOf(handled.reply));
  expect(responses[0]?.partitionResponses[0]).toMatchObject({
    index: 0,
    errorCode: 87,
    baseOffset: -1n,
  });
});

test('batches that cannot be judged, or are not worth a file, go to the broker as they are', async () => {
  const harness = new ProduceHarness();
  const small = batchOf({}, 1);
  const damaged = batchOf();
  damaged.writeUInt8(damaged.readUInt8(100) ^ 1, 100);
  const late = batchOf({ baseTimestamp: BigInt(harness.wal.clock.wallMs() + 10_000_000) });
  const large = batchOf({}, 11_000);
  const two = Buffer.concat([batchOf(), batchOf()]);
  for (const batch of [small, damaged, late, large, two, Buffer.alloc(3), null]) {
    const request = requestOf(9, [['orders', 0, batch]]);
    const handled = await harness.handle(request);
    expect(handled).toMatchObject({ kind: 'forward', frame: [request.frame] });
  }
  expect(harness.wal.store.puts).toEqual([]);
});

test('before Produce v7 placeholders of many records are plain, since brokers refuse zstd', async () => {
  for (const [version, codec] of [
    [6, CODEC.none],
    [7, CODEC.zstd],
  ] as const) {
    const harness = new ProduceHarness();
    const request = requestOf(version, [['orders', 0, batchOf({}, 500)]]);
    const { batches } = forwardedBatches(await harness.handle(request), request);
    expect((batches.get('orders-0')?.readUInt16BE(21) ?? -1) & 7).toBe(codec);
  }
});

test('topics that are named by an unknown id are looked up first, and so are their settings', async () => {
  const late = { ...topicOf('late'), configs: null };
  const orders = { ...topicOf('orders'), configs: null };
  const harness = new ProduceHarness({ known: [orders], hidden: [late] });
  const request = requestOf(13, [
    ['late', 0, batchOf()],
    ['orders', 0, batchOf()],
  ]);
  const { batches } = forwardedBatches(await harness.handle(request), request);
  expect(harness.catalog.lookedUp).toEqual([{ ids: [late.topicId] }]);
  harness.realOf(batches.get('late-0') ?? null, 'late', 0);
  harness.realOf(batches.get('orders-0') ?? null, 'orders', 0);
});

test('a topic that the cluster does not have is left to the broker', async () => {
  const request = requestOf(13, [['gone', 0, batchOf()]]);
  const handled = await new ProduceHarness().handle(request);
  expect(handled).toMatchObject({ kind: 'forward', frame: [request.frame] });
});

describe('acks=0', () => {
  test('an answer is asked for and kept from the client', async () => {
    const harness = new ProduceHarness();
    const request = requestOf(9, [['orders', 0, batchOf()]], 0);
    const handled = await harness.handle(request);
    expect(forwardedBatches(handled, request).acks).toBe(1);
    expect(rewriterOf(handled)(brokerAnswer(9, [['orders', 0, 0]]))).toBeNull();
  });

  test('an error closes the connection', async () => {
    const harness = new ProduceHarness();
    const handled = await harness.handle(requestOf(9, [['orders', 0, batchOf()]], 0));
    expect(() => rewriterOf(handled)(brokerAnswer(9, [['orders', 0, 6]]))).toThrow(
      expect.objectContaining({ code: 'PROXY_UNACKNOWLEDGED_PRODUCE_FAILED' }),
    );
  });

  test('what is not refused is delivered before a refusal closes the connection', async () => {
    const compacted = topicOf('compacted', { configs: { compacted: true } });
    const harness = new ProduceHarness({ known: [topicOf('orders'), compacted] });
    const bad = ['compacted', 0, batchOf({}, 20, false)] as const;
    const mixed = requestOf(9, [bad, ['orders', 0, batchOf()]], 0);
    const handled = await harness.handle(mixed);
    expect([...forwardedBatches(handled, mixed).batches.keys()]).toEqual(['orders-0']);
    expect(() => rewriterOf(handled)(brokerAnswer(9, [['orders', 0, 0]]))).toThrow('acks=0');
    const alone = await harness.handle(requestOf(9, [bad], 0));
    expect(alone).toEqual({ kind: 'answer', reply: null, close: true });
  });
});

describe('while the object store takes no writes', () => {
  test('batches are refused with an error that producers retry, and the rest goes on', async () => {
    const harness = new ProduceHarness({ writer: { produceTimeoutMs: 1_000 } });
    harness.wal.store.onPut = () => DOWN;
    const request = requestOf(9, [
      ['orders', 0, batchOf()],
      ['classic', 0, batchOf()],
    ]);
    const handling = harness.handle(request);
    await harness.wal.clock.advance(2_000);
    const handled = await handling;
    expect([...forwardedBatches(handled, request).batches.keys()]).toEqual(['classic-0']);
    const answer = brokerAnswer(9, [['classic', 0, 0]]);
    const { responses } = decoded(ProduceResponse, 9, await replyOf(handled, answer));
    expect(
      responses.map(({ name, partitionResponses }) => [name, partitionResponses[0]?.errorCode]),
    ).toEqual([
      ['classic', 0],
      ['orders', KafkaErrorCode.NOT_ENOUGH_REPLICAS],
    ]);
  });

  test('batches go to the broker as they are under the policy passthrough', async () => {
    const harness = new ProduceHarness({
      policy: 'passthrough',
      writer: { produceTimeoutMs: 1_000 },
    });
    harness.wal.store.onPut = () => DOWN;
    const request = requestOf(9, [['orders', 0, batchOf()]]);
    const handling = harness.handle(request);
    await harness.wal.clock.advance(2_000);
    expect(await handling).toMatchObject({ kind: 'forward', frame: [request.frame] });
  });
});

test('a request waits for room in the writer, and is refused when there is none for long', async () => {
  const harness = new ProduceHarness({
    writer: { uploadsMax: 1, maxBytes: 3_000, bufferBytesMax: 3_000, produceTimeoutMs: 600_000 },
  });
  harness.wal.store.onPut = () => ({ kind: 'none', afterMs: 9_000 });
  const handle = async (): Promise<Handled> =>
    await harness.handler.handle(requestOf(9, [['orders', 0, batchOf()]]), harness.connection);
  const handled = Array.from({ length: 8 }, handle);
  await harness.wal.clock.advance(200_000);
  const kinds = (await Promise.all(handled)).map(({ kind }) => kind);
  expect(kinds.slice(0, 4)).toEqual(['forward', 'forward', 'forward', 'forward']);
  expect(kinds.at(-1)).toBe('answer');
});

describe('the share of a WAL file', () => {
  test.each(['answered', 'lost', 'unsent'] as const)(
    'ends once when a request is %s',
    async (outcome) => {
      const harness = new ProduceHarness();
      const handled = await harness.handle(requestOf(9, [['orders', 0, batchOf()]]));
      end(handled, outcome);
      expect(harness.wal.writer.stats.commits).toEqual({
        open: 0,
        settled: outcome === 'lost' ? 0 : 1,
        unsettled: outcome === 'lost' ? 1 : 0,
      });
    },
  );

  test('ends when placeholders cannot be built', async () => {
    const harness = new ProduceHarness();
    const batch = batchOf();
    const request = requestOf(9, [['orders', 0, batch]]);
    const at = request.frame.indexOf(batch.subarray(61));
    harness.wal.store.onPut = () => {
      request.frame.writeInt32BE(0, at - 4); // the record count, after it was checked
      return { kind: 'none', afterMs: 0 };
    };
    await expect(harness.handle(request)).rejects.toThrow();
    expect(harness.wal.writer.stats.commits).toEqual({ open: 0, settled: 1, unsettled: 0 });
  });

  test('ends when the deadline passed before the request could be forwarded', async () => {
    const harness = new ProduceHarness({ writer: { commitDeadlineMs: 5_000 } });
    harness.wal.store.onPut = () => ({ kind: 'none', afterMs: 6_000 });
    const handling = harness.handle(requestOf(9, [['orders', 0, batchOf()]]));
    await harness.wal.clock.advance(7_000);
    const handled = await handling;
    if (handled.kind !== 'answer') throw new TypeError('a placeholder was forwarded');
    const { responses } = decoded(ProduceResponse, 9, bytesOf(handled.reply));
    expect(responses[0]?.partitionResponses[0]?.errorCode).toBe(19);
    expect(harness.wal.writer.stats.commits.open).toBe(0);
  });
});

test('no acknowledgement is passed on after the commit deadline', async () => {
  const harness = new ProduceHarness({ writer: { commitDeadlineMs: 5_000 } });
  const handled = await harness.handle(requestOf(9, [['orders', 0, batchOf()]]));
  const answer = brokerAnswer(9, [['orders', 0, 0]]);
  expect(await replyOf(handled, answer)).toEqual(answer);
  await harness.wal.clock.advance(5_001);
  expect(() => rewriterOf(handled)(answer)).toThrow(
    expect.objectContaining({ code: 'PROXY_COMMIT_DEADLINE_PASSED' }),
  );
});

test('what waits for the answer does not hold on to the bytes that were produced', async () => {
  const harness = new ProduceHarness();
  const request = requestOf(9, [['orders', 0, batchOf({}, 500)]]);
  const handled = await harness.handle(request);
  if (handled.kind !== 'forward') throw new TypeError('the request was not forwarded');
  for (const chunk of handled.frame) expect(chunk.buffer === request.frame.buffer).toBe(false);
});

test('pipelined requests reach the broker in their order, whatever each of them waits for', async () => {
  const harness = new ProduceHarness();
  harness.wal.store.onPut = (call) => ({ kind: 'none', afterMs: call === 0 ? 300 : 20 });
  const { client, broker, end: close } = await proxied(harness.handler);
  onTestFinished(close);
  const requests = (
    [
      ['orders', 0, batchOf()],
      ['classic', 0, batchOf()],
      ['orders', 1, batchOf()],
      ['orders', 2, batchOf({}, 1)],
    ] as const
  ).map((batch) => requestOf(9, [batch]));
  client.send(...requests.map(({ frame }) => frame));
  while (harness.wal.store.puts.length < 1) await setImmediate();
  await harness.wal.clock.advance(1_000);
  const keys: string[] = [];
  for (const request of requests) {
    const frame = (await broker.frame()) ?? Buffer.alloc(0);
    const handled: Handled = { kind: 'forward', frame: [frame], reply: 'pass' };
    keys.push(...forwardedBatches(handled, request).batches.keys());
  }
  expect(keys).toEqual(['orders-0', 'classic-0', 'orders-1', 'orders-2']);
});

test('a connection that is lost leaves its files unsettled', async () => {
  const harness = new ProduceHarness();
  const { client, broker, connection, closed } = await proxied(harness.handler);
  client.send(requestOf(9, [['orders', 0, batchOf()]]).frame);
  while (harness.wal.store.puts.length < 1) await setImmediate();
  await broker.frame();
  connection.destroy();
  await closed;
  expect(harness.wal.writer.stats.commits).toEqual({ open: 0, settled: 0, unsettled: 1 });
});

test('a client that leaves before its placeholders are forwarded does not hinder the settling', async () => {
  const harness = new ProduceHarness();
  harness.wal.store.onPut = () => ({ kind: 'none', afterMs: 300 });
  const { client, connection, closed } = await proxied(harness.handler);
  client.send(requestOf(9, [['orders', 0, batchOf()]]).frame);
  while (harness.wal.store.puts.length < 1) await setImmediate();
  connection.destroy();
  await closed;
  await harness.wal.clock.advance(1_000);
  expect(harness.wal.writer.stats.commits).toEqual({ open: 0, settled: 1, unsettled: 0 });
});
