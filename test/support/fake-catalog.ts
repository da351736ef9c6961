/** A topic catalog of given topics, some of which it has to look up first. */
import type { CatalogTopic, TopicCatalog, TopicConfigs } from '../../proxy/topics/topic-catalog.ts';

const CONFIGS: TopicConfigs = {
  maxMessageBytes: 1_048_588,
  timestampType: 'CreateTime',
  timestampBeforeMaxMs: Number.POSITIVE_INFINITY,
  timestampAfterMaxMs: 3_600_000,
  compacted: false,
};

export interface TopicOptions {
  readonly diskless?: boolean;
  /** Whether a record is kept of it, as of every topic that is or was diskless. */
  readonly marked?: boolean;
  readonly configs?: Partial<TopicConfigs>;
}

/** @returns a diskless topic, unless the options say otherwise */
export function topicOf(name: string, options: TopicOptions = {}): CatalogTopic {
  const { diskless = true, marked = diskless, configs = {} } = options;
  const topicId = idOf(name);
  const record = { topicId, name, diskless, configs: {}, updatedAtMs: 0, version: 1 };
  return {
    name,
    topicId,
    diskless,
    record: marked ? record : null,
    configs: { ...CONFIGS, ...configs },
  };
}

/** @returns the id that a topic of that name has in tests */
export function idOf(name: string): string {
  return Buffer.alloc(16, name).toString('base64url');
}

type Asked = Parameters<TopicCatalog['lookUp']>[0];

export class FakeCatalog
  implements Pick<TopicCatalog, 'byId' | 'byName' | 'lookUp' | 'ensureConfigs'>
{
  readonly lookedUp: Asked[] = [];
  readonly #known = new Map<string, CatalogTopic>();
  readonly #hidden: CatalogTopic[];

  /**
   * @param known topics that need no look-up
   * @param hidden topics that are found when they are looked up
   */
  constructor(known: readonly CatalogTopic[], hidden: readonly CatalogTopic[] = []) {
    for (const topic of known) this.#put(topic);
    this.#hidden = [...hidden];
  }

  byName(name: string): CatalogTopic | undefined {
    return this.#known.get(name);
  }

  byId(topicId: string): CatalogTopic | undefined {
    return this.#known.get(topicId);
  }

  async lookUp(asked: Asked): Promise<void> {
    this.lookedUp.push(asked);
    const names = new Set([...(asked.names ?? []), ...(asked.ids ?? [])]);
    for (const topic of this.#hidden) {
      if (names.has(topic.name) || names.has(topic.topicId)) this.#put(topic);
    }
  }

  async ensureConfigs(topic: CatalogTopic): Promise<TopicConfigs> {
    this.#put({ ...topic, configs: CONFIGS });
    return CONFIGS;
  }

  #put(topic: CatalogTopic): void {
    this.#known.set(topic.name, topic);
    this.#known.set(topic.topicId, topic);
  }
}
