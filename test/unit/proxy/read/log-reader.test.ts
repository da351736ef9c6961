import { expect, test } from 'vitest';
import { apis, buildRecordBatch, ZERO_UUID, type ClusterClient } from '../../../../kafka/index.ts';
import { LogReader } from '../../../../proxy/read/log-reader.ts';

const PARTITION = { topic: 'orders', topicId: ZERO_UUID, partition: 3 };
const BATCH = buildRecordBatch({ baseOffset: 40n }, [{ value: Buffer.from('a') }]);

type Connection = Awaited<ReturnType<ClusterClient['toAny']>>;

/** A cluster that answers Fetch and Metadata with what it is given. */
function clusterOf(answers: { fetch?: object; metadata?: object }) {
  const asked: { broker: number | null; api: string; body: unknown }[] = [];
  const to = (broker: number | null) => {
    const request = async (api: { readonly name?: string }, body: unknown): Promise<unknown> => {
      const isFetch = api === apis.Fetch;
      asked.push({ broker, api: isFetch ? 'Fetch' : 'Metadata', body });
      return isFetch ? answers.fetch : answers.metadata;
    };
    // As much of a connection as is used.
    return { request } as unknown as Connection;
  };
  const cluster = { toAny: async () => to(null), toBroker: async (id: number) => to(id) };
  return { asked, reader: new LogReader(cluster) };
}

function fetched(partition: object): object {
  return {
    errorCode: 0,
    responses: [{ partitions: [{ errorCode: 0, logStartOffset: 7n, ...partition }] }],
  };
}

test('the batch that holds an offset is read from the broker that is named', async () => {
  const { asked, reader } = clusterOf({
    fetch: fetched({ records: Buffer.concat([BATCH, BATCH]) }),
  });
  expect(await reader.batchAt(PARTITION, 40n, 5)).toEqual({ batch: BATCH, logStartOffset: 7n });
  expect(asked).toMatchObject([{ broker: 5, api: 'Fetch', body: { replicaId: -1, maxWaitMs: 0 } }]);
});

test('the leader is asked for where no broker is named', async () => {
  const partitions = [{ partitionIndex: 3, errorCode: 0, leaderId: 9 }];
  const metadata = { topics: [{ errorCode: 0, partitions }] };
  const { asked, reader } = clusterOf({ metadata, fetch: fetched({ records: BATCH }) });
  await reader.batchAt(PARTITION, 40n, null);
  expect(asked.map(({ broker, api }) => [broker, api])).toEqual([
    [null, 'Metadata'],
    [9, 'Fetch'],
  ]);
});

test.each([[null], [Buffer.alloc(0)], [BATCH.subarray(0, 60)]])(
  'where the log ends there is no batch',
  async (records) => {
    const { reader } = clusterOf({ fetch: fetched({ records }) });
    expect(await reader.batchAt(PARTITION, 40n, 5)).toBeUndefined();
  },
);

const NO_BROKER = { topics: [] };

test.each([
  ['of the answer', 5, { errorCode: 29, responses: [] }, NO_BROKER],
  ['of the partition', 5, fetched({ errorCode: 6 }), NO_BROKER],
  ['of the topic', null, {}, { topics: [{ errorCode: 3, partitions: [] }] }],
  ['of a missing partition', null, {}, { topics: [{ errorCode: 0, partitions: [] }] }],
])('an error %s is told as one that may pass', async (_name, brokerId, fetch, metadata) => {
  const { reader } = clusterOf({ fetch, metadata });
  await expect(reader.batchAt(PARTITION, 40n, brokerId)).rejects.toMatchObject({
    code: 'PROXY_LOG_UNREADABLE',
    retriable: true,
  });
});
