/** What simulated members and workers share: a real Redis behind the real coordinators. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import type { Logger } from 'pino';
import {
  type FileAnnouncement,
  REDIS_NAMESPACE,
  RedisCoordinator,
  RedisWorkerCoordinator,
  StoreSettledRangeClaims,
} from '../../../coordinator/index.ts';
import { type Redis as RedisServer, startRedis } from '../../../docker/local/redis.ts';
import { type ObjectStore, TopicRecordStore } from '../../../storage/index.ts';

const POLL_MS = 1;
/** Files that are told of at once. */
const ANNOUNCED_TOGETHER = 60;
/** Far more than on a machine that has nothing else to do. */
const COMMAND_TIMEOUT_MS = 60_000;

export class SharedState {
  readonly topics: RedisCoordinator;
  readonly workers: RedisWorkerCoordinator;
  readonly #server: RedisServer;
  readonly #redis: Redis;
  readonly #written: FileAnnouncement[] = [];

  private constructor(
    topics: RedisCoordinator,
    workers: RedisWorkerCoordinator,
    server: RedisServer,
  ) {
    this.topics = topics;
    this.workers = workers;
    this.#server = server;
    this.#redis = new Redis(server.url);
  }

  static async open(store: ObjectStore, clusterId: string, logger: Logger): Promise<SharedState> {
    const server = await startRedis();
    const shared = {
      endpoint: { kind: 'single', url: server.url },
      namespace: REDIS_NAMESPACE,
      clusterId,
      settledRangeClaims: new StoreSettledRangeClaims(store, clusterId),
      logger,
      tuning: { commandTimeoutMs: COMMAND_TIMEOUT_MS },
    } as const;
    const topicSource = new TopicRecordStore(store);
    const topics = await RedisCoordinator.start({ ...shared, topicSource });
    const workers = await RedisWorkerCoordinator.start(shared);
    return new SharedState(topics, workers, server);
  }

  /** As a member does after an upload, and again when the broker has answered; but some at once. */
  announce(file: FileAnnouncement): void {
    this.#written.push(file);
    if (this.#written.length >= ANNOUNCED_TOGETHER) this.#tell();
  }

  /** Resolves once Redis has all that was announced. */
  async settled(): Promise<void> {
    this.#tell();
    while (this.topics.status().bufferedCount > 0) await sleep(POLL_MS);
  }

  #tell(): void {
    for (const file of this.#written.splice(0)) {
      this.topics.announceFile(file);
      this.topics.settleFile(file.fileId);
    }
  }

  /** @returns bytes of all data, without what an empty Redis takes */
  async bytes(): Promise<number> {
    const info = await this.#redis.info('memory');
    return Number(/^used_memory_dataset:(\d+)/m.exec(info)?.[1]);
  }

  async close(): Promise<void> {
    await this.topics.close();
    await this.workers.close();
    this.#redis.disconnect();
    await this.#server.stop();
  }
}
