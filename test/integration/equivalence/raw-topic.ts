/** A topic of one partition, produced to and fetched from request by request. */
import {
  apis,
  BrokerConnection,
  completeBatches,
  type Endpoint,
  type FetchResponse,
  kafkaErrorName,
  lastOffset,
  type ListOffsetsResponse,
  type ProduceResponse,
} from '../../../kafka/index.ts';
import { connect, createTopic, type Way } from './ways.ts';

const CLIENT = { clientId: 'raw' };
const PARTITION = 0;
/** From here on Produce and Fetch name topics by id. */
const VERSION_TOPIC_IDS = 13;
const FETCH_BYTES_MAX = 50 * 1024 * 1024;

type Produced = ProduceResponse['responses'][number]['partitionResponses'][number];
type Fetched = FetchResponse['responses'][number]['partitions'][number];
type Listed = ListOffsetsResponse['topics'][number]['partitions'][number];

export interface ProduceOptions {
  readonly version?: number;
  readonly acks?: number;
  readonly transactionalId?: string;
  readonly partition?: number;
}

export interface FetchOptions {
  readonly version?: number;
  readonly maxBytes?: number;
  readonly partitionMaxBytes?: number;
  readonly readCommitted?: boolean;
  readonly minBytes?: number;
  readonly maxWaitMs?: number;
}

export class RawTopic {
  readonly name: string;
  readonly topicId: string;
  /** The node that clients are sent to for the partition. */
  readonly #leader: Endpoint;
  #connection: BrokerConnection;

  private constructor(
    name: string,
    topicId: string,
    leader: Endpoint,
    connection: BrokerConnection,
  ) {
    this.name = name;
    this.topicId = topicId;
    this.#leader = leader;
    this.#connection = connection;
  }

  /** @param configs of the topic, besides what makes it diskless */
  static async create(
    way: Way,
    what: string,
    configs: Readonly<Record<string, string>> = {},
  ): Promise<RawTopic> {
    const name = await createTopic(way, what, { configs });
    const bootstrap = await connect(way);
    try {
      const { topicId, leader } = await leaderOf(bootstrap, name);
      const connection = await BrokerConnection.open(leader, CLIENT);
      return new RawTopic(name, topicId, leader, connection);
    } finally {
      await bootstrap.close();
    }
  }

  /** @returns another topic, asked for on the same connection */
  named(name: string, topicId: string): RawTopic {
    return new RawTopic(name, topicId, this.#leader, this.#connection);
  }

  /** Takes a new connection for one that the other side has ended. */
  async reconnect(): Promise<void> {
    await this.#connection.close();
    this.#connection = await BrokerConnection.open(this.#leader, CLIENT);
  }

  /** @param records what the records field holds */
  async produce(records: Buffer | null, options: ProduceOptions = {}): Promise<Produced> {
    const { acks = -1, transactionalId = null, partition = PARTITION } = options;
    const version = options.version ?? this.#connection.highestVersion(apis.Produce.request);
    const answer = await this.#connection.request(
      apis.Produce,
      {
        acks,
        timeoutMs: 10_000,
        transactionalId,
        topicData: [{ ...this.#named(version), partitionData: [{ index: partition, records }] }],
      },
      { version },
    );
    return only(answer.responses[0]?.partitionResponses);
  }

  async fetch(fetchOffset: bigint, options: FetchOptions = {}): Promise<Fetched> {
    const { maxBytes = FETCH_BYTES_MAX, minBytes = 1, maxWaitMs = 0 } = options;
    const version = options.version ?? this.#connection.highestVersion(apis.Fetch.request);
    const partitionMaxBytes = options.partitionMaxBytes ?? maxBytes;
    const { name, ...named } = this.#named(version);
    const answer = await this.#connection.request(
      apis.Fetch,
      {
        maxWaitMs,
        minBytes,
        maxBytes,
        isolationLevel: options.readCommitted === true ? 1 : 0,
        topics: [
          {
            ...named,
            topic: name,
            partitions: [{ partition: PARTITION, fetchOffset, partitionMaxBytes }],
          },
        ],
      },
      { version },
    );
    expectNoError(answer.errorCode);
    return only(answer.responses[0]?.partitions);
  }

  /** @returns every batch, fetched with the limits given until there are no more */
  async batches(options: FetchOptions = {}): Promise<Buffer[]> {
    const all: Buffer[] = [];
    let offset = 0n;
    for (;;) {
      const { errorCode, records, highWatermark } = await this.fetch(offset, options);
      expectNoError(errorCode);
      const fetched = records === null ? [] : [...completeBatches(records)];
      for (const batch of fetched) {
        all.push(batch);
        offset = lastOffset(batch) + 1n;
      }
      if (offset >= highWatermark) return all;
      if (fetched.length === 0) throw new Error(`nothing at ${offset}, below ${highWatermark}`);
    }
  }

  async listOffset(timestamp: bigint, version?: number): Promise<Listed> {
    const answer = await this.#connection.request(
      apis.ListOffsets,
      {
        replicaId: -1,
        isolationLevel: 0,
        topics: [{ name: this.name, partitions: [{ partitionIndex: PARTITION, timestamp }] }],
      },
      { version },
    );
    return only(answer.topics[0]?.partitions);
  }

  async close(): Promise<void> {
    await this.#connection.close();
  }

  #named(version: number): { name: string; topicId?: string } {
    const { name, topicId } = this;
    return version >= VERSION_TOPIC_IDS ? { name, topicId } : { name };
  }
}

async function leaderOf(connection: BrokerConnection, name: string) {
  const { topics, brokers } = await connection.request(apis.Metadata, { topics: [{ name }] });
  const [topic] = topics;
  const leader = brokers.find(({ nodeId }) => nodeId === topic?.partitions[0]?.leaderId);
  if (topic === undefined || leader === undefined) throw new Error(`${name} has no leader`);
  return { topicId: topic.topicId, leader };
}

function only<Item>(items: readonly Item[] | undefined): Item {
  const [item] = items ?? [];
  if (item === undefined) throw new Error('the answer names no partition');
  return item;
}

function expectNoError(errorCode = -1, message: string | null = null): void {
  if (errorCode !== 0) throw new Error(`${kafkaErrorName(errorCode)}: ${message ?? ''}`);
}
