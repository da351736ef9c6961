import { describe, expect, test } from 'vitest';
import { topicOf } from '../../../support/fake-catalog.ts';
import {
  batchesOf,
  batchOf,
  FetchHarness,
  nextOffset,
  partitionOf,
  valuesOf,
} from './fetch-harness.ts';

const KIBIBYTE = 1024;
const MEBIBYTE = 1024 * KIBIBYTE;

function bytesOf(batches: readonly Buffer[]): number {
  return batches.reduce((sum, batch) => sum + batch.length, 0);
}

test('limits hold for real bytes, and one batch is sent whatever they are', async () => {
  const harness = new FetchHarness();
  const reals = Array.from({ length: 40 }, () => batchOf(16, 1_024));
  for (const partition of [0, 1, 2]) harness.append('orders', partition, ...reals);
  const offsets = [0, 1, 2].map((partition) => ['orders', partition, 0n] as const);
  const limits = { partitionMaxBytes: 100 * KIBIBYTE, maxBytes: 150 * KIBIBYTE };
  const { body } = await harness.fetch(12, { offsets, ...limits });
  const counts = [0, 1, 2].map((partition) => batchesOf(body, 'orders', partition).length);
  expect(counts).toEqual([6, 3, 0]);
  const tiny = await harness.fetch(12, { offsets, partitionMaxBytes: 1, maxBytes: 1 });
  const tinyCounts = [0, 1, 2].map((partition) => batchesOf(tiny.body, 'orders', partition).length);
  expect(tinyCounts.reduce((sum, count) => sum + count)).toBe(1);
});

test('what one answer holds is bounded whatever the client asks', async () => {
  const harness = new FetchHarness();
  const reals = Array.from({ length: 40 }, () => batchOf(1, MEBIBYTE));
  harness.append('orders', 0, ...reals);
  const all = {
    offsets: [['orders', 0, 0n]] as const,
    maxBytes: 2 ** 31 - 1,
    partitionMaxBytes: 2 ** 31 - 1,
  };
  const { body, reply } = await harness.fetch(12, all);
  expect(batchesOf(body, 'orders', 0)).toHaveLength(15);
  expect(harness.budget.bytesHeld).toBeLessThanOrEqual(16 * MEBIBYTE);
  reply.release?.();
});

