/**
 * Brokers of a large cluster, as TCP servers of this process: what they are asked by workers they
 * answer as real ones do, with responses of the same size, from arithmetic instead of logs. They
 * count requests and bytes by API.
 */
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import {
  ApiKey,
  apiKeyName,
  apis,
  FrameSplitter,
  KafkaErrorCode,
  parseRequestHeader,
  responseFrame,
  type MessageInput,
  type MessageOf,
  type RequestHeader,
} from '../../../kafka/index.ts';
import {
  batchesMerged,
  BROKERS,
  CLUSTER_ID,
  leaderOf,
  LEADER_EPOCH,
  LogTemplate,
  topicIdOf,
  topicNameOf,
  topicNumberOf,
  type ClusterShape,
  type ShapedPartition,
} from './cluster-shape.ts';

const HOST = '127.0.0.1';
const FRAME_BYTES_MAX = 64 * 1024 * 1024;
const TOPIC_CONFIG = 2;
const DEFAULT_CONFIG = 5;
/** What a broker of Kafka 4 offers, as far as workers use it. */
const OFFERED = [
  { apiKey: ApiKey.ApiVersions, minVersion: 0, maxVersion: 4 },
  { apiKey: ApiKey.Metadata, minVersion: 0, maxVersion: 13 },
  { apiKey: ApiKey.ListOffsets, minVersion: 1, maxVersion: 10 },
  { apiKey: ApiKey.Fetch, minVersion: 4, maxVersion: 17 },
  { apiKey: ApiKey.DescribeConfigs, minVersion: 1, maxVersion: 4 },
  { apiKey: ApiKey.ListGroups, minVersion: 0, maxVersion: 5 },
  { apiKey: ApiKey.DeleteRecords, minVersion: 0, maxVersion: 2 },
];
/** Where a broker would have them from its own configuration. */
const CONFIG_VALUES: ReadonlyMap<string, string> = new Map([
  ['segment.bytes', '1073741824'],
  ['segment.ms', '604800000'],
  ['retention.ms', '604800000'],
  ['retention.bytes', '-1'],
  ['cleanup.policy', 'delete'],
  ['delete.retention.ms', '86400000'],
  ['min.compaction.lag.ms', '0'],
  ['max.compaction.lag.ms', '9223372036854775807'],
  ['min.cleanable.dirty.ratio', '0.5'],
]);

/** By the API's name. */
export type ApiCounts = Readonly<Record<string, { requests: number; bytes: number }>>;

type Answered<Name extends keyof typeof apis> = MessageInput<(typeof apis)[Name]['response']>;
type Asked<Name extends keyof typeof apis> = MessageOf<(typeof apis)[Name]['request']>;

export class LargeBrokers {
  readonly #shape: ClusterShape;
  readonly #log: LogTemplate;
  readonly #merged: number;
  /** Batches beyond those that are merged, by topic and partition. */
  readonly #appended = new Map<string, number>();
  readonly #counts: Record<string, { requests: number; bytes: number }> = {};
  readonly #servers: Server[] = [];
  readonly #sockets = new Set<Socket>();

  private constructor(shape: ClusterShape, log: LogTemplate) {
    this.#shape = shape;
    this.#log = log;
    this.#merged = batchesMerged(shape);
  }

  static async start(shape: ClusterShape, log: LogTemplate): Promise<LargeBrokers> {
    const brokers = new LargeBrokers(shape, log);
    for (let broker = 0; broker < BROKERS; broker++) {
      const server = createServer((socket) => brokers.#accept(socket));
      server.listen(0, HOST);
      await once(server, 'listening');
      brokers.#servers.push(server);
    }
    return brokers;
  }

  get bootstrap(): string {
    return `${HOST}:${this.#portOf(0)}`;
  }

  /** Requests and bytes of both directions since the start. */
  get counts(): ApiCounts {
    return structuredClone(this.#counts);
  }

  append(partitions: Iterable<ShapedPartition>): void {
    for (const { topic, partition } of partitions) {
      const key = `${topic}/${partition}`;
      this.#appended.set(key, (this.#appended.get(key) ?? 0) + 1);
    }
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all(
      this.#servers.map(async (server) => {
        server.close();
        await once(server, 'close');
      }),
    );
  }

