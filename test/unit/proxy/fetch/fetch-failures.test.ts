import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { FetchResponse, KafkaErrorCode } from '../../../../kafka/index.ts';
import type { Reply } from '../../../../proxy/connection/handler.ts';
import { readLogBatches } from '../../../../proxy/fetch/log-batches.ts';
import { topicOf } from '../../../support/fake-catalog.ts';
import { bytesOf, decoded } from '../../../support/handler-calls.ts';
import { proxied } from '../../../support/proxied-connection.ts';
import { DOWN, SOUND } from '../wal/faulty-object-store.ts';
import {
  batchesOf,
  batchOf,
  FetchHarness,
  KEY_RING,
  partitionOf,
  requestOf,
  valuesOf,
  slabBytes,
} from './fetch-harness.ts';

const OFFSETS = [
  ['orders', 0, 0n],
  ['orders', 1, 0n],
] as const;

test('what is gone from the store stops its partition, and only it', async () => {
  const harness = new FetchHarness();
  const real = batchOf();
  harness.append('orders', 0, batchOf());
  harness.read.store.objects.clear();
  harness.append('orders', 1, real);
  const { body } = await harness.fetch(12, { offsets: OFFSETS });
  expect(partitionOf(body, 'orders', 0)).toMatchObject({
    errorCode: KafkaErrorCode.KAFKA_STORAGE_ERROR,
    records: Buffer.alloc(0),
  });
  expect(valuesOf(batchesOf(body, 'orders', 1))).toEqual(valuesOf([real]));
  expect(harness.read.alarms).toHaveLength(1);
});

test('batches before the first that is missing are delivered', async () => {
  const harness = new FetchHarness();
  const reals = [batchOf(), batchOf()];
  harness.append('orders', 0, ...reals);
  const files = [...harness.read.store.objects.keys()];
  harness.append('orders', 0, batchOf());
  for (const key of harness.read.store.objects.keys()) {
    if (!files.includes(key)) harness.read.store.objects.delete(key);
  }
  harness.append('orders', 0, batchOf());
  const first = await harness.fetch(12, { offsets: [['orders', 0, 0n]] });
  expect(partitionOf(first.body, 'orders', 0)?.errorCode).toBe(0);
  expect(valuesOf(batchesOf(first.body, 'orders', 0))).toEqual(valuesOf(reals));
  const second = await harness.fetch(12, { offsets: [['orders', 0, 40n]] });
  expect(partitionOf(second.body, 'orders', 0)?.errorCode).toBe(56);
});

test('while the store cannot be reached consumers are told to try again, and not at once', async () => {
  const harness = new FetchHarness();
  harness.append('orders', 0, batchOf());
  harness.read.store.onGet = () => DOWN;
  const request = requestOf(12, { offsets: [['orders', 0, 0n]], maxWaitMs: 400 });
  const handled = await harness.handler.handle(request, harness.connection);
  if (handled.kind !== 'forward' || typeof handled.reply !== 'function')
    throw new TypeError('pass');
  const answer = harness.broker.answer(Buffer.concat(handled.frame), request);
  let reply: Reply | null | undefined;
  void Promise.resolve(handled.reply(answer)).then((value) => (reply = value));
  await harness.read.clock.advance(399);
  expect(reply).toBeUndefined();
  expect(harness.budget.bytesHeld).toBe(0);
  await harness.read.clock.advance(1);
  const body = decoded(FetchResponse, 12, bytesOf(reply ?? null));
  expect(partitionOf(body, 'orders', 0)).toMatchObject({
    errorCode: KafkaErrorCode.REPLICA_NOT_AVAILABLE,
    records: Buffer.alloc(0),
  });
  harness.read.store.onGet = () => SOUND;
  const again = await harness.fetch(12, { offsets: [['orders', 0, 0n]] });
  expect(batchesOf(again.body, 'orders', 0)).toHaveLength(1);
});

test('an outage of the store is told once, however often consumers ask', async () => {
  const harness = new FetchHarness();
  const fetch = { offsets: [['orders', 0, 0n]], maxWaitMs: 0 } as const;
  harness.append('orders', 0, batchOf());
  harness.read.store.onGet = () => DOWN;
  for (let i = 0; i < 5; i++) await harness.fetch(12, fetch);
  expect(harness.warnings).toHaveLength(1);
});

test('memory is reserved for an answer and given back once, when the answer is written', async () => {
  const harness = new FetchHarness();
  const real = batchOf();
  harness.append('orders', 0, real);
  const { reply } = await harness.fetch(12, { offsets: OFFSETS });
  expect(harness.budget.bytesHeld).toBe(slabBytes(real.length));
  reply.release?.();
  expect(harness.budget.bytesHeld).toBe(0);
});

