/**
 * Where the logs of a topic end when it is made diskless: no placeholder is appended below, so that
 * merging may begin there and leave older data to a backfill. Asked on the proxy's own principal.
 */
import type { Logger } from 'pino';
import { apis, KafkaErrorCode, kafkaErrorName, OutriggerError } from '../../kafka/index.ts';
import { proxyError } from '../errors.ts';
import type { TopicsClient } from './cluster-topics.ts';

/** As ListOffsets names the end of a log. */
const LATEST = -1n;
const CONSUMER = -1;

/** @returns by partition; undefined if they cannot be had: all of the log is merged then */
export type LogEndsOf = (topic: string) => Promise<readonly number[] | undefined>;

export function logEndsBy(
  client: Pick<TopicsClient, 'toAny' | 'toBroker'>,
  log: Logger,
): LogEndsOf {
  return async (topic) => {
    try {
      return await logEndsOf(client, topic);
    } catch (error) {
      if (!(error instanceof OutriggerError)) throw error;
      const message = 'it is not known where the log of a new diskless topic ends: all is merged';
      log.warn({ err: error, topic }, message);
      return undefined;
    }
  };
}

async function logEndsOf(
  client: Pick<TopicsClient, 'toAny' | 'toBroker'>,
  topic: string,
): Promise<readonly number[]> {
  const connection = await client.toAny();
  const asked = { topics: [{ name: topic }], allowAutoTopicCreation: false };
  const { topics } = await connection.request(apis.Metadata, asked);
  const found = topics[0];
  if (found === undefined || found.errorCode !== 0) throw unreadable(topic, found?.errorCode);
  const leaders = new Set(found.partitions.map(({ leaderId }) => leaderId));
  const ends = new Map<number, number>();
  for (const leaderId of leaders) {
    const partitions = found.partitions
      .filter((partition) => partition.leaderId === leaderId)
      .map(({ partitionIndex }) => ({ partitionIndex, timestamp: LATEST }));
    const leader = await client.toBroker(leaderId);
    const listed = await leader.request(apis.ListOffsets, {
      replicaId: CONSUMER,
      topics: [{ name: topic, partitions }],
    });
    for (const { partitionIndex, errorCode, offset } of listed.topics[0]?.partitions ?? []) {
      if (errorCode !== 0) throw unreadable(topic, errorCode);
      ends.set(partitionIndex, Number(offset));
    }
  }
  return found.partitions.map((_, partition) => {
    const end = ends.get(partition);
    if (end === undefined) throw unreadable(topic);
    return end;
  });
}

function unreadable(topic: string, errorCode: number = KafkaErrorCode.UNKNOWN_SERVER_ERROR): Error {
  const reason = kafkaErrorName(errorCode) ?? String(errorCode);
  const message = `Outrigger's own principal cannot tell where the log of ${topic} ends: ${reason}`;
  return proxyError('PROXY_LOG_UNREADABLE', message, { retriable: true, details: { topic } });
}
