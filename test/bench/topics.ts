/**
 * The topics of a benchmark, made and deleted through the bootstrap address of a cluster or proxy.
 */
import { apis, BrokerConnection, kafkaErrorName, ZERO_UUID } from '../../kafka/index.ts';

const TIMEOUT_MS = 30_000;

/** @param bootstrap HOST:PORT */
export async function createTopic(
  bootstrap: string,
  name: string,
  partitions: number,
  configs: Readonly<Record<string, string>> = {},
): Promise<void> {
  await withConnection(bootstrap, async (connection) => {
    const topic = {
      name,
      numPartitions: partitions,
      replicationFactor: -1,
      assignments: [],
      configs: Object.entries(configs).map(([key, value]) => ({ name: key, value })),
    };
    const body = { topics: [topic], timeoutMs: TIMEOUT_MS, validateOnly: false };
    const { topics } = await connection.request(apis.CreateTopics, body);
    expectNoError(topics[0]?.errorCode, name);
  });
}

/**
 * @param bootstrap HOST:PORT of a cluster of one broker
 * @returns the high watermarks of the partitions
 */
export async function logEnds(
  bootstrap: string,
  name: string,
  partitions: number,
): Promise<number[]> {
  const ends = Array.from({ length: partitions }, () => 0);
  await withConnection(bootstrap, async (connection) => {
    const asked = ends.map((_, partitionIndex) => ({ partitionIndex, timestamp: -1n }));
    const { topics } = await connection.request(apis.ListOffsets, {
      replicaId: -1,
      topics: [{ name, partitions: asked }],
    });
    for (const { partitionIndex, offset } of topics[0]?.partitions ?? []) {
      ends[partitionIndex] = Number(offset);
    }
  });
  return ends;
}

/** @param bootstrap HOST:PORT */
export async function deleteTopic(bootstrap: string, name: string): Promise<void> {
  await withConnection(bootstrap, async (connection) => {
    const body = { topics: [{ name, topicId: ZERO_UUID }], topicNames: [], timeoutMs: TIMEOUT_MS };
    const { responses } = await connection.request(apis.DeleteTopics, body);
    expectNoError(responses[0]?.errorCode, name);
  });
}

async function withConnection(
  bootstrap: string,
  work: (connection: BrokerConnection) => Promise<void>,
): Promise<void> {
  const [host = '', port] = bootstrap.split(':');
  const connection = await BrokerConnection.open(
    { host, port: Number(port) },
    { clientId: 'bench' },
  );
  try {
    await work(connection);
  } finally {
    await connection.close();
  }
}

function expectNoError(errorCode: number | undefined, topic: string): void {
  if (errorCode === 0) return;
  throw new Error(`topic ${topic}: ${kafkaErrorName(errorCode ?? -1)}`);
}