  #portOf(broker: number): number {
    const address = this.#servers[broker]?.address();
    if (address === null || typeof address !== 'object') throw new Error('a broker has stopped');
    return address.port;
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket);
    const splitter = new FrameSplitter(FRAME_BYTES_MAX);
    socket.setNoDelay(true);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('data', (chunk: Buffer) => {
      for (const frame of splitter.push(chunk)) this.#receive(frame, socket);
    });
  }

  #receive(frame: Buffer, socket: Socket): void {
    const header = parseRequestHeader(frame);
    const chunks = this.#answer(header, frame);
    const bytes = chunks.reduce((sum, { length }) => sum + length, frame.length);
    const counts = (this.#counts[apiKeyName(header.apiKey) ?? '?'] ??= { requests: 0, bytes: 0 });
    counts.requests++;
    counts.bytes += bytes;
    socket.cork();
    for (const chunk of chunks) socket.write(chunk);
    socket.uncork();
  }

  #answer(header: RequestHeader, frame: Buffer): readonly Buffer[] {
    const asked = <Body>(api: {
      request: { decode: (buffer: Buffer, version: number, offset: number) => Body };
    }): Body => api.request.decode(frame, header.apiVersion, header.bodyOffset);
    switch (header.apiKey) {
      case ApiKey.ApiVersions:
        return responseFrame(apis.ApiVersions.response, header, { errorCode: 0, apiKeys: OFFERED });
      case ApiKey.Metadata:
        return responseFrame(apis.Metadata.response, header, this.#metadata(asked(apis.Metadata)));
      case ApiKey.ListOffsets: {
        const answer = this.#listOffsets(asked(apis.ListOffsets));
        return responseFrame(apis.ListOffsets.response, header, answer);
      }
      case ApiKey.Fetch:
        return responseFrame(apis.Fetch.response, header, this.#fetch(asked(apis.Fetch)));
      case ApiKey.DescribeConfigs: {
        const answer = describeConfigs(asked(apis.DescribeConfigs));
        return responseFrame(apis.DescribeConfigs.response, header, answer);
      }
      default:
        throw new Error(`${apiKeyName(header.apiKey)} was not expected`);
    }
  }

  #metadata({ topics }: Asked<'Metadata'>): Answered<'Metadata'> {
    return {
      brokers: this.#servers.map((_, broker) => {
        return { nodeId: broker + 1, host: HOST, port: this.#portOf(broker), rack: null };
      }),
      clusterId: CLUSTER_ID,
      controllerId: 1,
      topics: (topics ?? []).map(({ name, topicId }) => this.#topic(name, topicId)),
    };
  }

  #topic(name: string | null, topicId: string): Answered<'Metadata'>['topics'][number] {
    const number = name === null ? topicNumberOf(topicId) : Number(name.split('.').at(-1));
    if (!(number < this.#shape.topics)) {
      const errorCode =
        name === null ? KafkaErrorCode.UNKNOWN_TOPIC_ID : KafkaErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
      return { errorCode, name, topicId, partitions: [] };
    }
    const replicas = Array.from({ length: BROKERS }, (_, broker) => broker + 1);
    return {
      errorCode: 0,
      name: topicNameOf(number),
      topicId: topicIdOf(number),
      partitions: Array.from({ length: this.#shape.partitionsPerTopic }, (_, partition) => ({
        errorCode: 0,
        partitionIndex: partition,
        leaderId: leaderOf(number, partition),
        leaderEpoch: LEADER_EPOCH,
        replicaNodes: replicas,
        isrNodes: replicas,
      })),
    };
  }

  #listOffsets({ topics }: Asked<'ListOffsets'>): Answered<'ListOffsets'> {
    return {
      topics: topics.map(({ name, partitions }) => ({
        name,
        partitions: partitions.map(({ partitionIndex, timestamp }) => ({
          partitionIndex,
          errorCode: 0,
          offset: timestamp === -2n ? 0n : this.#endOf(name, partitionIndex),
          leaderEpoch: LEADER_EPOCH,
        })),
      })),
    };
  }

  #fetch({ topics, maxBytes }: Asked<'Fetch'>): Answered<'Fetch'> {
    return {
      responses: topics.map(({ topic, topicId, partitions }) => ({
        topic,
        topicId,
        partitions: partitions.map(({ partition, fetchOffset }) => {
          const name = topic === '' ? topicNameOf(topicNumberOf(topicId)) : topic;
          const end = this.#endOf(name, partition);
          const batches: Buffer[] = [];
          let [next, bytes] = [LogTemplate.batchAt(fetchOffset), 0];
          while (LogTemplate.offsetOf(next) < end && (bytes === 0 || bytes < maxBytes)) {
            const batch = this.#log.batch(next++);
            batches.push(batch);
            bytes += batch.length;
          }
          return {
            partitionIndex: partition,
            errorCode: 0,
            highWatermark: end,
            lastStableOffset: end,
            logStartOffset: 0n,
            records: batches,
          };
        }),
      })),
    };
  }

  #endOf(topic: string, partition: number): bigint {
    const appended = this.#appended.get(`${topic}/${partition}`) ?? 0;
    return LogTemplate.offsetOf(this.#merged + appended);
  }
}

function describeConfigs({ resources }: Asked<'DescribeConfigs'>): Answered<'DescribeConfigs'> {
  return {
    throttleTimeMs: 0,
    results: resources.map(({ resourceName, configurationKeys }) => ({
      errorCode: 0,
      errorMessage: null,
      resourceType: TOPIC_CONFIG,
      resourceName,
      configs: (configurationKeys ?? []).map((name) => {
        const value = CONFIG_VALUES.get(name) ?? null;
        return {
          name,
          value,
          readOnly: false,
          configSource: DEFAULT_CONFIG,
          isSensitive: false,
          synonyms: [{ name: `log.${name}`, value, source: DEFAULT_CONFIG }],
        };
      }),
    })),
  };
}