describe('a consumer that catches up', () => {
  /** Reads partitions to their ends. @returns rounds and bytes that it took */
  async function readAll(
    harness: FetchHarness,
    ends: readonly bigint[],
    limits: { maxBytes: number; partitionMaxBytes: number },
    rotate = false,
  ): Promise<{ rounds: number; batches: Buffer[][] }> {
    const offsets = ends.map(() => 0n);
    const batches: Buffer[][] = ends.map(() => []);
    let order = ends.map((_, partition) => partition);
    let rounds = 0;
    while (offsets.some((offset, index) => offset < (ends[index] ?? 0n))) {
      rounds += 1;
      if (rounds > 500) throw new Error('a partition starves');
      const asked = order.map(
        (partition) => ['orders', partition, offsets[partition] ?? 0n] as const,
      );
      const { body, reply } = await harness.fetch(12, { offsets: asked, ...limits });
      reply.release?.();
      for (const partition of order) {
        expect(partitionOf(body, 'orders', partition)?.errorCode).toBe(0);
        batches[partition]?.push(...batchesOf(body, 'orders', partition));
        offsets[partition] = nextOffset(body, 'orders', partition, offsets[partition] ?? 0n);
      }
      if (rotate) order = [...order.slice(1), ...order.slice(0, 1)];
    }
    return { rounds, batches };
  }

  test('costs the broker about the placeholders that it needs', async () => {
    const harness = new FetchHarness();
    const reals = Array.from({ length: 150 }, () => batchOf(16, 1_024));
    const placeholders = [0, 1, 2, 3].flatMap((partition) =>
      harness.append('orders', partition, ...reals),
    );
    const ends = Array.from({ length: 4 }, () => 2_400n);
    const limits = { maxBytes: 50 * MEBIBYTE, partitionMaxBytes: MEBIBYTE };
    const { rounds, batches } = await readAll(harness, ends, limits);
    for (const got of batches) expect(valuesOf(got)).toEqual(valuesOf(reals));
    expect(rounds).toBeLessThan(10);
    expect(harness.broker.bytesSent).toBeLessThan(2 * bytesOf(placeholders));
  });

  test.each([MEBIBYTE, 50 * MEBIBYTE])(
    'of many partitions with %i bytes an answer too',
    async (maxBytes) => {
      const harness = new FetchHarness();
      const reals = Array.from({ length: 40 }, () => batchOf(16, 1_024));
      const partitions = Array.from({ length: 30 }, (_, partition) => partition);
      const placeholders = partitions.flatMap((partition) =>
        harness.append('orders', partition, ...reals),
      );
      const limits = { maxBytes, partitionMaxBytes: MEBIBYTE };
      const { batches } = await readAll(
        harness,
        partitions.map(() => 640n),
        limits,
      );
      for (const got of batches) expect(got).toHaveLength(40);
      expect(harness.broker.bytesSent).toBeLessThan(2.5 * bytesOf(placeholders));
    },
  );

  test('gets a large real batch that lies behind placeholders of the second partition', async () => {
    const harness = new FetchHarness();
    const endless = Array.from({ length: 400 }, () => batchOf(16, 1_024));
    harness.append('orders', 0, ...endless);
    harness.append('orders', 1, ...endless.slice(0, 3));
    harness.broker.append('orders', 1, batchOf(1, MEBIBYTE - 200));
    harness.append('orders', 1, ...endless.slice(0, 3));
    let offsets = [0n, 0n];
    let rounds = 0;
    while ((offsets[1] ?? 0n) < 49n) {
      rounds += 1;
      const asked = offsets.map((offset, partition) => ['orders', partition, offset] as const);
      const limits = { maxBytes: 4 * MEBIBYTE, partitionMaxBytes: MEBIBYTE };
      const { body } = await harness.fetch(12, { offsets: asked, ...limits });
      offsets = offsets.map((offset, partition) => nextOffset(body, 'orders', partition, offset));
      expect(rounds).toBeLessThan(4);
    }
  });

  test('of partitions full of large real batches lets none of them wait for ever', async () => {
    const harness = new FetchHarness();
    const small = Array.from({ length: 20 }, () => batchOf(16, 1_024));
    const large = Array.from({ length: 12 }, () => batchOf(1, MEBIBYTE - 500));
    for (const partition of [0, 1, 2, 3]) {
      harness.append('orders', partition, ...small);
      for (const batch of large) harness.broker.append('orders', partition, batch);
    }
    const limits = { maxBytes: 4 * MEBIBYTE, partitionMaxBytes: MEBIBYTE };
    const ends = Array.from({ length: 4 }, () => 332n);
    const { rounds } = await readAll(harness, ends, limits);
    expect(rounds).toBeLessThan(40);
  });
});

test('the bytes that a consumer waits for are scaled, too', async () => {
  const harness = new FetchHarness();
  const reals = Array.from({ length: 100 }, () => batchOf(16, 1_024));
  harness.append('orders', 0, ...reals);
  await harness.fetch(12, { offsets: [['orders', 0, 0n]] });
  const { upstream } = await harness.fetch(12, {
    offsets: [['orders', 0, 100n]],
    minBytes: MEBIBYTE,
  });
  expect(upstream?.minBytes).toBeGreaterThan(5_000);
  expect(upstream?.minBytes).toBeLessThan(50_000);
  const one = await harness.fetch(12, { offsets: [['orders', 0, 100n]], minBytes: 1 });
  expect(one.upstream?.minBytes).toBe(1);
});

test('classic topics in the same request keep their limits', async () => {
  const harness = new FetchHarness([topicOf('orders'), topicOf('classic', { diskless: false })]);
  const offsets = [
    ['orders', 0, 0n],
    ['classic', 0, 0n],
  ] as const;
  const { upstream } = await harness.fetch(12, { offsets, partitionMaxBytes: MEBIBYTE });
  const limits = upstream?.topics.map(({ topic, partitions }) => [
    topic,
    partitions[0]?.partitionMaxBytes,
  ]);
  expect(limits?.[1]).toEqual(['classic', MEBIBYTE]);
  expect(limits?.[0]?.[1]).toBeLessThan(MEBIBYTE);
});
