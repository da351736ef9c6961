/**
 * Makes topics diskless that appear in the cluster without passing through CreateTopics here, as
 * auto-created ones do, when `diskless.topics` names them. What was there before the first look at
 * the whole cluster is old, and stays what it is.
 *
 * The proxy's own principal gives the broker the safe values; a topic that it may not change stays
 * classic, with a warning.
 */
import type { Logger } from 'pino';
import { hasCode } from '../../kafka/index.ts';
import type { Clock } from '../../runtime/index.ts';
import { CONFIG_OP, planChange } from './change-plan.ts';
import type { ClusterTopics, TopicName } from './cluster-topics.ts';
import type { DisklessTopics } from './diskless-topics.ts';
import { settingsOf, type TopicRegister } from './topic-register.ts';
import { DISKLESS_ENABLE } from './topic-keys.ts';

/** Long enough for whoever has created a topic through another member to record what he said. */
const SETTLE_MS = 5_000;
const RANK_MAX = 11;
const RETRY_MS = 60_000;
const ATTEMPTS_MAX = 5;
const LOOK_RETRY_MS = 5_000;
/** Topics on their way; beyond this new ones stay classic until someone marks them. */
const PENDING_MAX = 10_000;

export interface DefaultMarkerOptions {
  readonly cluster: Pick<ClusterTopics, 'all' | 'held' | 'alter'>;
  readonly register: Pick<TopicRegister, 'lock' | 'read' | 'prepare' | 'write' | 'restore'>;
  readonly disklessTopics: DisklessTopics;
  /** How many other members come before this one. */
  readonly rank: () => number;
  /** Is given the topics of the first look. */
  readonly learn: (topics: readonly TopicName[]) => void;
  readonly clock: Pick<Clock, 'after'>;
  readonly log: Logger;
}

export class DefaultMarker {
  readonly #options: DefaultMarkerOptions;
  /** By topic id: how to call off what is planned. */
  readonly #pending = new Map<string, () => void>();
  #cancelLook: () => void = () => {};
  #hasLooked = false;
  #closed = false;

  constructor(options: DefaultMarkerOptions) {
    this.#options = options;
  }

  /** Looks at the whole cluster, until that has worked once. Without patterns there is no need. */
  async start(): Promise<void> {
    const { cluster, learn, clock, disklessTopics, log } = this.#options;
    if (disklessTopics.isEmpty) return;
    try {
      learn(await cluster.all());
      this.#hasLooked = true;
    } catch (error) {
      log.warn({ err: error }, 'new topics cannot be told from old ones yet');
      if (!this.#closed) this.#cancelLook = clock.after(LOOK_RETRY_MS, () => void this.start());
    }
  }

  /** To be told of every topic that was not known. */
  onLearned(topic: TopicName): void {
    const { disklessTopics, log } = this.#options;
    if (!this.#hasLooked || !disklessTopics.matches(topic.name)) return;
    if (this.#pending.has(topic.topicId)) return;
    if (this.#pending.size >= PENDING_MAX) {
      log.warn({ topic: topic.name }, 'too many new topics at once: this one stays classic');
      return;
    }
    // One member is enough; the next one looks whether it has been done.
    this.#schedule(topic, 1, SETTLE_MS * (1 + Math.min(this.#options.rank(), RANK_MAX)));
  }

  close(): void {
    this.#closed = true;
    this.#cancelLook();
    for (const cancel of this.#pending.values()) cancel();
    this.#pending.clear();
  }

  #schedule(topic: TopicName, attempt: number, delayMs: number): void {
    const run = (): void => void this.#attempt(topic, attempt);
    this.#pending.set(topic.topicId, this.#options.clock.after(delayMs, run));
  }

  async #attempt(topic: TopicName, attempt: number): Promise<void> {
    const { log } = this.#options;
    try {
      const marked = await this.#mark(topic);
      this.#pending.delete(topic.topicId);
      if (marked) log.info({ topic: topic.name }, 'a new topic is diskless by diskless.topics');
    } catch (error) {
      const message = 'a new topic that diskless.topics names stays classic';
      log.warn({ err: error, topic: topic.name, attempt }, message);
      this.#pending.delete(topic.topicId);
      if (attempt < ATTEMPTS_MAX && !this.#closed) this.#schedule(topic, attempt + 1, RETRY_MS);
    }
  }

  /** @returns false if someone else has decided what the topic is */
  async #mark(topic: TopicName): Promise<boolean> {
    const { cluster, register } = this.#options;
    const unlock = await register.lock([topic.name]);
    try {
      // In this order, see `TopicRegister.prepare`.
      const held = await cluster.held(topic.name);
      const before = await register.read(topic.topicId);
      if (before?.diskless === true || before?.configs[DISKLESS_ENABLE] !== undefined) return false;
      const reset = { name: DISKLESS_ENABLE, configOperation: CONFIG_OP.delete, value: null };
      const plan = planChange({
        topic: topic.name,
        settings: settingsOf(before),
        held,
        change: { kind: 'operations', ops: [reset] },
        disklessByDefault: true,
      });
      if (plan.kind === 'refused' || plan.upstream.kind !== 'operations') return false;
      if (!plan.settings.diskless) return false;
      const present = await register.prepare(topic, before, held);
      try {
        await cluster.alter(topic.name, plan.upstream.ops);
      } catch (error) {
        // Without an answer the broker may have the safe values: what was prepared stays then.
        const isRefused = hasCode(error, 'PROXY_TOPIC_CHANGE_REFUSED');
        if (isRefused) await register.restore(topic, before, present);
        throw error;
      }
      await register.write(topic, present, plan.settings, true);
      return true;
    } finally {
      unlock();
    }
  }
}
