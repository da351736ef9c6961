/** BullMQ on the connections that the coordinator opens for it. */
import { Queue, QueueEvents, Worker } from 'bullmq';
import { afterEach, expect, inject, test } from 'vitest';
import { openQueueConnection, queuePrefix } from '../../../coordinator/index.ts';
import { freePort } from '../../../docker/local/ports.ts';
import { type Redis, startRedis } from '../../../docker/local/redis.ts';
import { eventually, newClusterId } from './support.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

test('a job is worked off over a connection that was opened before Redis was there', async () => {
  const port = await freePort();
  const errors: unknown[] = [];
  const url = `redis://127.0.0.1:${port}`;
  const connection = openQueueConnection({ kind: 'single', url }, (error) => errors.push(error));
  closers.push(() => connection.close());
  await eventually(() => expect(errors.length).toBeGreaterThan(0));
  const redis: Redis = await startRedis({ port });
  closers.push(async () => redis.stop());
  await expectWorkDone(connection, queuePrefix('jobs', newClusterId()));
});

test('the queues of a Kafka cluster keep to their prefix', async () => {
  const prefix = queuePrefix('jobs', newClusterId());
  const endpoint = { kind: 'single', url: inject('redis').url } as const;
  const connection = openQueueConnection(endpoint, () => undefined);
  closers.push(() => connection.close());
  await expectWorkDone(connection, prefix);
  const keys = await connection.client.keys(`${prefix}:*`);
  expect(keys).toContain(`${prefix}:merge:meta`);
});

async function expectWorkDone(
  { client }: ReturnType<typeof openQueueConnection>,
  prefix: string,
): Promise<void> {
  const options = { connection: client, prefix };
  const queue = new Queue<number, number>('merge', options);
  closers.push(async () => queue.close());
  const events = new QueueEvents('merge', options);
  closers.push(async () => events.close());
  const worker = new Worker<number, number>('merge', async ({ data }) => data + 1, options);
  closers.push(async () => worker.close());
  const job = await queue.add('once', 41);
  expect(await job.waitUntilFinished(events)).toBe(42);
}
