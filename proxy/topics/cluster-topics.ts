/**
 * What the topics room asks of the cluster by the proxy's own principal: which topics there are and
 * how they are configured; and the one change that no client asks for, the safe values of a topic
 * that `diskless.topics` makes diskless. It keeps nothing, and knows no record.
 */
import {
  apis,
  KafkaErrorCode,
  kafkaErrorName,
  ZERO_UUID,
  type ClusterMetadata,
  type Requester,
} from '../../kafka/index.ts';
import { proxyError } from '../errors.ts';
import type { ConfigOp } from './change-plan.ts';
import { CONFIG_SOURCE, type DefaultConfig, type DescribedConfig } from './config-overlay.ts';
import {
  CLEANUP_POLICY,
  COMPRESSION_TYPE,
  REMOTE_STORAGE_ENABLE,
  RETENTION_BYTES,
  RETENTION_MS,
  SUBSTITUTED_KEYS,
  type SubstitutedKey,
} from './topic-keys.ts';
import type { BrokerTopicConfigs } from './upstream-configs.ts';

/** Kafka's `ConfigResource.Type`. */
export const RESOURCE_TYPE = { topic: 2, broker: 4, brokerLogger: 8 } as const;

/** The broker's settings that are the defaults of topics, before units are made the same. */
const BROKER_KEYS: readonly {
  readonly brokerKey: string;
  readonly key: SubstitutedKey;
  /** Of a time: what one of its units is in milliseconds. */
  readonly unitMs?: bigint;
}[] = [
  { brokerKey: 'log.cleanup.policy', key: CLEANUP_POLICY },
  { brokerKey: 'compression.type', key: COMPRESSION_TYPE },
  { brokerKey: 'log.retention.bytes', key: RETENTION_BYTES },
  // The first of the three that is set holds.
  { brokerKey: 'log.retention.ms', key: RETENTION_MS },
  { brokerKey: 'log.retention.minutes', key: RETENTION_MS, unitMs: 60_000n },
  { brokerKey: 'log.retention.hours', key: RETENTION_MS, unitMs: 3_600_000n },
];

/** Topics in one request: the answer to so many has a few megabytes at most. */
const DESCRIBE_TOPICS_MAX = 200;

/** As much of the service client as is needed here. */
export interface TopicsClient {
  metadata(): Promise<Pick<ClusterMetadata, 'brokers'>>;
  toAny(): Promise<Requester>;
  toBroker(id: number): Promise<Requester>;
}

/** One topic of the cluster. */
export interface TopicName {
  readonly name: string;
  readonly topicId: string;
}

/** What the broker says of one topic, or why it says nothing. */
export type Description =
  | { readonly kind: 'described'; readonly configs: readonly DescribedConfig[] }
  | { readonly kind: 'refused'; readonly errorCode: number; readonly reason: string };

export class ClusterTopics {
  readonly #client: TopicsClient;

  constructor(client: TopicsClient) {
    this.#client = client;
  }

  /** @returns every topic that the proxy's principal may see; a large answer on a large cluster */
  async all(): Promise<TopicName[]> {
    return this.#ask(null);
  }

  /** @returns those of the topics that exist */
  async find(names: readonly string[], ids: readonly string[]): Promise<TopicName[]> {
    // A request asks either by name or by id.
    const byName = names.length === 0 ? [] : this.#ask(names.map((name) => ({ name })));
    const byId = ids.length === 0 ? [] : this.#ask(ids.map((topicId) => ({ topicId, name: null })));
    return (await Promise.all([byName, byId])).flat();
  }

  /**
   * @param names existing topics
   * @param keys the configuration keys that are wanted
   */
  async describe(
    names: readonly string[],
    keys: readonly string[],
  ): Promise<Map<string, Description>> {
    const described = new Map<string, Description>();
    for (let at = 0; at < names.length; at += DESCRIBE_TOPICS_MAX) {
      const resources = names.slice(at, at + DESCRIBE_TOPICS_MAX).map((resourceName) => {
        return { resourceType: RESOURCE_TYPE.topic, resourceName, configurationKeys: keys };
      });
      const connection = await this.#client.toAny();
      const body = { resources, includeSynonyms: true };
      const { results } = await connection.request(apis.DescribeConfigs, body);
      for (const { resourceName, errorCode, errorMessage, configs } of results) {
        const reason = errorMessage ?? kafkaErrorName(errorCode) ?? String(errorCode);
        described.set(
          resourceName,
          errorCode === KafkaErrorCode.NONE
            ? { kind: 'described', configs }
            : { kind: 'refused', errorCode, reason },
        );
      }
    }
    return described;
  }

