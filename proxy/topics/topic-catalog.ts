/**
 * What this member knows of topics: which id a name has, which topics are diskless, and the
 * settings that produced batches are checked against. A look at it never waits, because it is on
 * the path of every request; what it does not know yet it can be told to look up.
 *
 * It follows the coordinator for records, and passing Metadata answers for names and ids. A topic
 * that was created again under its name has another id, and is another topic. What it knows may be
 * late: a diskless topic taken for a classic one gets real batches, which is correct too.
 */
import type { Logger } from 'pino';
import type { Coordinator, CoordinatorEvent } from '../../coordinator/index.ts';
import { ZERO_UUID } from '../../kafka/index.ts';
import type { TopicRecord } from '../../storage/index.ts';
import type { Clock } from '../../runtime/index.ts';
import type { ClusterTopics, TopicName } from './cluster-topics.ts';
import { readTopicConfigs, TOPIC_CONFIG_KEYS, type TopicConfigs } from './topic-configs.ts';

export type { TopicConfigs } from './topic-configs.ts';

/** One topic as it is known now; never changed, but replaced by a newer one. */
export interface CatalogTopic {
  readonly name: string;
  /** 16 bytes in base64url. */
  readonly topicId: string;
  readonly diskless: boolean;
  /** What is kept of the topic; null if nothing ever was. */
  readonly record: TopicRecord | null;
  /** Null until `ensureConfigs`. */
  readonly configs: TopicConfigs | null;
}

/** Beyond this the topics that were learned first, and have no record, are forgotten. */
const TOPICS_MAX = 1_000_000;
/** How long a topic that the cluster does not have is not asked for again. */
const MISSING_MS = 1_000;
const MISSING_MAX = 10_000;
/** How old the settings of topics may become. */
const CONFIGS_MAX_AGE_MS = 60_000;

export interface TopicCatalogOptions {
  readonly cluster: Pick<ClusterTopics, 'find' | 'describe'>;
  readonly coordinator: Pick<Coordinator, 'topics' | 'subscribe'>;
  readonly clock: Pick<Clock, 'monotonicMs' | 'after'>;
  /** Hears of every topic that was not known. */
  readonly onLearned?: (topic: TopicName) => void;
  readonly log: Logger;
}

export class TopicCatalog {
  readonly #options: TopicCatalogOptions;
  readonly #byName = new Map<string, CatalogTopic>();
  readonly #byId = new Map<string, CatalogTopic>();
  /** When names and ids that the cluster does not have may be asked for again. */
  readonly #missing = new Map<string, number>();
  readonly #lookingUp = new Map<string, Promise<void>>();
  readonly #describing = new Map<string, Promise<void>>();
  #warnedOfConfigs = false;
  #unsubscribe: () => void = () => {};
  #cancelRefresh: () => void = () => {};

  constructor(options: TopicCatalogOptions) {
    this.#options = options;
  }

  /** Takes over what the coordinator knows, and follows it from then on. */
  start(): void {
    this.#unsubscribe = this.#options.coordinator.subscribe((event) => this.#onEvent(event));
    this.#takeRecords();
    this.#scheduleRefresh();
  }

  close(): void {
    this.#unsubscribe();
    this.#cancelRefresh();
  }

  byName(name: string): CatalogTopic | undefined {
    return this.#byName.get(name);
  }

  /** @param topicId in base64url */
  byId(topicId: string): CatalogTopic | undefined {
    return this.#byId.get(topicId);
  }

  /** @returns every topic that is known */
  topics(): IterableIterator<CatalogTopic> {
    return this.#byName.values();
  }

  /** Takes names and ids from an answer of the cluster that passes by; zero ids say nothing. */
  learn(topics: Iterable<TopicName>): void {
    for (const { name, topicId } of topics) {
      if (topicId === ZERO_UUID || this.#byName.get(name)?.topicId === topicId) continue;
      this.#put({ name, topicId }, this.#options.coordinator.topics().get(topicId) ?? null);
      this.#options.onLearned?.({ name, topicId });
    }
  }

  /** Drops a topic that was deleted. */
  forget(topicId: string): void {
    const topic = this.#byId.get(topicId);
    if (topic !== undefined) this.#drop(topic);
  }

  /**
   * Asks the cluster for topics that are not known. Never fails: they stay unknown then, and so
   * they do for a second if the cluster does not have them.
   */
  async lookUp(wanted: {
    readonly names?: readonly string[];
    readonly ids?: readonly string[];
  }): Promise<void> {
    const names = (wanted.names ?? []).filter((name) => !this.#byName.has(name));
    const ids = (wanted.ids ?? []).filter((id) => id !== ZERO_UUID && !this.#byId.has(id));
    await this.#find(names, ids);
  }

  /**
   * @returns the settings of the topic, described once and then kept fresh. Never fails: where the
   *   cluster does not tell, Kafka's defaults hold.
   */
  async ensureConfigs(topic: CatalogTopic): Promise<TopicConfigs> {
    const known = this.#byName.get(topic.name)?.configs;
    if (known !== undefined && known !== null) return known;
    await this.#describe([topic.name]);
    return this.#byName.get(topic.name)?.configs ?? readTopicConfigs([], topic.record);
  }

  /** Describes those of the topics again whose settings are in use, after they were altered. */
  async refreshConfigs(names: readonly string[]): Promise<void> {
    await this.#describe(names.filter((name) => this.#byName.get(name)?.configs != null));
  }

  #onEvent(event: CoordinatorEvent): void {
    if (event.kind === 'topic-changed') this.#takeRecord(event.record);
    else if (event.kind === 'topic-removed') this.#dropRecord(event.topicId);
    else if (event.kind === 'refreshed') this.#takeRecords();
  }

  #takeRecords(): void {
    const records = this.#options.coordinator.topics();
    for (const record of records.values()) this.#takeRecord(record);
    for (const { topicId, record } of this.#byId.values()) {
      if (record !== null && !records.has(topicId)) this.#dropRecord(topicId);
    }
  }

  #takeRecord(record: TopicRecord): void {
    const current = this.#byName.get(record.name);
    if (current === undefined || current.topicId === record.topicId) {
      this.#put(record, record);
      return;
    }
    // Two topics have had the name, and only the cluster knows which of them has it now.
    void this.#find([record.name], []);
  }

