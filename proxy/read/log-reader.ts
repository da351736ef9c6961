/**
 * Reads single batches of the brokers' logs on the proxy's own connection, for questions that a
 * client's answer leaves open. It needs READ on the topics; clients' rights are not widened by it,
 * since the batch itself never leaves the proxy.
 */
import { apis, completeBatches, kafkaErrorName, type ClusterClient } from '../../kafka/index.ts';
import { proxyError } from '../errors.ts';

/** A partition, by both of its topic's names: which is used depends on the broker's version. */
export interface LogPartition {
  readonly topic: string;
  readonly topicId: string;
  readonly partition: number;
}

/** A batch of a broker's log. */
export interface LogEntry {
  readonly batch: Buffer;
  /** The first offset that the broker still serves: records of the batch may lie below it. */
  readonly logStartOffset: bigint;
}

const CONSUMER = -1;
/** A broker gives at least one batch, whatever the limit. */
const ONE_BATCH = 1;

export class LogReader {
  readonly #cluster: Pick<ClusterClient, 'toAny' | 'toBroker'>;

  constructor(cluster: Pick<ClusterClient, 'toAny' | 'toBroker'>) {
    this.#cluster = cluster;
  }

  /**
   * @param brokerId the partition's leader, or another replica that has the offset; null if it is
   *   not known
   * @returns the batch of the broker's log that holds the offset, or the first after it if it was
   *   compacted away; undefined at the end of the log
   * @throws PROXY_LOG_UNREADABLE, retriable, and what a client throws that cannot reach the broker
   */
  async batchAt(
    partition: LogPartition,
    offset: bigint,
    brokerId: number | null,
  ): Promise<LogEntry | undefined> {
    const broker = await this.#cluster.toBroker(brokerId ?? (await this.#leaderOf(partition)));
    const asked = {
      partition: partition.partition,
      fetchOffset: offset,
      partitionMaxBytes: ONE_BATCH,
    };
    const { topic, topicId } = partition;
    const response = await broker.request(apis.Fetch, {
      replicaId: CONSUMER,
      maxWaitMs: 0,
      minBytes: 0,
      maxBytes: ONE_BATCH,
      topics: [{ topic, topicId, partitions: [asked] }],
      forgottenTopicsData: [],
    });
    const answered = response.responses[0]?.partitions[0];
    const errorCode = response.errorCode || (answered?.errorCode ?? 0);
    if (errorCode !== 0) throw unreadable(partition, errorCode);
    if (answered === undefined) return undefined;
    const { records, logStartOffset } = answered;
    const [batch] = completeBatches(records ?? Buffer.alloc(0));
    return batch === undefined ? undefined : { batch, logStartOffset };
  }

  async #leaderOf(partition: LogPartition): Promise<number> {
    const connection = await this.#cluster.toAny();
    const { topics } = await connection.request(apis.Metadata, {
      topics: [{ name: partition.topic }],
      allowAutoTopicCreation: false,
    });
    const topic = topics?.[0];
    const found = topic?.partitions.find((item) => item.partitionIndex === partition.partition);
    const errorCode = topic?.errorCode || (found?.errorCode ?? 0);
    if (found === undefined || errorCode !== 0) throw unreadable(partition, errorCode);
    return found.leaderId;
  }
}

function unreadable({ topic, partition }: LogPartition, errorCode: number): Error {
  const message = `Outrigger's own principal cannot read a batch of the log: ${kafkaErrorName(errorCode)}`;
  return proxyError('PROXY_LOG_UNREADABLE', message, {
    retriable: true,
    details: { topic, partition },
  });
}
