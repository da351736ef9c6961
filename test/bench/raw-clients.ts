/**
 * Clients without manners, for loads that Kafka's own never make: they send prepared frames as fast
 * as they are taken, and read their answers, or do not.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import {
  apis,
  BrokerConnection,
  buildRecordBatch,
  FrameSplitter,
  requestFrame,
} from '../../kafka/index.ts';

/** Topics are named, not identified, up to here. */
const FETCH_VERSION = 12;
const PRODUCE_VERSION = 9;
const FRAME_BYTES_MAX = 128 * 1024 * 1024;
const HEAD = { correlationId: 1, clientId: 'bench' };
const RECORD_BYTES = 1024;

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** @returns where the leader of a topic's partitions is, on a cluster of one broker */
export async function leaderOf(bootstrap: string, topic: string): Promise<Address> {
  const [host = '', port] = bootstrap.split(':');
  const endpoint = { host, port: Number(port) };
  const connection = await BrokerConnection.open(endpoint, { clientId: HEAD.clientId });
  try {
    for (;;) {
      const answer = await connection.request(apis.Metadata, {
        topics: [{ name: topic }],
        allowAutoTopicCreation: false,
      });
      const partitions = answer.topics?.[0]?.partitions ?? [];
      const leaderId = partitions[0]?.leaderId;
      const ready = partitions.length > 0 && partitions.every(({ errorCode }) => errorCode === 0);
      const leader = answer.brokers.find(({ nodeId }) => nodeId === leaderId);
      if (ready && leader !== undefined) return { host: leader.host, port: leader.port };
    }
  } finally {
    await connection.close();
  }
}

/** @returns a Produce request with a batch of that many bytes for each partition */
export function produceFrame(topic: string, partitions: number, batchBytes: number): Buffer {
  const record = { value: Buffer.alloc(RECORD_BYTES, 'outrigger') };
  const count = Math.floor(batchBytes / (RECORD_BYTES + 8));
  const records = buildRecordBatch(
    { baseTimestamp: BigInt(Date.now()) },
    Array.from({ length: count }, () => record),
  );
  const partitionData = Array.from({ length: partitions }, (_, index) => ({ index, records }));
  const body = {
    transactionalId: null,
    acks: -1,
    timeoutMs: 30_000,
    topicData: [{ name: topic, partitionData }],
  };
  const head = { ...HEAD, apiVersion: PRODUCE_VERSION };
  return Buffer.concat(requestFrame(apis.Produce.request, head, body));
}

/** @returns a Fetch request from the beginning of every partition */
export function fetchFrame(topic: string, partitions: number, maxBytes: number): Buffer {
  const wanted = Array.from({ length: partitions }, (_, partition) => ({
    partition,
    fetchOffset: 0n,
    partitionMaxBytes: maxBytes,
  }));
  const body = {
    replicaId: -1,
    maxWaitMs: 0,
    minBytes: 1,
    maxBytes,
    topics: [{ topic, partitions: wanted }],
    forgottenTopicsData: [],
  };
  const head = { ...HEAD, apiVersion: FETCH_VERSION };
  return Buffer.concat(requestFrame(apis.Fetch.request, head, body));
}

export interface RawClientOptions {
  readonly address: Address;
  readonly frame: Buffer;
  /** Requests without an answer at the same time. */
  readonly inFlight: number;
  /** Without it the client never reads its socket. */
  readonly reads: boolean;
}

/** Sends one frame over and over, until it is stopped. */
export class RawClient {
  readonly #socket: Socket;
  readonly #options: RawClientOptions;
  readonly #splitter = new FrameSplitter(FRAME_BYTES_MAX);
  #answers = 0;

  private constructor(socket: Socket, options: RawClientOptions) {
    this.#socket = socket;
    this.#options = options;
  }

  static async start(options: RawClientOptions): Promise<RawClient> {
    const socket = connect({ ...options.address, noDelay: true });
    if (!options.reads) socket.pause();
    await once(socket, 'connect');
    const client = new RawClient(socket, options);
    // The proxy may well give up a client that does not read.
    socket.on('error', () => socket.destroy());
    if (options.reads) socket.on('data', (chunk) => client.#read(chunk));
    for (let sent = 0; sent < options.inFlight; sent++) client.#send();
    return client;
  }

  /** Answers that were read. */
  get answers(): number {
    return this.#answers;
  }

  stop(): void {
    this.#socket.destroy();
  }

  #read(chunk: Buffer): void {
    for (const _ of this.#splitter.push(chunk)) {
      this.#answers += 1;
      this.#send();
    }
  }

  #send(): void {
    this.#socket.write(this.#options.frame);
  }
}