test('an answer waits for memory that others hold, and is larger than all of it alone', async () => {
  const harness = new FetchHarness([topicOf('orders')], [], { budgetBytes: 1_000 });
  harness.append('orders', 0, batchOf());
  const first = await harness.fetch(12, { offsets: OFFSETS });
  let second: unknown;
  void harness.fetch(12, { offsets: OFFSETS }).then((round) => (second = round.reply.release?.()));
  await harness.read.clock.advance(1_000);
  expect(harness.budget.waiting).toBe(1);
  first.reply.release?.();
  while (harness.budget.bytesHeld > 0) await nextTurn();
  expect(second).toBeUndefined();
});

test('memory is given back when the connection closes while an answer is filled', async () => {
  const harness = new FetchHarness();
  harness.append('orders', 0, batchOf());
  harness.read.store.onGet = () => ({ kind: 'none', afterMs: 1_000 });
  const { client, broker, connection, closed, replyBudget } = await proxied(harness.handler);
  const request = requestOf(12, { offsets: OFFSETS });
  client.send(request.frame);
  const frame = (await broker.frame()) ?? Buffer.alloc(0);
  broker.send(harness.broker.answer(frame, request));
  while (harness.budget.bytesHeld === 0) await nextTurn();
  connection.destroy();
  await closed;
  await harness.read.clock.advance(1_000);
  expect([harness.budget.bytesHeld, replyBudget.bytesHeld]).toEqual([0, 0]);
});

test('memory is given back when an answer cannot be made', async () => {
  const harness = new FetchHarness();
  const [placeholder = Buffer.alloc(0)] = harness.placeholders('orders', 0, batchOf());
  const position = { topic: 'orders', topicId: null, partition: 0, deep: false };
  const batches = [...readLogBatches(placeholder, position, KEY_RING)];
  const broken = harness.filler.fillBatches([batches], () => {
    expect(harness.budget.bytesHeld).toBeGreaterThan(0);
    throw new RangeError('broken');
  });
  await expect(broken).rejects.toThrow('broken');
  expect(harness.budget.bytesHeld).toBe(0);
});

test('a poll that is being filled holds up no other connection', async () => {
  const harness = new FetchHarness();
  harness.append('orders', 0, batchOf());
  harness.read.store.onGet = (call) => ({ kind: 'none', afterMs: call === 0 ? 1_000_000 : 0 });
  const slow = await proxied(harness.handler);
  const quick = await proxied(harness.handler);
  onTestFinished(() => [slow, quick].forEach(({ end }) => end()));
  const request = requestOf(12, { offsets: [['orders', 0, 0n]] });
  slow.client.send(request.frame);
  const slowFrame = (await slow.broker.frame()) ?? Buffer.alloc(0);
  slow.broker.send(harness.broker.answer(slowFrame, request));
  while (harness.read.store.gets.length === 0) await nextTurn();
  const real = batchOf();
  harness.append('orders', 1, real);
  const other = requestOf(12, { offsets: [['orders', 1, 0n]] });
  quick.client.send(other.frame);
  const quickFrame = (await quick.broker.frame()) ?? Buffer.alloc(0);
  quick.broker.send(harness.broker.answer(quickFrame, other));
  const reply = (await quick.client.frame()) ?? Buffer.alloc(0);
  const body = decoded(FetchResponse, 12, reply);
  expect(valuesOf(batchesOf(body, 'orders', 1))).toEqual(valuesOf([real]));
  expect(slow.client.framesWaiting).toBe(0);
});

test('others have their turn while a large answer is filled', async () => {
  const harness = new FetchHarness();
  const reals = Array.from({ length: 300 }, () => batchOf(16, 1_024));
  harness.append('orders', 0, ...reals);
  const asking = { offsets: [['orders', 0, 0n]] as const, partitionMaxBytes: 16 * 1024 * 1024 };
  await harness.fetch(12, asking);
  let turns = 0;
  const count = (): void => {
    turns += 1;
    counting = setImmediate(count);
  };
  let counting = setImmediate(count);
  const request = requestOf(12, asking);
  const handled = await harness.handler.handle(request, harness.connection);
  if (handled.kind !== 'forward' || typeof handled.reply !== 'function')
    throw new TypeError('pass');
  await handled.reply(harness.broker.answer(Buffer.concat(handled.frame), request));
  clearImmediate(counting);
  expect(turns).toBeGreaterThan(8);
});
