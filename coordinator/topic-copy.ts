/**
 * Keeps the topics in Redis a copy of those in the bucket. Redis says under which replication id it
 * was last filled, and for how long that holds; when it does not any more, because Redis was wiped,
 * failed over, or the time is over, one member at a time fills it again. Every member holds the
 * bucket, so any of them may.
 */
import type { Logger } from 'pino';
import type { TopicRecord, TopicRecordStore } from '../storage/index.ts';
import type { CoordinatorKeys } from './keys.ts';
import type { LocalView } from './local-view.ts';
import type { OpenSession } from './redis/link.ts';
import { readHash } from './redis/read-hash.ts';
import { CoordinatorScripts } from './redis/scripts.ts';
import type { RedisSession } from './redis/session.ts';

/** How many records are sent at once. */
const BATCH = 64;

/** The truth about topics. */
export type TopicSource = Pick<TopicRecordStore, 'get' | 'list'>;

export interface TopicCopyOptions {
  readonly openSession: OpenSession;
  readonly keys: CoordinatorKeys;
  readonly view: LocalView;
  readonly source: TopicSource;
  readonly logger: Logger;
  /** Tells this process' lease from others'. */
  readonly holder: string;
  /** Renewed for each batch; a failed load is tried again when it is over. */
  readonly leaseMs: number;
  /** How long a copy counts as one before it is made again. */
  readonly validMs: number;
}

export class TopicCopy {
  readonly #options: TopicCopyOptions;
  #filling: Promise<void> | undefined;
  #reading: Promise<void> | undefined;
  #isKnown = false;
  #resolveKnown: () => void = () => undefined;
  /** Resolves when all topics were read once, from wherever. */
  readonly known = new Promise<void>((resolve) => {
    this.#resolveKnown = resolve;
  });

  constructor(options: TopicCopyOptions) {
    this.#options = options;
  }

  /** Whether `known` is resolved. */
  get isKnown(): boolean {
    return this.#isKnown;
  }

  /** All topics were read from Redis. */
  markKnown(): void {
    this.#isKnown = true;
    this.#resolveKnown();
  }

  /** Reads the bucket, for a process that knows nothing yet. Never fails; logs. */
  async readBucket(): Promise<void> {
    this.#reading ??= this.#readBucket().finally(() => {
      this.#reading = undefined;
    });
    await this.#reading;
  }

  /** Fills Redis, unless another member is doing so. Never fails; logs. */
  async fill(): Promise<void> {
    this.#filling ??= this.#fill().finally(() => {
      this.#filling = undefined;
    });
    await this.#filling;
  }

  async #readBucket(): Promise<void> {
    const { source, view, logger } = this.#options;
    try {
      const records: TopicRecord[] = [];
      for await (const record of source.list()) records.push(record);
      view.mergeTopics(records);
      this.markKnown();
      view.emit({ kind: 'refreshed' });
    } catch (error) {
      logger.warn({ err: error }, 'topic records cannot be read from the bucket');
    }
  }

  async #fill(): Promise<void> {
    const { openSession, logger } = this.#options;
    let session: RedisSession | undefined;
    try {
      session = await openSession();
      await this.#fillUnderLease(session);
    } catch (error) {
      logger.warn({ err: error }, 'topic records cannot be copied from the bucket to Redis');
    } finally {
      session?.close();
    }
  }

  async #fillUnderLease(session: RedisSession): Promise<void> {
    const { keys, holder, leaseMs, validMs, logger } = this.#options;
    const lease = await session.call('SET', [keys.topicsLease, holder, 'NX', 'PX', leaseMs]);
    if (lease === null) return;
    const scripts = new CoordinatorScripts(session, keys);
    const { replicationId } = await scripts.readState();
    const listed = await this.#putAll(session, scripts);
    const strays = await this.#settleStrays(session, scripts, listed);
    const isComplete = await scripts.finishTopicLoad(validMs, replicationId);
    // A load that failed keeps its lease, so that the next one waits.
    await session.call('DEL', [keys.topicsLease]);
    this.markKnown();
    logger.info(
      { topicCount: listed.size, removedCount: strays, isComplete },
      'topic records were copied from the bucket to Redis',
    );
  }

  /** @returns the ids of all topics in the bucket */
  async #putAll(session: RedisSession, scripts: CoordinatorScripts): Promise<Set<string>> {
    const { source, keys, view, leaseMs } = this.#options;
    const listed = new Set<string>();
    let batch: TopicRecord[] = [];
    const send = async (): Promise<void> => {
      view.mergeTopics(batch);
      await Promise.all(batch.map(async (record) => scripts.putTopic(record)));
      await session.call('PEXPIRE', [keys.topicsLease, leaseMs]);
      batch = [];
    };
    for await (const record of source.list()) {
      listed.add(record.topicId);
      if (batch.push(record) === BATCH) await send();
    }
    await send();
    return listed;
  }

  /**
   * A listing may lag, so a topic that is in Redis only is looked up before it is removed.
   *
   * @returns how many were removed
   */
  async #settleStrays(
    session: RedisSession,
    scripts: CoordinatorScripts,
    listed: ReadonlySet<string>,
  ): Promise<number> {
    const { source, keys } = this.#options;
    let removedCount = 0;
    for (const topicId of (await readHash(session, keys.topics)).keys()) {
      if (listed.has(topicId) || (await source.get(topicId)) !== undefined) continue;
      await scripts.removeTopic(topicId);
      removedCount++;
    }
    return removedCount;
  }
}
