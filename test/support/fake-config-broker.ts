/**
 * A broker's configuration room in memory: what handlers forward to it, and what the proxy's own
 * principal asks, with the rules of Kafka that matter to topics. It knows no key that begins with
 * `diskless.`, and every test fails in which it is shown one.
 */
import {
  AlterConfigsRequest,
  AlterConfigsResponse,
  apis,
  CreateTopicsRequest,
  CreateTopicsResponse,
  DeleteTopicsRequest,
  DeleteTopicsResponse,
  DescribeConfigsRequest,
  DescribeConfigsResponse,
  IncrementalAlterConfigsRequest,
  IncrementalAlterConfigsResponse,
  KafkaErrorCode,
  MetadataRequest,
  MetadataResponse,
  OutriggerError,
  type Message,
  type Requester,
} from '../../kafka/index.ts';
import { CONFIG_OP } from '../../proxy/topics/change-plan.ts';
import type { TopicsClient } from '../../proxy/topics/cluster-topics.ts';

const TOPIC = 2;
const BROKER = 4;

/** A broker's defaults by the topic's key: its own key, and the value. */
const DEFAULTS: Record<string, [string, string]> = {
  'cleanup.policy': ['log.cleanup.policy', 'delete'],
  'compression.type': ['compression.type', 'producer'],
  'retention.bytes': ['log.retention.bytes', '-1'],
  'retention.ms': ['log.retention.hours', '168'],
  'max.message.bytes': ['message.max.bytes', '1048588'],
  'segment.bytes': ['log.segment.bytes', '1073741824'],
  'remote.storage.enable': ['', 'false'],
  'follower.replication.throttled.replicas': ['', ''],
};

interface Topic {
  topicId: string;
  configs: Map<string, string>;
}

interface AlteredResource {
  readonly resourceType: number;
  readonly resourceName: string;
  readonly configs: readonly {
    readonly name: string;
    readonly value: string | null;
    readonly configOperation?: number;
  }[];
}

export class FakeConfigBroker {
  readonly topics = new Map<string, Topic>();
  /** What clients may not touch; the proxy's own principal may. */
  readonly denied = new Set<string>();
  /** What the proxy's own principal may not touch. */
  readonly deniedToProxy = new Set<string>();
  readonly defaults = structuredClone(DEFAULTS);
  /** Every request that came, by name. */
  readonly seen: string[] = [];
  /** Called with every request of a client before it is answered. */
  onClientRequest: (body: Buffer, version: number) => void = () => {};
  /** Whether the proxy's own requests go unanswered. */
  isAway = false;
  /** Topics that the next Metadata answer does not show yet. */
  readonly unseenOnce = new Set<string>();
  /** Where the logs of topics end that are not empty. */
  readonly logEnds = new Map<string, readonly number[]>();
  #created = 0;

  /** The proxy's own way to it. */
  readonly client: TopicsClient = {
    metadata: async () => ({ brokers: new Map([[7, { id: 7, host: 'h', port: 1, rack: null }]]) }),
    toAny: async () => this.#requester,
    toBroker: async () => this.#requester,
  };