  /**
   * @returns what the broker holds of a topic, as far as a change of it has to know
   * @throws `PROXY_TOPIC_CONFIGS_UNREADABLE`, and what a request throws
   */
  async held(name: string): Promise<BrokerTopicConfigs> {
    const keys = [...SUBSTITUTED_KEYS, REMOTE_STORAGE_ENABLE];
    const description = (await this.describe([name], keys)).get(name);
    if (description?.kind !== 'described') {
      const message =
        `The configuration of topic ${name} cannot be read by the proxy's own principal, ` +
        `which needs DESCRIBE_CONFIGS on it: ${description?.reason ?? 'no answer'}`;
      const details = { topic: name, errorCode: description?.errorCode };
      throw proxyError('PROXY_TOPIC_CONFIGS_UNREADABLE', message, { details });
    }
    return heldOf(description.configs);
  }

  /**
   * @returns what a broker gives a topic that sets nothing, by the topic's key
   * @throws `PROXY_TOPIC_CONFIGS_UNREADABLE`, and what a request throws
   */
  async defaults(): Promise<ReadonlyMap<string, DefaultConfig>> {
    const { brokers } = await this.#client.metadata();
    const [brokerId = -1] = brokers.keys();
    const connection = await this.#client.toBroker(brokerId);
    const resource = {
      resourceType: RESOURCE_TYPE.broker,
      resourceName: String(brokerId),
      configurationKeys: BROKER_KEYS.map(({ brokerKey }) => brokerKey),
    };
    const { results } = await connection.request(apis.DescribeConfigs, { resources: [resource] });
    const result = results[0];
    if (result?.errorCode !== KafkaErrorCode.NONE) {
      const reason = result?.errorMessage ?? 'no answer';
      const message =
        "The brokers' configuration cannot be read by the proxy's own principal, which needs " +
        `DESCRIBE_CONFIGS on the cluster: ${reason}`;
      throw proxyError('PROXY_TOPIC_CONFIGS_UNREADABLE', message, { details: { brokerId } });
    }
    return defaultsOf(result.configs);
  }

  /** @throws `PROXY_TOPIC_CHANGE_REFUSED`, and what a request throws */
  async alter(name: string, ops: readonly ConfigOp[]): Promise<void> {
    const connection = await this.#client.toAny();
    const resource = { resourceType: RESOURCE_TYPE.topic, resourceName: name, configs: ops };
    const { responses } = await connection.request(apis.IncrementalAlterConfigs, {
      resources: [resource],
      validateOnly: false,
    });
    const errorCode = responses[0]?.errorCode ?? KafkaErrorCode.UNKNOWN_SERVER_ERROR;
    if (errorCode === KafkaErrorCode.NONE) return;
    const reason = responses[0]?.errorMessage ?? kafkaErrorName(errorCode) ?? String(errorCode);
    const message =
      `Topic ${name} cannot be changed by the proxy's own principal, ` +
      `which needs ALTER_CONFIGS on it: ${reason}`;
    throw proxyError('PROXY_TOPIC_CHANGE_REFUSED', message, {
      details: { topic: name, errorCode },
    });
  }

  async #ask(
    topics: readonly { readonly name: string | null; readonly topicId?: string }[] | null,
  ): Promise<TopicName[]> {
    const connection = await this.#client.toAny();
    const body = { topics, allowAutoTopicCreation: false };
    const response = await connection.request(apis.Metadata, body);
    return response.topics.flatMap(({ name, topicId }) => {
      return name === null || topicId === ZERO_UUID ? [] : [{ name, topicId }];
    });
  }
}

/** @param configs described with synonyms */
function heldOf(configs: readonly DescribedConfig[]): BrokerTopicConfigs {
  const explicit = new Map<string, string>();
  const defaults = new Map<string, string>();
  for (const { name, value, configSource, synonyms } of configs) {
    if (configSource === CONFIG_SOURCE.topic && value !== null) explicit.set(name, value);
    const fallback = synonyms.find(({ source }) => source !== CONFIG_SOURCE.topic);
    if (fallback?.value != null) defaults.set(name, fallback.value);
  }
  return { explicit, defaults };
}

/** @param configs of a broker */
function defaultsOf(configs: readonly DescribedConfig[]): ReadonlyMap<string, DefaultConfig> {
  const byName = new Map(configs.map((config) => [config.name, config]));
  const defaults = new Map<string, DefaultConfig>();
  for (const { brokerKey, key, unitMs } of BROKER_KEYS) {
    const config = byName.get(brokerKey);
    if (config === undefined || config.value === null || defaults.has(key)) continue;
    defaults.set(
      key,
      unitMs === undefined
        ? { value: config.value, source: config.configSource }
        : { value: inMs(config.value, unitMs), source: CONFIG_SOURCE.default },
    );
  }
  return defaults;
}

/** A negative time is no limit, in any unit. */
function inMs(value: string, unitMs: bigint): string {
  const count = BigInt(value);
  return count < 0n ? '-1' : String(count * unitMs);
}
