/**
 * A running worker: puts the parts together in the order in which they need each other, and takes
 * them apart in the other. Whatever is wrong with the cluster, the bucket, Redis or the port is an
 * error of `startWorker`, and what was opened until then is closed again.
 */
import { randomBytes } from 'node:crypto';
import type { Logger } from 'pino';
import {
  openQueueConnection,
  queuePrefix,
  REDIS_NAMESPACE,
  RedisCoordinator,
  RedisWorkerCoordinator,
  StoreSettledRangeClaims,
} from '../coordinator/index.ts';
import {
  Bandwidth,
  ByteBudget,
  openHttpServer,
  Opened,
  systemClock,
  type Readiness,
} from '../runtime/index.ts';
import {
  openGroupCount,
  openStorage,
  openStore,
  TopicRecordStore,
  type ObjectStore,
} from '../storage/index.ts';
import { workerError } from './errors.ts';
import { HeldGroups } from './group/held-groups.ts';
import { Hosting } from './group/hosting.ts';
import type { SharedContext } from './job-runner.ts';
import { createClusterJobs, createGroupJobs } from './jobs.ts';
import { KafkaClusterLog } from './log/kafka-cluster-log.ts';
import { FiguresByJob } from './metering/job-figures.ts';
import { openCluster } from './open-cluster.ts';
import { clusterPost, groupPosts } from './posts.ts';
import { describeTopicsBy } from './topics/describe-topics.ts';
import { SettingsCache } from './topics/settings-cache.ts';
import { createWorkerMetrics, type MeteredWorker } from './worker-metrics.ts';
import type { WorkerOptions } from './worker-options.ts';

/** What a test or an embedding program may replace. */
export interface WorkerDependencies {
  readonly openStore?: typeof openStore;
  /** See `JobContext`. */
  readonly failpoint?: (name: string) => Promise<void>;
  readonly createGroupJobs?: typeof createGroupJobs;
  readonly createClusterJobs?: typeof createClusterJobs;
}

export interface Worker {
  /** Names of the posts that it fills: `group-<n>`, and `cluster`. */
  posts(): readonly string[];
  /** Lets jobs finish their step, within the drain timeout, and gives back all leases. */
  stop(): Promise<void>;
}

/** @throws an error with code that says what is wrong with the cluster, bucket, Redis or port */
export async function startWorker(
  options: WorkerOptions,
  log: Logger,
  dependencies: WorkerDependencies = {},
): Promise<Worker> {
  const opened = new Opened();
  try {
    return await open(options, log, dependencies, opened);
  } catch (error) {
    await opened.close();
    throw error;
  }
}

async function open(
  options: WorkerOptions,
  log: Logger,
  dependencies: WorkerDependencies,
  opened: Opened,
): Promise<Worker> {
  const { shared, coordinator, groupCount } = await openShared(options, log, dependencies, opened);
  const { clusterId, clock, figures, memory } = shared;
  const onError = (error: unknown): void => log.debug({ err: error }, 'the queues have no Redis');
  const connection = openQueueConnection(options.redis, onError);
  opened.onClose(() => connection.close());
  const groups = new HeldGroups();
  const oldestUnmerged = new Map<number, number | undefined>();
  const watch = {
    onMerge: (group: number, { oldestUnmergedMs }: { oldestUnmergedMs: number | undefined }) =>
      void oldestUnmerged.set(group, oldestUnmergedMs),
  };
  const postsOptions = {
    shared,
    groupCount,
    groupJobs: (dependencies.createGroupJobs ?? createGroupJobs)(options.jobs, watch),
    clusterJobs: (dependencies.createClusterJobs ?? createClusterJobs)(options.jobs),
    connection,
    queuePrefix: queuePrefix(REDIS_NAMESPACE, clusterId),
    drainTimeoutMs: options.drainTimeoutMs,
    groups,
  };
  const hosting = new Hosting({
    coordinator: shared.coordinator,
    groups: groupPosts(postsOptions),
    cluster: clusterPost(postsOptions),
    clock,
    random: Math.random,
    logger: log,
  });
  const now = (): number => clock.wallMs();
  const { held } = groups;
  const metered = { figures, hosting, groups: held, coordinator, memory, oldestUnmerged, now };
  let unreadyBecause: string | null = 'starting';
  const readiness: Readiness = () => {
    return unreadyBecause ?? (hosting.isRedisAway ? 'Redis cannot be asked' : null);
  };
  await openHttp(options, metered, readiness, opened);
  opened.onClose(() => hosting.close());
  hosting.start();
  log.info({ clusterId, groupCount, store: shared.storage.store.location }, 'ready');
  unreadyBecause = null;
  const stop = (): Promise<void> => {
    unreadyBecause = 'draining';
    return opened.close();
  };
  return { posts: () => hosting.filled(), stop };
}

interface OpenedShared {
  readonly shared: SharedContext;
  readonly coordinator: RedisCoordinator;
  readonly groupCount: number;
}

async function openShared(
  options: WorkerOptions,
  log: Logger,
  dependencies: WorkerDependencies,
  opened: Opened,
): Promise<OpenedShared> {
  const clock = systemClock;
  const { client, clusterId } = await openCluster(options, log, clock, opened);
  const storing = { now: () => clock.wallMs(), random: randomBytes, logger: log };
  const { store, keyRing } = await openStorage(
    options.store,
    clusterId,
    { openStore, ...dependencies, ...storing },
    opened,
  );
  const groupCount = await openGroupCount(store, options.groupCount);
  const { topics, worker } = await openCoordinators(options, clusterId, store, log, opened);
  const shared: SharedContext = {
    clusterId,
    storage: { store, bandwidth: new Bandwidth(options.bandwidthBytesPerSecond, clock) },
    figures: new FiguresByJob(),
    log: new KafkaClusterLog({ client, monotonicMs: () => clock.monotonicMs(), logger: log }),
    topics,
    settings: new SettingsCache({ describe: describeTopicsBy(client), topics, clock }),
    coordinator: worker,
    keyRing,
    memory: new ByteBudget(options.memoryBytesMax),
    clock,
    random: randomBytes,
    logger: log,
    failpoint: dependencies.failpoint ?? (async () => undefined),
  };
  return { shared, coordinator: topics, groupCount };
}

async function openCoordinators(
  { redis: endpoint }: WorkerOptions,
  clusterId: string,
  store: ObjectStore,
  logger: Logger,
  opened: Opened,
): Promise<{ topics: RedisCoordinator; worker: RedisWorkerCoordinator }> {
  const shared = {
    endpoint,
    namespace: REDIS_NAMESPACE,
    clusterId,
    settledRangeClaims: new StoreSettledRangeClaims(store, clusterId),
    logger,
  };
  const topics = await RedisCoordinator.start({
    ...shared,
    topicSource: new TopicRecordStore(store),
  });
  opened.onClose(() => topics.close());
  const worker = await RedisWorkerCoordinator.start(shared);
  opened.onClose(() => worker.close());
  return { topics, worker };
}

async function openHttp(
  { http }: WorkerOptions,
  metered: MeteredWorker,
  readiness: Readiness,
  opened: Opened,
): Promise<void> {
  if (http === null) return;
  const server = await openHttpServer({
    ...http,
    metrics: createWorkerMetrics(metered),
    readiness,
    listenFailed: (reason, cause) =>
      workerError('WORKER_LISTEN_FAILED', `${reason} (worker.http.port)`, { cause }),
  });
  opened.onClose(() => server.close());
}
