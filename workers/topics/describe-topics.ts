/** Asks a broker for topics' configurations (DescribeConfigs), on Outrigger's own principal. */
import { apis, KafkaErrorCode, kafkaErrorName } from '../../kafka/index.ts';
import type { ClusterClient } from '../../kafka/index.ts';
import { workerError } from '../errors.ts';
import { SETTING_KEYS } from './topic-settings.ts';
import type { DescribedSetting } from './topic-settings.ts';

const TOPIC = 2;
/** So that nobody waits long for an answer to be decoded. */
const TOPICS_PER_REQUEST = 200;

/** @returns by topic; those that do not exist are not in it */
export type DescribeTopics = (
  topics: readonly string[],
) => Promise<ReadonlyMap<string, readonly DescribedSetting[]>>;

/**
 * @returns a function that throws `WORKER_LOG_DENIED` without DESCRIBE_CONFIGS on a topic,
 *   `WORKER_LOG_UNREADABLE` for other errors, and what the client throws
 */
export function describeTopicsBy(client: Pick<ClusterClient, 'toAny'>): DescribeTopics {
  return async (topics) => {
    const described = new Map<string, readonly DescribedSetting[]>();
    for (let at = 0; at < topics.length; at += TOPICS_PER_REQUEST) {
      const connection = await client.toAny();
      const { results } = await connection.request(apis.DescribeConfigs, {
        resources: topics.slice(at, at + TOPICS_PER_REQUEST).map((resourceName) => ({
          resourceType: TOPIC,
          resourceName,
          configurationKeys: [...SETTING_KEYS],
        })),
        includeSynonyms: true,
      });
      for (const { resourceName: topic, errorCode, configs } of results) {
        if (errorCode === KafkaErrorCode.UNKNOWN_TOPIC_OR_PARTITION) continue;
        if (errorCode !== KafkaErrorCode.NONE) throw refused(topic, errorCode);
        described.set(topic, configs);
      }
    }
    return described;
  };
}

function refused(topic: string, errorCode: number): Error {
  const isDenied = errorCode === KafkaErrorCode.TOPIC_AUTHORIZATION_FAILED;
  return workerError(
    isDenied ? 'WORKER_LOG_DENIED' : 'WORKER_LOG_UNREADABLE',
    `The configuration of the topic ${topic} cannot be read: ${kafkaErrorName(errorCode)}.`,
    { retriable: true, details: { topic, errorCode } },
  );
}
