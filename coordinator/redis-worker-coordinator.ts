/**
 * The `WorkerCoordinator` with Redis: puts leases, files and the copies of groups together, on one
 * session that all calls share. Nothing is buffered and nothing is tried twice: whoever calls has a
 * job that will be run again.
 */
import { randomBytes } from 'node:crypto';
import type { Logger } from 'pino';
import { systemClock, type Clock } from '../runtime/index.ts';
import type { GroupState } from '../storage/index.ts';
import type { FileAnnouncement } from './coordinator.ts';
import { GroupCopies } from './group-copies.ts';
import { type CoordinatorKeys, coordinatorKeys } from './keys.ts';
import { Leases } from './leases.ts';
import { openAdmitted } from './redis/admission.ts';
import type { RedisEndpoint } from './redis/endpoint.ts';
import { asRefusal } from './redis/outage.ts';
import { SharedSession } from './redis/shared-session.ts';
import { WorkerScripts } from './redis/worker-scripts.ts';
import { packSampleRequests, parseSampleRequests } from './sample-requests.ts';
import { SettledFiles } from './settled-files.ts';
import { SettledRanges, type SettledRangeClaims } from './settled-ranges.ts';
import { type CoordinatorTuning, DEFAULT_TUNING } from './tuning.ts';
import type {
  Lease,
  NamedTopicPartition,
  PartitionView,
  SettledFile,
  WorkerCoordinator,
  WorkerPlace,
} from './worker-coordinator.ts';

const WORKER_BYTES = 8;

export interface RedisWorkerCoordinatorOptions {
  readonly endpoint: RedisEndpoint;
  /** Tells several Kafka clusters on one Redis apart. */
  readonly namespace: string;
  /** The Kafka cluster's id. */
  readonly clusterId: string;
  readonly settledRangeClaims: SettledRangeClaims;
  readonly logger: Logger;
  readonly tuning?: Partial<Pick<CoordinatorTuning, 'commandTimeoutMs' | 'workerLeaseMs'>>;
  readonly clock?: Pick<Clock, 'monotonicMs' | 'after'>;
}

export class RedisWorkerCoordinator implements WorkerCoordinator {
  readonly #session: SharedSession;
  readonly #keys: CoordinatorKeys;
  readonly #leases: Leases;
  readonly #files: SettledFiles;
  readonly #copies: GroupCopies;
  readonly #logger: Logger;
  readonly #expiryMs: number;
  /** Tells this worker from any other. */
  readonly #worker = randomBytes(WORKER_BYTES);

  private constructor(options: RedisWorkerCoordinatorOptions) {
    const { endpoint, namespace, clusterId, logger } = options;
    const { commandTimeoutMs, workerLeaseMs } = { ...DEFAULT_TUNING, ...options.tuning };
    const keys = coordinatorKeys(namespace, clusterId);
    const session = new SharedSession(async () =>
      openAdmitted(endpoint, commandTimeoutMs, keys.owner, clusterId),
    );
    const clock = options.clock ?? systemClock;
    this.#session = session;
    this.#keys = keys;
    this.#logger = logger;
    this.#expiryMs = workerLeaseMs;
    this.#leases = new Leases({ session, keys, clock, expiryMs: workerLeaseMs, logger });
    const ranges = new SettledRanges(options.settledRangeClaims, logger);
    this.#files = new SettledFiles({ session, keys, ranges, logger });
    this.#copies = new GroupCopies(session, keys);
  }

  /**
   * Connects. A Redis that cannot be reached does not fail the start: calls do.
   *
   * @throws `COORDINATOR_REDIS_VERSION`, `COORDINATOR_REDIS_POLICY`, `COORDINATOR_REDIS_DENIED`,
   *   `COORDINATOR_FOREIGN_REDIS`
   */
  static async start(options: RedisWorkerCoordinatorOptions): Promise<RedisWorkerCoordinator> {
    const coordinator = new RedisWorkerCoordinator(options);
    try {
      await coordinator.#session.use(async () => undefined);
    } catch (error) {
      if (asRefusal(error) !== undefined) throw error;
      options.logger.warn({ err: error }, 'Redis cannot be reached yet');
    }
    return coordinator;
  }

  async beat(): Promise<WorkerPlace> {
    return await this.#session.use(async (session) =>
      new WorkerScripts(session, this.#keys).beatWorker(this.#worker, this.#expiryMs),
    );
  }

  async acquireLease(name: string): Promise<Lease | undefined> {
    return await this.#leases.acquire(name);
  }

  async settledCount(): Promise<number | undefined> {
    return await this.#files.count();
  }

  async settledFiles(after: number, limit: number): Promise<readonly SettledFile[]> {
    return await this.#files.settled(after, limit);
  }

  async unsettledFiles(
    createdBeforeMs: number,
    limit: number,
  ): Promise<readonly FileAnnouncement[]> {
    return await this.#files.unsettled(createdBeforeMs, limit);
  }

  async knownFiles(fileIds: readonly bigint[]): Promise<ReadonlySet<bigint>> {
    return await this.#files.known(fileIds);
  }

  async settleAbandoned(file: FileAnnouncement): Promise<number> {
    return await this.#files.settleAbandoned(file);
  }

  async forgetFiles(fileIds: readonly bigint[]): Promise<void> {
    await this.#files.forget(fileIds);
  }

  async requestSamples(partitions: readonly NamedTopicPartition[]): Promise<void> {
    const value = packSampleRequests(partitions);
    await this.#session.use(async (session) => session.call('SET', [this.#keys.samples, value]));
  }

  async requestedSamples(): Promise<readonly NamedTopicPartition[]> {
    const value = await this.#session.use(async (session) =>
      session.call('GET', [this.#keys.samples]),
    );
    return Buffer.isBuffer(value) ? parseSampleRequests(value) : [];
  }

  async appliedNumber(group: number): Promise<number> {
    return await this.#copies.appliedNumber(group);
  }

  async applyStates(
    group: number,
    from: GroupState,
    to: GroupState,
  ): Promise<'applied' | 'behind'> {
    return await this.#copies.apply(group, from, to);
  }

  async loadGroup(group: number, state: GroupState): Promise<void> {
    await this.#copies.load(group, state);
  }

  partitionViews(group: number): AsyncIterable<PartitionView> {
    return this.#copies.views(group);
  }

  /** Gives back what is held if Redis answers; else it expires. */
  async close(): Promise<void> {
    await this.#leases.close();
    try {
      const args = [this.#keys.workers, this.#worker];
      await this.#session.use(async (session) => session.call('ZREM', args));
    } catch (error) {
      this.#logger.debug({ err: error }, 'Redis could not be told that this worker ends');
    }
    this.#session.close();
  }
}
