/**
 * What commands on a whole installation are given: its store, its brokers' logs, its Redis. Each is
 * opened when it is asked for; all are closed in the end. Nothing is made that is not there.
 */
import { randomBytes } from 'node:crypto';
import { type Logger, pino } from 'pino';
import {
  type Coordinator,
  REDIS_NAMESPACE,
  RedisCoordinator,
  RedisWorkerCoordinator,
  StoreSettledRangeClaims,
  type WorkerCoordinator,
} from '../coordinator/index.ts';
import { KeyRing, loadKafkaTls, OutriggerError, serviceClient } from '../kafka/index.ts';
import { Opened, systemClock } from '../runtime/index.ts';
import {
  Journal,
  openStore,
  readBucket,
  readGroupCount,
  TopicRecordStore,
} from '../storage/index.ts';
import type { ObjectStore } from '../storage/index.ts';
import { type ClusterLog, KafkaClusterLog } from '../workers/index.ts';
import { readConfig } from './config/environment.ts';
import { proxyOptionsOf } from './config/proxy-options-of.ts';
import type { CliErrorCode } from './errors.ts';

export interface Bucket {
  readonly store: ObjectStore;
  /** As the bucket says. */
  readonly clusterId: string;
  readonly keyRing: KeyRing;
  /** 0 if no worker has ever started. */
  readonly groupCount: number;
}

export interface Cluster {
  /** As the brokers say. */
  readonly clusterId: string;
  readonly log: ClusterLog;
}

export class Site {
  readonly #options: ReturnType<typeof proxyOptionsOf>;
  readonly #opened: Opened;
  /** Of warnings, to standard error. */
  readonly logger: Logger;

  private constructor(configFile: string | undefined, opened: Opened) {
    this.#options = proxyOptionsOf(readConfig(configFile).values);
    this.#opened = opened;
    this.logger = pino({ level: 'warn' }, pino.destination(2));
  }

  /**
   * Lets a command use the installation.
   *
   * @param configFile a `.properties` file, or undefined for environment variables alone
   * @throws what the configuration, or the command, throws
   */
  static async use<Result>(
    configFile: string | undefined,
    command: (site: Site) => Promise<Result>,
  ): Promise<Result> {
    const opened = new Opened();
    try {
      return await command(new Site(configFile, opened));
    } finally {
      await opened.close();
    }
  }

  async store(): Promise<ObjectStore> {
    const dependencies = { now: () => Date.now(), random: randomBytes, logger: this.logger };
    const store = await openStore(this.#options.store, dependencies);
    this.#opened.onClose(() => store.close());
    return store;
  }

  /** @throws `CLI_BUCKET_UNUSED`, and what the store throws */
  async bucket(): Promise<Bucket> {
    const store = await this.store();
    const bucket = await readBucket(store);
    const [current, ...older] = bucket?.keyRing.toReversed() ?? [];
    if (bucket === undefined || current === undefined) {
      const message = `${store.location} has never been used by Outrigger`;
      throw new OutriggerError<CliErrorCode>('CLI_BUCKET_UNUSED', message);
    }
    const groupCount = (await readGroupCount(store)) ?? 0;
    const keyRing = new KeyRing(current, older);
    return { store, clusterId: bucket.identity.clusterId, keyRing, groupCount };
  }

  /** @throws what a client throws that reaches no broker */
  async cluster(): Promise<Cluster> {
    const { bootstrap, tls: files, sasl, connectTimeoutMs } = this.#options.kafka;
    const tls = files === null ? undefined : await loadKafkaTls(files);
    const client = serviceClient({ bootstrap, tls, sasl, connectTimeoutMs, log: this.logger });
    this.#opened.onClose(() => client.close());
    const { clusterId } = await client.metadata();
    const monotonicMs = (): number => systemClock.monotonicMs();
    const log = new KafkaClusterLog({ client, monotonicMs, logger: this.logger });
    return { clusterId: clusterId ?? '', log };
  }

  get hasRedis(): boolean {
    return this.#options.redis !== null;
  }

  /** @throws `CLI_CONFIG_INVALID` without a Redis in the configuration, and `COORDINATOR_…` */
  async coordinator(store: ObjectStore, clusterId: string): Promise<WorkerCoordinator> {
    const coordinator = await RedisWorkerCoordinator.start(this.#redis(store, clusterId));
    this.#opened.onClose(() => coordinator.close());
    return coordinator;
  }

  /** The topics as members and workers share them; as `coordinator`. */
  async topics({ store, clusterId }: Bucket): Promise<Coordinator> {
    const topicSource = new TopicRecordStore(store);
    const shared = this.#redis(store, clusterId);
    const coordinator = await RedisCoordinator.start({ ...shared, topicSource });
    this.#opened.onClose(() => coordinator.close());
    return coordinator;
  }

  /** @throws what a damaged journal throws, and the store */
  async journal(
    { store, clusterId }: Bucket,
    group: number,
    mode: 'read-only' | 'writable',
  ): Promise<Journal> {
    const readOnly = mode === 'read-only';
    const now = (): number => systemClock.wallMs();
    const { logger } = this;
    return await Journal.open({
      store,
      clusterId,
      group,
      random: randomBytes,
      now,
      logger,
      readOnly,
    });
  }

  #redis(store: ObjectStore, clusterId: string) {
    const { redis: endpoint } = this.#options;
    if (endpoint === null) {
      const message = 'the configuration names no Redis: set redis.url or one of its siblings';
      throw new OutriggerError<CliErrorCode>('CLI_CONFIG_INVALID', message);
    }
    const settledRangeClaims = new StoreSettledRangeClaims(store, clusterId);
    const namespace = REDIS_NAMESPACE;
    return { endpoint, namespace, clusterId, settledRangeClaims, logger: this.logger };
  }
}
