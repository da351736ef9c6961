/** A consumer in a few lines: fetches one partition on one connection, batch by batch. */
import { apis, BrokerConnection, completeBatches, lastOffset } from '../../kafka/index.ts';
import { leaderOf } from './raw-clients.ts';

const CLIENT = { clientId: 'bench' };
/** Topics are named, not identified, up to here. */
const FETCH_VERSION = 12;

export interface TailOptions {
  readonly bootstrap: string;
  readonly topic: string;
  readonly partition: number;
  readonly bytesMax: number;
  /** How long an answer may wait for data. */
  readonly waitMs: number;
}

export class LogTail {
  readonly #connection: BrokerConnection;
  readonly #options: TailOptions;
  #offset: bigint;

  private constructor(connection: BrokerConnection, options: TailOptions, offset: bigint) {
    this.#connection = connection;
    this.#options = options;
    this.#offset = offset;
  }

  static async open(options: TailOptions, offset: bigint): Promise<LogTail> {
    const address = await leaderOf(options.bootstrap, options.topic);
    const connection = await BrokerConnection.open(address, CLIENT);
    return new LogTail(connection, options, offset);
  }

  /** The next offset that will be asked for. */
  get offset(): bigint {
    return this.#offset;
  }

  set offset(offset: bigint) {
    this.#offset = offset;
  }

  /** @returns the next batches; none if there were none in time */
  async next(): Promise<Buffer[]> {
    const { topic, partition, bytesMax, waitMs } = this.#options;
    const asked = { partition, fetchOffset: this.#offset, partitionMaxBytes: bytesMax };
    const answer = await this.#connection.request(
      apis.Fetch,
      {
        replicaId: -1,
        maxWaitMs: waitMs,
        minBytes: 1,
        maxBytes: bytesMax,
        topics: [{ topic, partitions: [asked] }],
        forgottenTopicsData: [],
      },
      { version: FETCH_VERSION },
    );
    const answered = answer.responses[0]?.partitions[0];
    const errorCode = answer.errorCode || (answered?.errorCode ?? 0);
    if (errorCode !== 0) throw new Error(`a fetch of ${topic} ended with error ${errorCode}`);
    const batches = [...completeBatches(answered?.records ?? Buffer.alloc(0))];
    const last = batches.at(-1);
    if (last !== undefined) this.#offset = lastOffset(last) + 1n;
    return batches;
  }

  async close(): Promise<void> {
    await this.#connection.close();
  }
}
