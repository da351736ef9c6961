/** What a partition's own log in the broker consists of. */
import { pino } from 'pino';
import { apis, ClusterClient, completeBatches, lastOffset } from '../../../kafka/index.ts';

/** The bytes that begin the first key of a placeholder: `⊘or`. */
const MARKER = Buffer.from('⊘or');
const EARLIEST = -2n;
const FETCH_BYTES_MAX = 50 * 1024 * 1024;

export interface LogContents {
  readonly placeholders: number;
  /** Batches with records of their own, or control records. */
  readonly others: number;
  /** How often a batch is of the other kind than the one before it. */
  readonly changes: number;
}

/**
 * @param bootstrap the brokers' own listeners
 * @returns how many batches of each kind the partition's log holds
 */
export async function logContents(
  bootstrap: string,
  topic: string,
  partition = 0,
): Promise<LogContents> {
  const client = new ClusterClient({
    bootstrap: bootstrap.split(',').map((address) => {
      const [host = '', port = ''] = address.split(':');
      return { host, port: Number(port) };
    }),
    connection: { clientId: 'log-contents' },
    logger: pino({ level: 'silent' }),
    now: () => performance.now(),
    random: () => 0,
  });
  try {
    const { topics } = await (await client.toAny()).request(apis.Metadata, {
      topics: [{ name: topic }],
    });
    const topicId = topics[0]?.topicId ?? '';
    const leaderId = topics[0]?.partitions.find(
      (one) => one.partitionIndex === partition,
    )?.leaderId;
    const broker = await client.toBroker(leaderId ?? -1);
    let placeholders = 0;
    let others = 0;
    let changes = 0;
    let wasPlaceholder: boolean | undefined;
    const listed = await broker.request(apis.ListOffsets, {
      replicaId: -1,
      topics: [{ name: topic, partitions: [{ partitionIndex: partition, timestamp: EARLIEST }] }],
    });
    let fetchOffset = listed.topics[0]?.partitions[0]?.offset ?? 0n;
    for (;;) {
      const { responses } = await broker.request(apis.Fetch, {
        maxWaitMs: 0,
        minBytes: 0,
        maxBytes: FETCH_BYTES_MAX,
        topics: [
          { topicId, partitions: [{ partition, fetchOffset, partitionMaxBytes: FETCH_BYTES_MAX }] },
        ],
      });
      const fetched = responses[0]?.partitions[0];
      const records = fetched?.records ?? Buffer.alloc(0);
      for (const batch of completeBatches(records)) {
        const isPlaceholder = batch.includes(MARKER);
        if (isPlaceholder) placeholders += 1;
        else others += 1;
        if (wasPlaceholder !== undefined && isPlaceholder !== wasPlaceholder) changes += 1;
        wasPlaceholder = isPlaceholder;
        fetchOffset = lastOffset(batch) + 1n;
      }
      if (records.length === 0) return { placeholders, others, changes };
    }
  } finally {
    await client.close();
  }
}
