/**
 * The configuration keys of topics that mean something to Outrigger, and which values Kafka lets
 * them have: what is kept from the broker is checked here, with the broker's own words
 * (`LogConfig`, `ConfigDef`). Pure.
 */

/** The switch. */
export const DISKLESS_ENABLE = 'diskless.enable';
export const CLEANUP_POLICY = 'cleanup.policy';
export const COMPRESSION_TYPE = 'compression.type';
export const RETENTION_BYTES = 'retention.bytes';
export const RETENTION_MS = 'retention.ms';
export const REMOTE_STORAGE_ENABLE = 'remote.storage.enable';

/** The keys for which the broker may hold another value than the user's. */
export const SUBSTITUTED_KEYS = [
  CLEANUP_POLICY,
  COMPRESSION_TYPE,
  RETENTION_BYTES,
  RETENTION_MS,
] as const;

export type SubstitutedKey = (typeof SUBSTITUTED_KEYS)[number];

/** Replicas by node id: these values name brokers, and a client may know them as diskless nodes. */
export const THROTTLED_REPLICAS_KEYS: ReadonlySet<string> = new Set([
  'leader.replication.throttled.replicas',
  'follower.replication.throttled.replicas',
]);

const OWN_PREFIX = 'diskless.';

/** Kafka's schema default, to which APPEND and SUBTRACT are applied where nothing is set. */
export const CLEANUP_POLICY_DEFAULT = 'delete';
export const COMPACT = 'compact';
export const DELETE = 'delete';

const COMPRESSION_TYPES = ['uncompressed', 'zstd', 'lz4', 'snappy', 'gzip', 'producer'];
const LONG_MAX = 2n ** 63n - 1n;
const LONG_MIN = -(2n ** 63n);

/** @returns whether no broker knows the key, so that it is kept in the topic record */
export function isOwnKey(key: string): boolean {
  return key.startsWith(OWN_PREFIX);
}

export function isSubstitutedKey(key: string): key is SubstitutedKey {
  return SUBSTITUTED_KEYS.some((substituted) => substituted === key);
}

/** @returns whether Outrigger must understand the value before the broker sees it, or instead */
export function isSpecialKey(key: string): boolean {
  return isOwnKey(key) || isSubstitutedKey(key) || key === REMOTE_STORAGE_ENABLE;
}

/** @returns the items of a value of type LIST */
export function listItems(value: string): string[] {
  return value
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
}

/** @returns whether a cleanup policy asks for compaction */
export function isCompacted(policy: string): boolean {
  return listItems(policy).includes(COMPACT);
}

/** @returns whether a cleanup policy asks for compaction and nothing else */
export function isCompactedAlone(policy: string): boolean {
  return isCompacted(policy) && !listItems(policy).includes(DELETE);
}

/** @returns the value of a BOOLEAN, or undefined if Kafka would not take it for one */
export function parseBoolean(value: string): boolean | undefined {
  const text = value.trim().toLowerCase();
  if (text === 'true') return true;
  return text === 'false' ? false : undefined;
}

/** @returns a valid value as Kafka shows it: parsed, and turned into text again */
export function normalValue(key: string, value: string): string {
  if (key === CLEANUP_POLICY) return listItems(value).join(',');
  if (key === RETENTION_BYTES || key === RETENTION_MS) return String(BigInt(longText(value)));
  return key === DISKLESS_ENABLE ? String(parseBoolean(value)) : value;
}

/**
 * @param key any key; those that are not special are the broker's to judge
 * @returns why Kafka would refuse the value, or undefined
 */
export function valueProblem(key: string, value: string): string | undefined {
  switch (key) {
    case DISKLESS_ENABLE:
    case REMOTE_STORAGE_ENABLE:
      return parseBoolean(value) === undefined
        ? invalid(key, value, 'Expected value to be either true or false')
        : undefined;
    case CLEANUP_POLICY: {
      const odd = listItems(value).find((item) => item !== COMPACT && item !== DELETE);
      return odd === undefined
        ? undefined
        : invalid(key, odd, 'String must be one of: compact, delete');
    }
    case COMPRESSION_TYPE:
      return COMPRESSION_TYPES.includes(value)
        ? undefined
        : invalid(key, value, `String must be one of: ${COMPRESSION_TYPES.join(', ')}`);
    case RETENTION_BYTES:
      return longProblem(key, value, LONG_MIN);
    case RETENTION_MS:
      return longProblem(key, value, -1n);
    default:
      return undefined;
  }
}

function longProblem(key: string, value: string, min: bigint): string | undefined {
  const text = longText(value);
  if (!/^-?\d+$/.test(text)) return invalid(key, value, 'Not a number of type LONG');
  const number = BigInt(text);
  if (number > LONG_MAX || number < LONG_MIN) {
    return invalid(key, value, 'Not a number of type LONG');
  }
  return number < min ? invalid(key, value, `Value must be at least ${min}`) : undefined;
}

/** Java takes a leading plus, BigInt does not. */
function longText(value: string): string {
  return value.trim().replace(/^\+(?=\d)/, '');
}

function invalid(key: string, value: string, reason: string): string {
  return `Invalid value ${value} for configuration ${key}: ${reason}`;
}
