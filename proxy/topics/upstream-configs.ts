/**
 * What the broker holds of a diskless topic in place of the user's values, and what is kept here so
 * that nobody notices. The broker counts and compacts placeholders, not records, so three keys have
 * safe values upstream: `retention.bytes` is -1 (the workers count real bytes), `compression.type`
 * is `producer` (or the broker would encode placeholders anew), and a `cleanup.policy` with compact
 * is `delete`, with `retention.ms=-1` if it was compact alone (the broker would refuse
 * DeleteRecords and drop tombstones that placeholders do not know). Pure.
 */
import {
  CLEANUP_POLICY,
  COMPRESSION_TYPE,
  isCompacted,
  isCompactedAlone,
  isOwnKey,
  isSubstitutedKey,
  RETENTION_BYTES,
  RETENTION_MS,
  SUBSTITUTED_KEYS,
  type SubstitutedKey,
} from './topic-keys.ts';

/** Values by key; a key that is absent has its default. */
export type Values = ReadonlyMap<string, string>;

/** What Outrigger keeps of a topic, as its record says. */
export interface TopicSettings {
  readonly diskless: boolean;
  /**
   * What users have set: keys that no broker knows, and those of `SUBSTITUTED_KEYS` for which the
   * broker may hold another value. The latter are the truth wherever they are present.
   */
  readonly configs: Values;
  /** Whether placeholders may be in the topic's log: it is diskless, or was. */
  readonly mayHoldPlaceholders: boolean;
}

/** What the broker holds of a topic, as far as it matters here. */
export interface BrokerTopicConfigs {
  /** Set on the topic itself. */
  readonly explicit: Values;
  /** In force where the topic sets nothing; known for the substituted keys. */
  readonly defaults: Values;
}

export const NOTHING_HELD: BrokerTopicConfigs = { explicit: new Map(), defaults: new Map() };

/**
 * @param settings undefined for a topic without a record
 * @returns what users have set, whoever holds it; keys of no interest here are left out
 */
export function userValues(settings: TopicSettings | undefined, held: BrokerTopicConfigs): Values {
  const values = new Map([...held.explicit].filter(([key]) => !isSubstitutedKey(key)));
  for (const key of SUBSTITUTED_KEYS) {
    const value = settings?.configs.get(key) ?? unsubstituted(key, settings, held);
    if (value !== undefined) values.set(key, value);
  }
  for (const [key, value] of settings?.configs ?? []) {
    if (isOwnKey(key)) values.set(key, value);
  }
  return values;
}

/** @returns the broker's own value of a key, unless Outrigger has put it there */
function unsubstituted(
  key: SubstitutedKey,
  settings: TopicSettings | undefined,
  held: BrokerTopicConfigs,
): string | undefined {
  const value = held.explicit.get(key);
  return settings !== undefined && isSubstituted(key, settings) ? undefined : value;
}

/** @returns whether what the broker holds of the key was put there by Outrigger */
export function isSubstituted(key: string, { diskless, configs }: TopicSettings): boolean {
  if (!diskless || !isSubstitutedKey(key)) return false;
  return key !== RETENTION_MS || isCompactedAlone(configs.get(CLEANUP_POLICY) ?? '');
}

/** @returns the cleanup policy that users see */
export function effectivePolicy(user: Values, held: BrokerTopicConfigs): string {
  return user.get(CLEANUP_POLICY) ?? held.defaults.get(CLEANUP_POLICY) ?? 'delete';
}

/**
 * @param user what users have set
 * @returns what the broker of a diskless topic has to hold of the substituted keys
 */
export function safeValues(user: Values, held: BrokerTopicConfigs): Values {
  const policy = effectivePolicy(user, held);
  const safe = new Map([
    // Set on the topic even where it is the default: a broker's default may change.
    [CLEANUP_POLICY, isCompacted(policy) ? 'delete' : policy],
    [COMPRESSION_TYPE, 'producer'],
    [RETENTION_BYTES, '-1'],
  ]);
  const retentionMs = isCompactedAlone(policy) ? '-1' : user.get(RETENTION_MS);
  if (retentionMs !== undefined) safe.set(RETENTION_MS, retentionMs);
  return safe;
}

/**
 * @param user what users have set
 * @param diskless whether the broker holds safe values
 * @returns what the record has to keep, because the broker does not
 */
export function keptValues(user: Values, diskless: boolean, held: BrokerTopicConfigs): Values {
  const kept = new Map([...user].filter(([key]) => isOwnKey(key)));
  if (!diskless) return kept;
  const policy = effectivePolicy(user, held);
  // Kept even where it is the broker's default, so that the record alone says who compacts.
  if (isCompacted(policy)) kept.set(CLEANUP_POLICY, policy);
  const compactedAlone = isCompactedAlone(policy);
  for (const key of SUBSTITUTED_KEYS) {
    const value = user.get(key);
    if (value === undefined || (key === RETENTION_MS && !compactedAlone)) continue;
    kept.set(key, value);
  }
  return kept;
}
