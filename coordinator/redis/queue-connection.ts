/**
 * Redis for job queues. BullMQ brings its own commands and demands clients that connect again by
 * themselves, so these are apart from the coordinator's; where Redis is, is the same.
 */
import type { Cluster, Redis } from 'ioredis';
import { createLastingClient, type RedisEndpoint } from './endpoint.ts';

const RETRY_FIRST_MS = 100;
const RETRY_LAST_MS = 5_000;
const DOUBLINGS_MAX = 16;

/** To be given to BullMQ as `connection`: workers duplicate it for what blocks. */
export interface QueueConnection {
  readonly client: Redis | Cluster;
  /** To be called when all queues and workers are closed. Commands that wait fail. */
  close(): void;
}

/**
 * Connects to Redis, now or as soon as it is there, and again whenever the connection is lost.
 *
 * @param onError called with each failure to connect; the client tries again
 */
export function openQueueConnection(
  endpoint: RedisEndpoint,
  onError: (error: unknown) => void,
): QueueConnection {
  const client = createLastingClient(endpoint, retryMs);
  client.on('error', onError);
  // Its failure is an event, too; the client goes on trying.
  client.connect().catch(() => undefined);
  return { client, close: () => client.disconnect() };
}

/**
 * @param namespace what several Kafka clusters on one Redis are told apart by
 * @param clusterId the Kafka cluster's id
 * @returns BullMQ's `prefix`: all queues of a Kafka cluster are in one slot of a Redis Cluster
 */
export function queuePrefix(namespace: string, clusterId: string): string {
  return `{${namespace}:${clusterId}}:queues`;
}

function retryMs(attempt: number): number {
  return Math.min(RETRY_LAST_MS, RETRY_FIRST_MS * 2 ** Math.min(attempt, DOUBLINGS_MAX));
}