  #dropRecord(topicId: string): void {
    const topic = this.#byId.get(topicId);
    if (topic !== undefined) this.#put(topic, null);
  }

  #put({ name, topicId }: TopicName, record: TopicRecord | null): void {
    const before = this.#byName.get(name);
    if (before !== undefined && before.topicId !== topicId) this.#drop(before);
    const described = before?.topicId === topicId ? before.configs : null;
    const diskless = record?.diskless === true;
    // Whether the topic is compacted is said by record and broker together: they are read again.
    const configs = before?.record === record ? described : null;
    this.#set({ name, topicId, diskless, record, configs });
    if (described !== null && configs === null) void this.#describe([name]);
    this.#missing.delete(name);
    this.#missing.delete(topicId);
    if (this.#byName.size > TOPICS_MAX) this.#forgetOldest();
  }

  #set(topic: CatalogTopic): void {
    this.#byName.set(topic.name, topic);
    this.#byId.set(topic.topicId, topic);
  }

  #drop({ name, topicId }: CatalogTopic): void {
    this.#byName.delete(name);
    this.#byId.delete(topicId);
  }

  #forgetOldest(): void {
    for (const topic of this.#byName.values()) {
      if (topic.record !== null) continue;
      this.#drop(topic);
      return;
    }
  }

  async #find(names: readonly string[], ids: readonly string[]): Promise<void> {
    const nowMs = this.#options.clock.monotonicMs();
    const isDue = (key: string): boolean => (this.#missing.get(key) ?? nowMs) <= nowMs;
    await sharing(this.#lookingUp, [...names, ...ids].filter(isDue), async (keys) => {
      const wanted = new Set(keys);
      const isWanted = (key: string): boolean => wanted.has(key);
      await this.#ask(names.filter(isWanted), ids.filter(isWanted));
    });
  }

  async #ask(names: readonly string[], ids: readonly string[]): Promise<void> {
    try {
      const found = await this.#options.cluster.find(names, ids);
      this.learn(found);
      const keys = new Set(found.flatMap(({ name, topicId }) => [name, topicId]));
      for (const key of [...names, ...ids]) if (!keys.has(key)) this.#noteMissing(key);
    } catch (error) {
      this.#options.log.warn({ err: error, names, ids }, 'topics cannot be looked up');
    }
  }

  #noteMissing(key: string): void {
    if (this.#missing.size >= MISSING_MAX) this.#missing.clear();
    this.#missing.set(key, this.#options.clock.monotonicMs() + MISSING_MS);
  }

  async #describe(names: readonly string[]): Promise<void> {
    await sharing(this.#describing, names, async (wanted) => this.#readConfigs(wanted));
  }

  async #readConfigs(names: readonly string[]): Promise<void> {
    try {
      const described = await this.#options.cluster.describe(names, TOPIC_CONFIG_KEYS);
      for (const [name, description] of described) {
        const topic = this.#byName.get(name);
        if (topic === undefined) continue;
        if (description.kind === 'refused') this.#warnOfConfigs(name, description.reason);
        const known = description.kind === 'described' ? description.configs : [];
        this.#set({ ...topic, configs: readTopicConfigs(known, topic.record) });
      }
    } catch (error) {
      // The broker still refuses what it can see; the next request asks again.
      this.#options.log.warn({ err: error, names }, 'the settings of topics cannot be read');
    }
  }

  #warnOfConfigs(topic: string, reason: string): void {
    if (this.#warnedOfConfigs) return;
    this.#warnedOfConfigs = true;
    this.#options.log.warn(
      { topic, reason },
      "the settings of topics are taken for Kafka's defaults: give the proxy's own principal " +
        'DESCRIBE_CONFIGS on them',
    );
  }

  #scheduleRefresh(): void {
    this.#cancelRefresh = this.#options.clock.after(CONFIGS_MAX_AGE_MS, () => {
      const names = [...this.#byName.keys()];
      void this.refreshConfigs(names).finally(() => this.#scheduleRefresh());
    });
  }
}

/** Asks for those of the keys that nobody is asking for already, and waits for all of them. */
async function sharing(
  asking: Map<string, Promise<void>>,
  keys: readonly string[],
  ask: (keys: readonly string[]) => Promise<void>,
): Promise<void> {
  const wanted = keys.filter((key) => !asking.has(key));
  if (wanted.length > 0) {
    const answered = ask(wanted).finally(() => {
      for (const key of wanted) asking.delete(key);
    });
    for (const key of wanted) asking.set(key, answered);
  }
  await Promise.all(keys.flatMap((key) => asking.get(key) ?? []));
}
