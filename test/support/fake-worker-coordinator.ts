/**
 * What workers share, in memory: a Redis that can be wiped, can fall back to how it was earlier,
 * and can be away. Settled files are counted in ranges, as in Redis: another one after each such
 * event.
 */
import type {
  FileAnnouncement,
  Lease,
  NamedTopicPartition,
  PartitionView,
  SettledFile,
  WorkerCoordinator,
  WorkerPlace,
} from '../../coordinator/index.ts';
import { coordinatorError } from '../../coordinator/errors.ts';
import { SETTLED_RANGE_SIZE } from '../../coordinator/redis/scripts.ts';
import { EMPTY_STATE, type GroupState } from '../../storage/index.ts';

/** What Redis holds; a snapshot of it may be given back to `fallBackTo`. */
export interface FakeRedis {
  readonly announced: Map<bigint, FileAnnouncement>;
  readonly settled: Map<bigint, number>;
  readonly groups: Map<number, GroupState>;
  count: number;
}

export class FakeWorkerCoordinator implements WorkerCoordinator {
  #redis: FakeRedis = { announced: new Map(), settled: new Map(), groups: new Map(), count: 0 };
  #range = 0;
  #samples: readonly NamedTopicPartition[] = [];
  readonly #leases = new Map<string, AbortController>();
  /** Every call fails while it is set. */
  isAway = false;
  /** While unset, Redis cannot vouch for its count. */
  canCount = true;

  /** What Redis holds, as a copy. */
  snapshot(): FakeRedis {
    const { announced, settled, groups, count } = this.#redis;
    return {
      announced: new Map(announced),
      settled: new Map(settled),
      groups: new Map(groups),
      count,
    };
  }

  /** Redis forgets everything; it counts in another range from now on. */
  wipe(): void {
    this.fallBackTo({ announced: new Map(), settled: new Map(), groups: new Map(), count: 0 });
  }

  /** Redis is as it was; it counts in another range from now on. */
  fallBackTo(earlier: FakeRedis): void {
    this.#range += 1;
    this.#redis = { ...earlier, count: this.#range * SETTLED_RANGE_SIZE };
    this.#samples = [];
    for (const held of this.#leases.values()) held.abort();
    this.#leases.clear();
  }

  /** As a member does. */
  announce(file: FileAnnouncement): void {
    if (!this.#redis.announced.has(file.fileId)) this.#redis.announced.set(file.fileId, file);
  }

  /** As a member does. @returns the file's number; undefined if it was never announced */
  settle(fileId: bigint): number | undefined {
    const { announced, settled } = this.#redis;
    if (!announced.has(fileId)) return undefined;
    const known = settled.get(fileId);
    if (known !== undefined) return known;
    this.#redis.count += 1;
    settled.set(fileId, this.#redis.count);
    return this.#redis.count;
  }

  async beat(): Promise<WorkerPlace> {
    this.#check();
    return { count: 1, rank: 0 };
  }

  async acquireLease(name: string): Promise<Lease | undefined> {
    this.#check();
    if (this.#leases.has(name)) return undefined;
    const held = new AbortController();
    this.#leases.set(name, held);
    const release = async (): Promise<void> => {
      if (this.#leases.get(name) === held) this.#leases.delete(name);
    };
    return { name, lost: held.signal, release };
  }

  async settledCount(): Promise<number | undefined> {
    this.#check();
    return this.canCount ? this.#redis.count : undefined;
  }

  async settledFiles(after: number, limit: number): Promise<readonly SettledFile[]> {
    this.#check();
    const files: SettledFile[] = [];
    for (const [fileId, settledNumber] of this.#redis.settled) {
      const announced = this.#redis.announced.get(fileId);
      if (announced === undefined || settledNumber <= after) continue;
      files.push({ ...announced, settledNumber });
    }
    return files.sort((a, b) => a.settledNumber - b.settledNumber).slice(0, limit);
  }

  async unsettledFiles(
    createdBeforeMs: number,
    limit: number,
  ): Promise<readonly FileAnnouncement[]> {
    this.#check();
    const { announced, settled } = this.#redis;
    return [...announced.values()]
      .filter(({ fileId, createdMs }) => !settled.has(fileId) && createdMs < createdBeforeMs)
      .sort((a, b) => a.createdMs - b.createdMs)
      .slice(0, limit);
  }

  async knownFiles(fileIds: readonly bigint[]): Promise<ReadonlySet<bigint>> {
    this.#check();
    return new Set(fileIds.filter((fileId) => this.#redis.announced.has(fileId)));
  }

  async settleAbandoned(file: FileAnnouncement): Promise<number> {
    this.#check();
    this.announce(file);
    return this.settle(file.fileId) ?? 0;
  }

  async forgetFiles(fileIds: readonly bigint[]): Promise<void> {
    this.#check();
    for (const fileId of fileIds) {
      this.#redis.announced.delete(fileId);
      this.#redis.settled.delete(fileId);
    }
  }

  async requestSamples(partitions: readonly NamedTopicPartition[]): Promise<void> {
    this.#check();
    this.#samples = partitions;
  }

  async requestedSamples(): Promise<readonly NamedTopicPartition[]> {
    this.#check();
    return this.#samples;
  }

  async appliedNumber(group: number): Promise<number> {
    this.#check();
    return this.#redis.groups.get(group)?.number ?? 0;
  }

  async applyStates(
    group: number,
    from: GroupState,
    to: GroupState,
  ): Promise<'applied' | 'behind'> {
    const applied = await this.appliedNumber(group);
    if (applied >= to.number) return 'applied';
    if (applied !== from.number) return 'behind';
    this.#redis.groups.set(group, to);
    return 'applied';
  }

  async loadGroup(group: number, state: GroupState): Promise<void> {
    if ((await this.appliedNumber(group)) <= state.number) this.#redis.groups.set(group, state);
  }

  async *partitionViews(group: number): AsyncIterable<PartitionView> {
    this.#check();
    const { partitions } = this.#redis.groups.get(group) ?? EMPTY_STATE;
    for (const { quarantined: _, asOf: _asOf, ...view } of partitions.values()) {
      yield { ...view, group };
    }
  }

  async close(): Promise<void> {
    for (const held of this.#leases.values()) held.abort();
    this.#leases.clear();
  }

  #check(): void {
    if (!this.isAway) return;
    throw coordinatorError('COORDINATOR_REDIS_UNAVAILABLE', 'Redis is away.', { retriable: true });
  }
}