  readonly #requester: Requester = {
    request: async (api, body) => {
      if (this.isAway) throw new OutriggerError('KAFKA_CONNECTION_LOST', 'away');
      const version = api.request.versions[1];
      const bytes = Buffer.concat(api.request.encode(body, version));
      const answer = this.#answer(api.request.apiKey, version, bytes, this.deniedToProxy);
      return api.response.decode(answer, version);
    },
  };

  create(name: string, configs: Record<string, string> = {}): string {
    this.#created += 1;
    const topicId = Buffer.from(String(this.#created).padStart(16, 't')).toString('base64url');
    this.topics.set(name, { topicId, configs: new Map(Object.entries(configs)) });
    return topicId;
  }

  configsOf(name: string): Record<string, string> {
    return Object.fromEntries(this.topics.get(name)?.configs ?? []);
  }

  /** @returns the body of the answer to a client's request */
  answer(apiKey: number, version: number, body: Buffer): Buffer {
    this.onClientRequest(body, version);
    return this.#answer(apiKey, version, body, this.denied);
  }

  #answer(apiKey: number, version: number, body: Buffer, denied: Set<string>): Buffer {
    const encoded = <Input>(message: Message<unknown, Input>, value: Input): Buffer =>
      Buffer.concat(message.encode(value, version));
    const name = Object.entries(apis).find(([, api]) => api.request.apiKey === apiKey)?.[0] ?? '';
    this.seen.push(name);
    switch (name) {
      case 'Metadata':
        return encoded(MetadataResponse, this.#metadata(MetadataRequest.decode(body, version)));
      case 'CreateTopics': {
        const request = CreateTopicsRequest.decode(body, version);
        return encoded(CreateTopicsResponse, this.#createTopics(request, denied));
      }
      case 'DeleteTopics': {
        const request = DeleteTopicsRequest.decode(body, version);
        return encoded(DeleteTopicsResponse, this.#deleteTopics(request));
      }
      case 'DescribeConfigs': {
        const request = DescribeConfigsRequest.decode(body, version);
        return encoded(DescribeConfigsResponse, this.#describe(request, denied));
      }
      case 'AlterConfigs': {
        const request = AlterConfigsRequest.decode(body, version);
        return encoded(AlterConfigsResponse, this.#alter(request, true, denied));
      }
      case 'IncrementalAlterConfigs': {
        const request = IncrementalAlterConfigsRequest.decode(body, version);
        return encoded(IncrementalAlterConfigsResponse, this.#alter(request, false, denied));
      }
      default:
        throw new Error(`the fake broker has no API ${apiKey}`);
    }
  }

  #metadata(request: MetadataRequest): Parameters<typeof MetadataResponse.encode>[0] {
    const wanted = request.topics?.map(({ name, topicId }) => {
      return [...this.topics].find(([known, topic]) => known === name || topic.topicId === topicId);
    });
    const found = (wanted ?? [...this.topics]).filter((entry) => entry !== undefined);
    const shown = found.filter(([name]) => !this.unseenOnce.delete(name));
    const topics = shown.map(([name, { topicId }]) => {
      return { errorCode: 0, name, topicId, partitions: [] };
    });
    return { brokers: [], topics };
  }

  #createTopics(
    request: CreateTopicsRequest,
    denied: Set<string>,
  ): Parameters<typeof CreateTopicsResponse.encode>[0] {
    const topics = request.topics.map(({ name, configs }) => {
      const values = new Map(configs.map((config) => [config.name, config.value ?? '']));
      const error = denied.has(name)
        ? KafkaErrorCode.TOPIC_AUTHORIZATION_FAILED
        : this.topics.has(name)
          ? KafkaErrorCode.TOPIC_ALREADY_EXISTS
          : this.#unknownKey([...values.keys()]);
      if (error !== KafkaErrorCode.NONE) return { name, errorCode: error, errorMessage: 'no' };
      const topicId = this.create(name, Object.fromEntries(values));
      const effective = this.#described(name, null, false).map((config) => {
        const { value, configSource } = config;
        return { name: config.name, value, readOnly: false, configSource, isSensitive: false };
      });
      if (request.validateOnly) this.topics.delete(name);
      return {
        name,
        topicId,
        errorCode: 0,
        errorMessage: null,
        numPartitions: 1,
        replicationFactor: 1,
        configs: effective,
      };
    });
    return { topics };
  }

  #deleteTopics(request: DeleteTopicsRequest): Parameters<typeof DeleteTopicsResponse.encode>[0] {
    const wanted = [
      ...request.topicNames.map((name) => ({ name, topicId: '' })),
      ...request.topics.map(({ name, topicId }) => ({ name: name ?? '', topicId })),
    ];
    const responses = wanted.map((one) => {
      const found = [...this.topics].find(
        ([name, { topicId }]) => name === one.name || topicId === one.topicId,
      );
      if (found === undefined) return { name: one.name, errorCode: 3 };
      this.topics.delete(found[0]);
      return { name: found[0], topicId: found[1].topicId, errorCode: 0 };
    });
    return { throttleTimeMs: 0, responses };
  }

  #describe(
    request: DescribeConfigsRequest,
    denied: Set<string>,
  ): Parameters<typeof DescribeConfigsResponse.encode>[0] {
    const results = request.resources.map(({ resourceType, resourceName, configurationKeys }) => {
      const base = { resourceType, resourceName, errorMessage: null, configs: [] };
      if (denied.has(resourceName)) return { ...base, errorCode: 29, errorMessage: 'denied' };
      if (resourceType === BROKER) {
        const errorCode = resourceName === '7' ? 0 : 42;
        const configs = Object.values(this.defaults)
          .filter(([name]) => configurationKeys?.includes(name) ?? true)
          .map(([name, value]) => ({
            name,
            value,
            readOnly: false,
            configSource: 5,
            isSensitive: false,
          }));
        return { ...base, errorCode, configs };
      }
      if (resourceType !== TOPIC || !this.topics.has(resourceName))
        return { ...base, errorCode: 3 };
      const keys = configurationKeys?.length === 0 ? null : configurationKeys;
      const configs = this.#described(resourceName, keys, request.includeSynonyms);
      return { ...base, errorCode: 0, configs };
    });
    return { throttleTimeMs: 0, results };
  }

  #described(name: string, keys: readonly string[] | null, includeSynonyms: boolean) {
    const explicit = this.topics.get(name)?.configs ?? new Map<string, string>();
    return Object.entries(this.defaults)
      .filter(([key]) => keys?.includes(key) ?? true)
      .map(([key, [brokerKey, fallback]]) => {
        const own = explicit.get(key);
        const synonyms = [
          ...(own === undefined ? [] : [{ name: key, value: own, source: 1 }]),
          // As the broker does, which names a retention only if it is set in milliseconds.
          ...(brokerKey === '' || brokerKey.endsWith('.hours')
            ? []
            : [{ name: brokerKey, value: fallback, source: 5 }]),
        ];
        const inherited = brokerKey.endsWith('.hours')
          ? String(Number(fallback) * 3_600_000)
          : fallback;
        return {
          name: key,
          value: own ?? inherited,
          readOnly: false,
          isDefault: own === undefined,
          configSource: own === undefined ? 5 : 1,
          isSensitive: false,
          synonyms: includeSynonyms ? synonyms : [],
        };
      });
  }

  #alter(
    request: { readonly resources: readonly AlteredResource[]; readonly validateOnly: boolean },
    replaces: boolean,
    denied: Set<string>,
  ): AlterConfigsResponse {
    const responses = request.resources.map((resource) => {
      const { resourceType, resourceName } = resource;
      const errorCode = this.#alterOne(resource, replaces, request.validateOnly, denied);
      const errorMessage = errorCode === 0 ? null : 'no';
      return { errorCode, errorMessage, resourceType, resourceName };
    });
    return { throttleTimeMs: 0, responses };
  }

  #alterOne(
    { resourceType, resourceName, configs }: AlteredResource,
    replaces: boolean,
    validateOnly: boolean,
    denied: Set<string>,
  ): number {
    const names = configs.map(({ name }) => name);
    if (new Set(names).size < names.length) return KafkaErrorCode.INVALID_REQUEST;
    if (denied.has(resourceName)) return KafkaErrorCode.TOPIC_AUTHORIZATION_FAILED;
    if (resourceType === BROKER) return resourceName === '7' ? 0 : KafkaErrorCode.INVALID_REQUEST;
    const topic = this.topics.get(resourceName);
    if (topic === undefined) return KafkaErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
    const next = new Map(replaces ? [] : topic.configs);
    for (const { name, value, configOperation } of configs) {
      if (configOperation === CONFIG_OP.delete) next.delete(name);
      else next.set(name, value ?? '');
    }
    const error = this.#unknownKey([...next.keys()]);
    if (error === KafkaErrorCode.NONE && !validateOnly) topic.configs = next;
    return error;
  }

  #unknownKey(keys: readonly string[]): number {
    if (keys.some((key) => key.startsWith('diskless.'))) throw new Error('a diskless key upstream');
    return keys.every((key) => key in this.defaults)
      ? KafkaErrorCode.NONE
      : KafkaErrorCode.INVALID_CONFIG;
  }
}
