/**
 * What the journals say of the partitions that are read here, kept in memory and asked for again in
 * the background, so that nobody waits for it on the way of every fetch. Whoever has to know better
 * asks for a view that is no older than a moment ago.
 *
 * It promises: an answer from before an outage stays in use during it, and every partition that is
 * in use is asked for again once in an interval, not at each fetch.
 */
import type { Logger } from 'pino';
import { LRUCache } from 'lru-cache';
import type { PartitionStates, PartitionView } from '../../coordinator/index.ts';
import type { Clock } from '../../runtime/index.ts';
import { partitionKey, type PartitionId } from '../../storage/index.ts';
import { proxyError } from '../errors.ts';
import { storedPartition, type StoredPartition } from './stored-partition.ts';

/** Beyond this many partitions the ones least read are forgotten. */
const PARTITIONS_MAX = 100_000;
/** A view that is older is asked for again once somebody looks at it. */
const REFRESH_MS = 5_000;
/** After an answer that did not come. */
const RETRY_MS = 2_000;

interface Known {
  /** Null if the journals say nothing. */
  readonly partition: StoredPartition | null;
  /** When it was asked for. */
  readonly asOfMs: number;
}

export interface PartitionViewsOptions {
  readonly states: PartitionStates;
  readonly clock: Pick<Clock, 'monotonicMs'>;
  readonly log: Logger;
}

export interface PartitionViewsStats {
  readonly cached: number;
  readonly asked: number;
  readonly failed: number;
}

export class PartitionViews {
  readonly #options: PartitionViewsOptions;
  readonly #known = new LRUCache<string, Known>({ max: PARTITIONS_MAX });
  readonly #asking = new Map<string, Promise<StoredPartition | null>>();
  /** By group: when it was last said to have changed. As many as the bucket has groups. */
  readonly #movedAtMs = new Map<number, number>();
  /** Before it nothing is asked in the background. */
  #retryAtMs = Number.NEGATIVE_INFINITY;
  #asked = 0;
  #failed = 0;

  constructor(options: PartitionViewsOptions) {
    this.#options = options;
  }

  get stats(): PartitionViewsStats {
    return { cached: this.#known.size, asked: this.#asked, failed: this.#failed };
  }

  /**
   * The way without waiting.
   * @returns null for a partition of which the journals say nothing, undefined while that is not
   *   known; it is asked for in the background then
   */
  peek(id: PartitionId): StoredPartition | null | undefined {
    const key = partitionKey(id);
    const known = this.#known.get(key);
    const nowMs = this.#options.clock.monotonicMs();
    const isDue = known === undefined || this.#isOutdated(known, nowMs);
    if (isDue && nowMs >= this.#retryAtMs && !this.#asking.has(key)) this.#askSoon(id, key);
    return known?.partition;
  }

  /**
   * @returns as `peek`, and waits for it where it is not known
   * @throws `PROXY_VIEW_UNAVAILABLE` (retriable) while neither Redis nor the bucket can be asked
   */
  async get(id: PartitionId): Promise<StoredPartition | null> {
    const known = this.peek(id);
    return known === undefined ? await this.#ask(id, partitionKey(id), false) : known;
  }

  /**
   * What the journals say now: asked for after this call.
   * @throws as `get`
   */
  async refresh(id: PartitionId): Promise<StoredPartition | null> {
    const key = partitionKey(id);
    // An answer that is on its way may be from before.
    await this.#asking.get(key)?.catch(() => null);
    return await this.#ask(id, key, true);
  }

  /** Workers have changed something: what is known of the group's partitions is asked for again. */
  groupMoved(group: number): void {
    this.#movedAtMs.set(group, this.#options.clock.monotonicMs());
  }

  #isOutdated({ partition, asOfMs }: Known, nowMs: number): boolean {
    if (nowMs - asOfMs >= REFRESH_MS) return true;
    const movedAtMs = partition === null ? undefined : this.#movedAtMs.get(partition.view.group);
    return movedAtMs !== undefined && asOfMs <= movedAtMs;
  }

  #askSoon(id: PartitionId, key: string): void {
    this.#ask(id, key, false).catch((error: unknown) => {
      this.#options.log.warn({ err: error }, 'the state of a partition cannot be read');
    });
  }

  #ask(id: PartitionId, key: string, isFresh: boolean): Promise<StoredPartition | null> {
    let asking = this.#asking.get(key);
    if (asking === undefined) {
      asking = this.#load(id, key, isFresh).finally(() => this.#asking.delete(key));
      this.#asking.set(key, asking);
    }
    return asking;
  }

  async #load(id: PartitionId, key: string, isFresh: boolean): Promise<StoredPartition | null> {
    const { states, clock } = this.#options;
    const asOfMs = clock.monotonicMs();
    this.#asked += 1;
    let view: PartitionView | undefined;
    try {
      view = await states.get(id, isFresh);
    } catch (error) {
      this.#failed += 1;
      this.#retryAtMs = clock.monotonicMs() + RETRY_MS;
      const message = 'Neither Redis nor the bucket says what became of a partition.';
      const details = { topicId: id.topicId, partition: id.partition };
      throw proxyError('PROXY_VIEW_UNAVAILABLE', message, {
        retriable: true,
        details,
        cause: error,
      });
    }
    const partition = view === undefined ? null : storedPartition(view);
    this.#known.set(key, { partition, asOfMs });
    return partition;
  }
}
