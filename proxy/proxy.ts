/**
 * A running proxy: puts the parts together in the order in which they need each other, and takes
 * them apart in the other. Whatever is wrong with the cluster, the bucket, Redis or the ports is an
 * error of `startProxy`, and what was opened until then is closed again.
 */
import { randomBytes } from 'node:crypto';
import type { Logger } from 'pino';
import {
  RedisCoordinator,
  SoloCoordinator,
  StoreSettledRangeClaims,
  type Coordinator,
  type MemberRecord,
} from '../coordinator/index.ts';
import { KeyRing, type ClusterClient, type TlsOptions } from '../kafka/index.ts';
import {
  FORMAT_LEVEL,
  openBucket,
  openStore,
  proveStore,
  TopicRecordStore,
  type ObjectStore,
} from '../storage/index.ts';
import { ClusterView } from './cluster/cluster-view.ts';
import { loadKafkaTls, serviceClient } from './cluster/service-client.ts';
import type { RequestHandler } from './connection/handler.ts';
import { openDataPath } from './data-path.ts';
import { proxyError } from './errors.ts';
import { createHandlers } from './handlers/create-handlers.ts';
import { createMetrics, type MeteredParts } from './http/metrics.ts';
import { openHttpServer, type Readiness } from './http/http-server.ts';
import { memoryBudgets, type MemoryBudgets } from './memory-budgets.ts';
import { ServerTls } from './net/tls.ts';
import { NodeDirectory } from './nodes/node-directory.ts';
import { NodeListeners } from './nodes/node-listeners.ts';
import { UpstreamDialer } from './nodes/upstream-dialer.ts';
import type { ProxyOptions } from './proxy-options.ts';
import { openTopics } from './topics/open-topics.ts';

/** For operators, who see it in the member's record. */
const VERSION = '0.1.0';
/** Keys in Redis begin with it. */
const REDIS_NAMESPACE = 'outrigger';

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

/** What was opened, to be closed in the other order. */
class Opened {
  readonly #closers: (() => void | Promise<void>)[] = [];

  onClose(close: () => void | Promise<void>): void {
    this.#closers.push(close);
  }

  async close(): Promise<void> {
    for (const close of this.#closers.splice(0).toReversed()) await close();
  }
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
  const { store, keyRing } = await openStorage(options, clusterId, log, dependencies, opened);
  const records = new TopicRecordStore(store);
  const coordinator = await openCoordinator(options, clusterId, store, records, log);
  opened.onClose(() => coordinator.close());
  const memberId = options.member.id;
  const known = { client, records, coordinator, memberId, log };
  const topics = await openTopics(options.disklessTopics, known);
  opened.onClose(() => topics.close());
  const { catalog } = topics;
  const budgets = memoryBudgets(options);
  const path = { clusterId, store, coordinator, catalog, keyRing, budgets, log };
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
  const server = await openHttpServer({ host: listener.host, port: httpPort, metrics, readiness });
  opened.onClose(() => server.close());
}

interface OpenedCluster {
  readonly client: ClusterClient;
  readonly cluster: ClusterView;
  readonly tls: TlsOptions | undefined;
}

async function openCluster(
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

async function openStorage(
  options: ProxyOptions,
  clusterId: string,
  log: Logger,
  { openStore: open = openStore }: ProxyDependencies,
  opened: Opened,
): Promise<{ store: ObjectStore; keyRing: KeyRing }> {
  const now = (): number => Date.now();
  const store = await open(options.store, { now, random: randomBytes, logger: log });
  opened.onClose(() => store.close());
  await proveStore(store, randomBytes);
  const bucket = await openBucket(store, clusterId, { now, random: randomBytes });
  const [current, ...older] = bucket.keyRing.toReversed();
  if (current === undefined) throw new TypeError('an opened bucket has a key');
  return { store, keyRing: new KeyRing(current, older) };
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
    log,
  });
}

/** @returns this member's record as it is at the moment of asking */
function selfRecord(
  { member, listener }: ProxyOptions,
  listeners: NodeListeners,
): () => MemberRecord {
  const startedAtMs = Date.now();
  return () => ({
    memberId: member.id,
    rack: member.rack,
    host: listener.advertisedHost,
    bootstrapPort: listener.port,
    nodes: listeners.nodes,
    startedAtMs,
    version: VERSION,
    formatLevel: FORMAT_LEVEL,
  });
}

/** @throws PROXY_MEMBER_ID_TAKEN if another live process has this member's id */
async function join(coordinator: Coordinator, self: MemberRecord): Promise<void> {
  const outcome = await coordinator.join(self);
  if (outcome.kind === 'conflict') throw memberIdTaken(self.memberId, outcome.other);
}

function memberIdTaken(memberId: number, other: MemberRecord): Error {
  const place = `${other.host}:${other.bootstrapPort}`;
  const message = `member.id=${memberId} is taken by the member at ${place}; each member needs its own`;
  return proxyError('PROXY_MEMBER_ID_TAKEN', message);
}

interface Followed {
  readonly cluster: ClusterView;
  readonly coordinator: Coordinator;
  readonly listeners: NodeListeners;
  readonly directory: NodeDirectory;
  readonly self: () => MemberRecord;
  readonly log: Logger;
}

/** Keeps nodes and addresses up to date with brokers and members. @returns `Proxy.failed` */
function follow(followed: Followed, opened: Opened): Promise<string> {
  const { cluster, coordinator, listeners, directory, self, log } = followed;
  const onBrokers = async (): Promise<void> => {
    try {
      await listeners.openNodes(cluster.brokers.map(({ id }) => id));
    } catch (error) {
      log.error({ err: error }, 'a broker has no node, and clients are not sent to it');
    }
    coordinator.update(self());
    directory.refresh();
  };
  opened.onClose(cluster.subscribe(() => void onBrokers()));
  directory.refresh();
  return new Promise((resolve) => {
    const unsubscribe = coordinator.subscribe((event) => {
      if (event.kind === 'members-changed' || event.kind === 'refreshed') directory.refresh();
      else if (event.kind === 'member-conflict') {
        resolve(memberIdTaken(self().memberId, event.other).message);
      }
    });
    opened.onClose(unsubscribe);
  });
}
