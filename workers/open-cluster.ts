/** A worker's way to the brokers, on Outrigger's own principal, and its first look at them. */
import type { Logger } from 'pino';
import { hasCode, loadKafkaTls, serviceClient, type ClusterClient } from '../kafka/index.ts';
import type { Clock, Opened } from '../runtime/index.ts';
import { workerError } from './errors.ts';
import type { WorkerOptions } from './worker-options.ts';

/** Between two attempts to reach the cluster at start. */
const RETRY_MS = 200;

export interface OpenedCluster {
  readonly client: ClusterClient;
  readonly clusterId: string;
}

/**
 * Waits, as long as a connection may take, for a broker that answers.
 *
 * @throws `WORKER_BROKER_UNREACHABLE`, `KAFKA_TLS_INVALID`
 */
export async function openCluster(
  { kafka }: Pick<WorkerOptions, 'kafka'>,
  log: Logger,
  clock: Clock,
  opened: Opened,
): Promise<OpenedCluster> {
  const { bootstrap, sasl, connectTimeoutMs } = kafka;
  const tls = kafka.tls === null ? undefined : await loadKafkaTls(kafka.tls);
  const client = serviceClient({ bootstrap, tls, sasl, connectTimeoutMs, log });
  opened.onClose(() => client.close());
  const deadlineMs = clock.monotonicMs() + connectTimeoutMs;
  for (;;) {
    try {
      return { client, clusterId: await askForId(client) };
    } catch (error) {
      const isRefused = hasCode(error, 'KAFKA_AUTHENTICATION_FAILED');
      if (!isRefused && clock.monotonicMs() + RETRY_MS < deadlineMs) {
        await new Promise<void>((resolve) => clock.after(RETRY_MS, resolve));
        continue;
      }
      const addresses = bootstrap.map(({ host, port }) => `${host}:${port}`).join(', ');
      const reason = error instanceof Error ? error.message : String(error);
      const message = `No broker of kafka.bootstrap.servers=${addresses} can be used: ${reason}`;
      throw workerError('WORKER_BROKER_UNREACHABLE', message, { cause: error });
    }
  }
}

async function askForId(client: ClusterClient): Promise<string> {
  const { clusterId, brokers } = await client.refresh();
  // Who starts before the brokers have found each other is told of none.
  if (clusterId === null || brokers.size === 0) throw new Error('it names no live broker');
  return clusterId;
}
