/**
 * A running proxy: puts the parts together in the order in which they need each other, and takes
 * them apart in the other. Whatever is wrong with the cluster, the bucket, Redis or the ports is an
 * error of `startProxy`, and what was opened until then is closed again.
 */
import { randomBytes } from 'node:crypto';
import type { Logger } from 'pino';
import {
  REDIS_NAMESPACE,
  RedisCoordinator,
  SoloCoordinator,
  StoreSettledRangeClaims,
  type Coordinator,
  createPartitionStates,
  type OpenPartitionStates,
} from '../coordinator/index.ts';
import type { TlsOptions } from '../kafka/index.ts';
import { openStorage, openStore, TopicRecordStore, type ObjectStore } from '../storage/index.ts';
import { openHttpServer, Opened, type Readiness } from '../runtime/index.ts';
import type { ClusterView } from './cluster/cluster-view.ts';
import { openCluster } from './cluster/open-cluster.ts';
import type { RequestHandler } from './connection/handler.ts';
import { openDataPath } from './data-path.ts';
import { proxyError } from './errors.ts';
import { createHandlers } from './handlers/create-handlers.ts';
import { createMetrics, type MeteredParts } from './http/metrics.ts';
import { memoryBudgets, type MemoryBudgets } from './memory-budgets.ts';
import { ServerTls } from './net/tls.ts';
import { follow, join, selfRecord } from './nodes/membership.ts';
import { NodeDirectory } from './nodes/node-directory.ts';
import { NodeListeners } from './nodes/node-listeners.ts';
import { UpstreamDialer } from './nodes/upstream-dialer.ts';
import type { ProxyOptions } from './proxy-options.ts';
import { openTopics } from './topics/open-topics.ts';

/** What a test or an embedding program may replace. */
export interface ProxyDependencies {
  readonly openStore?: typeof openStore;
}

export interface Proxy {
  /** What clients put into their `bootstrap.servers`. */
  readonly bootstrap: string;
  /** Settles, with the reason, if the proxy can no longer serve and has to be stopped. */
  readonly failed: Promise<string>;
  /** Finishes what is under way, within the drain timeout, and closes everything. */
  stop(): Promise<void>;
}

/**
 * @throws an error with code that says what is wrong with the cluster, bucket, Redis, files or
 *   ports
 */
export async function startProxy(
  options: ProxyOptions,
  log: Logger,
  dependencies: ProxyDependencies = {},
): Promise<Proxy> {
  const opened = new Opened();
  try {
    return await open(options, log, dependencies, opened);
  } catch (error) {
    await opened.close();
    throw error;
  }
}

async function open(
  options: ProxyOptions,
  log: Logger,
  dependencies: ProxyDependencies,
  opened: Opened,
): Promise<Proxy> {
  const { client, cluster, tls } = await openCluster(options, log, opened);
  const { clusterId } = cluster;
  const storing = { now: () => Date.now(), random: randomBytes, logger: log };
  const { store, keyRing } = await openStorage(
    options.store,
    clusterId,
    { openStore, ...dependencies, ...storing },
    opened,
  );
  const records = new TopicRecordStore(store);
  const coordinator = await openCoordinator(options, clusterId, store, records, log);
  opened.onClose(() => coordinator.close());
  const memberId = options.member.id;
  const known = { client, records, coordinator, memberId, log };
  const topics = await openTopics(options.disklessTopics, known);
  opened.onClose(() => topics.close());
  const { catalog } = topics;
  const budgets = memoryBudgets(options);
  const states = openStates(options, clusterId, store, log);
  opened.onClose(() => states.close());
  const path = { clusterId, store, coordinator, states, catalog, keyRing, budgets, log };
  const data = openDataPath(options, path);
  opened.onClose(() => data.writer.close(options.wal.produceTimeoutMs));

  let handlerOf: (apiKey: number) => RequestHandler | undefined = () => undefined;
  const listeners = await openListeners(options, cluster, tls, budgets, log, (apiKey) =>
    handlerOf(apiKey),
  );
  const self = selfRecord(options, listeners);
  const directory = new NodeDirectory({
    self,
    members: () => coordinator.members(),
    brokers: () => cluster.brokers,
  });
  handlerOf = createHandlers({ options, cluster, client, directory, topics, data, keyRing });
  let unreadyBecause: string | null = 'starting';
  const connectionCount = (): number => listeners.connectionCount;
  const parts = { ...data, coordinator, budgets, connectionCount };
  await openHttp(options, parts, () => unreadyBecause, opened);
  opened.onClose(() => listeners.drain(options.listener.drainTimeoutMs));
  await listeners.openNodes(cluster.brokers.map(({ id }) => id));
  // Clients that knew the nodes are back at once; joining waits for a dead namesake to expire.
  directory.refresh();
  await join(coordinator, self());
  opened.onClose(() => coordinator.leave());
  const failed = follow({ cluster, coordinator, listeners, directory, self, log }, opened);
  await listeners.openBootstrap();
  const bootstrap = `${options.listener.advertisedHost}:${options.listener.port}`;
  log.info({ bootstrap, clusterId, store: store.location }, 'ready');
  unreadyBecause = null;
  const stop = (): Promise<void> => {
    unreadyBecause = 'draining';
    return opened.close();
  };
  return { bootstrap, failed, stop };
}

async function openHttp(
  { httpPort, listener }: ProxyOptions,
  parts: MeteredParts,
  readiness: Readiness,
  opened: Opened,
): Promise<void> {
  if (httpPort === null) return;
  const metrics = createMetrics(parts);
  const server = await openHttpServer({
    host: listener.host,
    port: httpPort,
    metrics,
    readiness,
    listenFailed: (reason, cause) =>
      proxyError('PROXY_LISTEN_FAILED', `${reason} (http.port)`, { cause }),
  });
  opened.onClose(() => server.close());
}

async function openCoordinator(
  { redis: endpoint }: ProxyOptions,
  clusterId: string,
  store: ObjectStore,
  topicSource: TopicRecordStore,
  logger: Logger,
): Promise<Coordinator> {
  if (endpoint === null) return SoloCoordinator.start(topicSource, logger);
  return RedisCoordinator.start({
    endpoint,
    namespace: REDIS_NAMESPACE,
    clusterId,
    topicSource,
    settledRangeClaims: new StoreSettledRangeClaims(store, clusterId),
    logger,
  });
}

function openStates(
  { redis: endpoint }: ProxyOptions,
  clusterId: string,
  store: ObjectStore,
  logger: Logger,
): OpenPartitionStates {
  const redis = endpoint === null ? null : { endpoint, namespace: REDIS_NAMESPACE };
  return createPartitionStates({ redis, store, clusterId, logger });
}

async function openListeners(
  { kafka, listener, memory, wal }: ProxyOptions,
  cluster: ClusterView,
  tls: TlsOptions | undefined,
  budgets: MemoryBudgets,
  log: Logger,
  handlerOf: (apiKey: number) => RequestHandler | undefined,
): Promise<NodeListeners> {
  return new NodeListeners({
    host: listener.host,
    bootstrapPort: listener.port,
    nodePorts: listener.nodePorts,
    tls: listener.tls === null ? null : await ServerTls.load(listener.tls, log),
    dialer: new UpstreamDialer({ cluster, tls, timeoutMs: kafka.connectTimeoutMs }),
    connectionsMax: listener.connectionsMax,
    connection: {
      handlerOf,
      requestBudget: budgets.requests,
      replyBudget: budgets.replies,
      frameBytesMax: memory.frameBytesMax,
      lingerMs: wal.commitDeadlineMs,
    },
    otherBudgets: [budgets.fills],
    log,
  });
}
