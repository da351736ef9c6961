/**
 * The configuration of a topic as jobs need it (Kafka's `LogConfig`), typed. Of a diskless topic
 * the broker holds safe values in the place of some of the user's, which then are in the topic's
 * record: see `docs/topics.md`. Pure.
 */
import type { TopicRecord } from '../../storage/index.ts';

/** A time or size that is not limited is Infinity. */
export interface TopicSettings {
  readonly segmentBytes: number;
  readonly segmentMs: number;
  readonly retentionMs: number;
  readonly retentionBytes: number;
  /** Both, one or none of them. */
  readonly cleanup: { readonly compact: boolean; readonly delete: boolean };
  readonly deleteRetentionMs: number;
  readonly minCompactionLagMs: number;
  readonly maxCompactionLagMs: number;
  readonly minCleanableDirtyRatio: number;
}

export interface DescribedSetting {
  readonly name: string;
  readonly value: string | null;
  /** Where it could come from, the one in force first. */
  readonly synonyms: readonly { readonly value: string | null; readonly source: number }[];
}

const DAY_MS = 86_400_000;
/** Kafka's own (`LogConfig`), for a key that a broker does not tell. */
const DEFAULTS = {
  'segment.bytes': String(1024 * 1024 * 1024),
  'segment.ms': String(7 * DAY_MS),
  'retention.ms': String(7 * DAY_MS),
  'retention.bytes': '-1',
  'cleanup.policy': 'delete',
  'delete.retention.ms': String(DAY_MS),
  'min.compaction.lag.ms': '0',
  'max.compaction.lag.ms': '9223372036854775807',
  'min.cleanable.dirty.ratio': '0.5',
} as const;

type SettingKey = keyof typeof DEFAULTS;

/** What has to be described. */
export const SETTING_KEYS: readonly string[] = Object.keys(DEFAULTS);

/** Where the broker of a diskless topic may hold another value than the user's. */
const SUBSTITUTED: ReadonlySet<string> = new Set(['cleanup.policy', 'retention.bytes']);
/** Kafka's `ConfigSource.TOPIC_CONFIG`. */
const TOPIC_CONFIG = 1;
/** A longer time is none: i64 at its largest, as Kafka writes it. */
const LONG_MAX = 2 ** 63;

/**
 * @param described as the broker says, with synonyms
 * @param record what Outrigger keeps of the topic, if it is known
 */
export function topicSettings(
  described: readonly DescribedSetting[],
  record: TopicRecord | undefined,
): TopicSettings {
  const byName = new Map(described.map((setting) => [setting.name, setting]));
  const value = (key: SettingKey): string =>
    record?.configs[key] ?? valueAtBroker(byName.get(key), record) ?? DEFAULTS[key];
  const policy = value('cleanup.policy')
    .split(',')
    .map((item) => item.trim());
  return {
    segmentBytes: Number(value('segment.bytes')),
    segmentMs: limit(value('segment.ms')),
    retentionMs: limit(value('retention.ms')),
    retentionBytes: limit(value('retention.bytes')),
    cleanup: { compact: policy.includes('compact'), delete: policy.includes('delete') },
    deleteRetentionMs: limit(value('delete.retention.ms')),
    minCompactionLagMs: limit(value('min.compaction.lag.ms')),
    maxCompactionLagMs: limit(value('max.compaction.lag.ms')),
    minCleanableDirtyRatio: Number(value('min.cleanable.dirty.ratio')),
  };
}

/** @returns how old the first record of a segment may be (`LogConfig.maxSegmentMs`) */
export function segmentMsMax({ cleanup, segmentMs, maxCompactionLagMs }: TopicSettings): number {
  const isPressed = cleanup.compact && maxCompactionLagMs > 0;
  return isPressed ? Math.min(segmentMs, maxCompactionLagMs) : segmentMs;
}

/** What is set on a diskless topic itself is Outrigger's, unless the record has it too. */
function valueAtBroker(
  setting: DescribedSetting | undefined,
  record: TopicRecord | undefined,
): string | undefined {
  if (setting === undefined) return undefined;
  if (record?.diskless !== true || !SUBSTITUTED.has(setting.name))
    return setting.value ?? undefined;
  const inherited = setting.synonyms.find(({ source }) => source !== TOPIC_CONFIG);
  return inherited?.value ?? undefined;
}

/** Negative and the largest number mean that there is none. */
function limit(value: string): number {
  const number = Number(value);
  return number < 0 || number >= LONG_MAX ? Number.POSITIVE_INFINITY : number;
}
