/** Members in front of a cluster, with what they need, and the few calls that fault tests make. */
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import type { Outrigger } from '../../../docker/local/outrigger.ts';
import {
  apis,
  batchMagic,
  BrokerConnection,
  completeBatches,
  type Endpoint,
  KafkaErrorCode,
  kafkaErrorName,
  lastOffset,
  MAGIC_V2,
  type SaslCredentials,
} from '../../../kafka/index.ts';
import { uniqueName } from '../../integration/support/names.ts';

const CLIENT = { clientId: 'faults' };
const PARTITIONS = 3;
const FETCH_BYTES = 16 * 1024 * 1024;
/** The marker that begins the key of every placeholder's first record, see DESIGN's layout. */
const POINTER_MARKER = Buffer.from('\u2298or');

export function endpointOf(address: string): Endpoint {
  const [host = '', port = ''] = address.split(':');
  return { host, port: Number(port) };
}

/** Opens a connection for one use. */
export async function withConnection<T>(
  bootstrap: string,
  use: (connection: BrokerConnection) => Promise<T>,
  sasl?: SaslCredentials,
): Promise<T> {
  const connection = await BrokerConnection.open(endpointOf(bootstrap), { ...CLIENT, sasl });
  try {
    return await use(connection);
  } finally {
    await connection.close();
  }
}

export interface TopicOptions {
  readonly name?: string;
  readonly partitions?: number;
  readonly replicationFactor?: number;
  readonly configs?: Readonly<Record<string, string>>;
  readonly sasl?: SaslCredentials;
}

/** @returns the name of a new diskless topic, of which every partition has a leader */
export async function createTopic(bootstrap: string, options: TopicOptions = {}): Promise<string> {
  const { name = uniqueName('faults'), partitions = PARTITIONS, replicationFactor = 1 } = options;
  const configs = { 'diskless.enable': 'true', ...options.configs };
  const create = async (connection: BrokerConnection): Promise<void> => {
    const topic = {
      name,
      numPartitions: partitions,
      replicationFactor,
      assignments: [],
      configs: Object.entries(configs).map(([key, value]) => ({ name: key, value })),
    };
    const { topics } = await connection.request(apis.CreateTopics, {
      timeoutMs: 30_000,
      topics: [topic],
    });
    expectNone(topics[0]?.errorCode, `creating ${name}`);
  };
  await withConnection(bootstrap, create, options.sasl);
  return name;
}

export async function deleteTopic(bootstrap: string, name: string): Promise<void> {
  await withConnection(bootstrap, async (connection) => {
    const version = 5; // the last that names topics in a plain list
    const { responses } = await connection.request(
      apis.DeleteTopics,
      { topicNames: [name], timeoutMs: 30_000 },
      { version },
    );
    expectNone(responses[0]?.errorCode, `deleting ${name}`);
  });
}

/** @returns of each batch in a partition of the broker's own log whether it is a placeholder */
export async function placeholders(
  brokerAddress: string,
  topic: string,
  partition = 0,
): Promise<boolean[]> {
  return withConnection(brokerAddress, async (connection) => {
    const found: boolean[] = [];
    for (let offset = 0n; ; ) {
      const { errorCode, records } = await fetchOnce(connection, topic, partition, offset);
      expectNone(errorCode, `reading the broker's log of ${topic}`);
      const batches = [...completeBatches(records)];
      for (const batch of batches) {
        found.push(batchMagic(batch) === MAGIC_V2 && batch.includes(POINTER_MARKER));
        offset = lastOffset(batch) + 1n;
      }
      if (batches.length === 0) return found;
    }
  });
}

/** @returns what a consumer is answered that asks for one partition from an offset */
export async function fetchFrom(
  bootstrap: string,
  topic: string,
  fetchOffset: bigint,
): Promise<{ readonly errorCode: number; readonly records: Buffer }> {
  return withConnection(bootstrap, async (connection) =>
    fetchOnce(connection, topic, 0, fetchOffset),
  );
}

async function fetchOnce(
  connection: BrokerConnection,
  topic: string,
  partition: number,
  fetchOffset: bigint,
): Promise<{ readonly errorCode: number; readonly records: Buffer }> {
  const version = 12; // the last that names topics by name
  const partitionMaxBytes = FETCH_BYTES;
  const partitions = [{ partition, fetchOffset, partitionMaxBytes }];
  const answer = await connection.request(
    apis.Fetch,
    { maxWaitMs: 0, minBytes: 0, maxBytes: FETCH_BYTES, topics: [{ topic, partitions }] },
    { version },
  );
  const fetched = answer.responses[0]?.partitions[0];
  const errorCode = answer.errorCode || (fetched?.errorCode ?? 0);
  return { errorCode, records: fetched?.records ?? Buffer.alloc(0) };
}

/** @returns the beginning of what Redis answers */
export async function redisCommand(port: number, command: string): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port });
  socket.write(`${command}\r\n`);
  // The socket has no encoding set.
  const [answer] = (await once(socket, 'data')) as [Buffer];
  socket.destroy();
  return answer.toString('latin1');
}

/** One entry of a member's log. */
export interface LogEntry {
  readonly level: number;
  readonly msg: string;
  readonly err?: { readonly code?: string; readonly message?: string };
}

export async function logOf({ logFile }: Pick<Outrigger, 'logFile'>): Promise<LogEntry[]> {
  const lines = (await readFile(logFile, 'utf8')).split('\n').filter((line) => line !== '');
  // Pino writes one JSON object a line; what is none is worth showing.
  return lines.map((line) =>
    line.startsWith('{') ? (JSON.parse(line) as LogEntry) : { level: 100, msg: line },
  );
}

/** pino's number for errors; warnings are below, alarms above. */
export const LEVEL_ERROR = 50;

function expectNone(errorCode: number | undefined, what: string): void {
  if (errorCode === KafkaErrorCode.NONE) return;
  const name = errorCode === undefined ? 'no answer' : kafkaErrorName(errorCode);
  throw new Error(`${what}: ${name}`);
}
