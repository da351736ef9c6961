/** The proxy's way to the cluster, and its first look at it. */
import type { Logger } from 'pino';
import {
  loadKafkaTls,
  serviceClient,
  type ClusterClient,
  type TlsOptions,
} from '../../kafka/index.ts';
import type { Opened } from '../../runtime/index.ts';
import type { ProxyOptions } from '../proxy-options.ts';
import { ClusterView } from './cluster-view.ts';

export interface OpenedCluster {
  readonly client: ClusterClient;
  readonly cluster: ClusterView;
  readonly tls: TlsOptions | undefined;
}

/** @throws PROXY_BROKER_UNREACHABLE, PROXY_BROKER_ID_UNSUPPORTED, KAFKA_TLS_INVALID */
export async function openCluster(
  { kafka }: ProxyOptions,
  log: Logger,
  opened: Opened,
): Promise<OpenedCluster> {
  const { bootstrap, sasl, connectTimeoutMs } = kafka;
  const tls = kafka.tls === null ? undefined : await loadKafkaTls(kafka.tls);
  const client = serviceClient({ bootstrap, tls, sasl, connectTimeoutMs, log });
  opened.onClose(() => client.close());
  const cluster = new ClusterView({
    client,
    bootstrap,
    startTimeoutMs: connectTimeoutMs,
    refreshIntervalMs: kafka.metadataRefreshMs,
    now: () => performance.now(),
    log,
  });
  opened.onClose(() => cluster.close());
  await cluster.start();
  return { client, cluster, tls };
}
