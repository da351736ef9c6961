/**
 * The settings of a topic that the proxy needs to check what is produced to it, as the broker would
 * if it saw the records (Kafka's `LogConfig`). Pure.
 */
import type { TopicRecord } from '../../storage/index.ts';
import type { DescribedConfig } from './config-overlay.ts';
import { CLEANUP_POLICY, isCompacted } from './topic-keys.ts';

export interface TopicConfigs {
  readonly maxMessageBytes: number;
  readonly timestampType: 'CreateTime' | 'LogAppendTime';
  /** How much older than the clock a record may be; Infinity for any age. */
  readonly timestampBeforeMaxMs: number;
  /** How far ahead of the clock a record may be; Infinity for any time. */
  readonly timestampAfterMaxMs: number;
  /** Whether the user's `cleanup.policy` has compact, whatever the broker's is. */
  readonly compacted: boolean;
}

const MAX_MESSAGE_BYTES = 'max.message.bytes';
const TIMESTAMP_TYPE = 'message.timestamp.type';
const TIMESTAMP_BEFORE_MAX_MS = 'message.timestamp.before.max.ms';
const TIMESTAMP_AFTER_MAX_MS = 'message.timestamp.after.max.ms';
/** Gone with Kafka 4.0. */
const TIMESTAMP_DIFFERENCE_MAX_MS = 'message.timestamp.difference.max.ms';

/** What has to be described for `readTopicConfigs`. */
export const TOPIC_CONFIG_KEYS: readonly string[] = [
  CLEANUP_POLICY,
  MAX_MESSAGE_BYTES,
  TIMESTAMP_TYPE,
  TIMESTAMP_BEFORE_MAX_MS,
  TIMESTAMP_AFTER_MAX_MS,
  TIMESTAMP_DIFFERENCE_MAX_MS,
];

const MAX_MESSAGE_BYTES_DEFAULT = 1_048_588;

/** A number of this size means that there is no limit. */
const LONG_MAX = '9223372036854775807';

/**
 * @param described as the broker says; empty where it does not tell, then Kafka's defaults hold
 * @param record what is kept of the topic
 */
export function readTopicConfigs(
  described: readonly DescribedConfig[],
  record: TopicRecord | null,
): TopicConfigs {
  const values = new Map(described.map(({ name, value }) => [name, value]));
  const difference = limitMs(values.get(TIMESTAMP_DIFFERENCE_MAX_MS));
  const before = limitMs(values.get(TIMESTAMP_BEFORE_MAX_MS));
  const after = limitMs(values.get(TIMESTAMP_AFTER_MAX_MS));
  const maxMessageBytes = values.get(MAX_MESSAGE_BYTES) ?? null;
  return {
    maxMessageBytes: maxMessageBytes === null ? MAX_MESSAGE_BYTES_DEFAULT : Number(maxMessageBytes),
    timestampType: values.get(TIMESTAMP_TYPE) === 'LogAppendTime' ? 'LogAppendTime' : 'CreateTime',
    // Until 4.0 the older key holds where the newer ones set no limit.
    timestampBeforeMaxMs: before === Number.POSITIVE_INFINITY ? difference : before,
    timestampAfterMaxMs: after === Number.POSITIVE_INFINITY ? difference : after,
    compacted: isCompacted(userPolicy(values, record)),
  };
}

/** The record of a diskless topic has every policy with compact: the broker has none of them. */
function userPolicy(
  values: ReadonlyMap<string, string | null>,
  record: TopicRecord | null,
): string {
  return record?.configs[CLEANUP_POLICY] ?? values.get(CLEANUP_POLICY) ?? '';
}

function limitMs(value: string | null | undefined): number {
  return value === undefined || value === null || value === LONG_MAX
    ? Number.POSITIVE_INFINITY
    : Number(value);
}
