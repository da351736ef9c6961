/**
 * The setting `diskless.topics`: which new topics are diskless unless their creator says otherwise.
 * Patterns are globs, because dots are common in topic names: `*` stands for any characters, `?` for
 * one. Pure: it knows names, not topics.
 */
import { proxyError } from '../errors.ts';

/** More patterns than anyone keeps in his head; each new topic is held against all of them. */
const PATTERNS_MAX = 1_000;

/** What topic names and globs are made of; anything else is likely a regular expression. */
const PATTERN = /^[a-zA-Z0-9._*?-]+$/;

/** Names that Kafka and its tools keep for themselves. */
const RESERVED_PREFIX = '__';

export interface DisklessTopics {
  /** @returns whether a new topic of this name is diskless by default; never for reserved names */
  matches(name: string): boolean;
}

/** @returns whether a topic of this name may not be diskless: Kafka's own, and those of tools */
export function isReservedName(name: string): boolean {
  return name.startsWith(RESERVED_PREFIX);
}

/**
 * @param setting comma-separated globs, as in `orders.*,logs-*`; empty matches nothing
 * @throws `PROXY_TOPIC_PATTERN_INVALID`
 */
export function parseDisklessTopics(setting: string): DisklessTopics {
  const patterns = setting
    .split(',')
    .map((pattern) => pattern.trim())
    .filter((pattern) => pattern !== '');
  if (patterns.length > PATTERNS_MAX) {
    throw invalid(`it has ${patterns.length} patterns, the limit is ${PATTERNS_MAX}`, setting);
  }
  const expressions = patterns.map((pattern) => {
    if (!PATTERN.test(pattern)) {
      throw invalid(`"${pattern}" is not a topic name with * and ? for what varies`, setting);
    }
    return new RegExp(`^${globSource(pattern)}$`);
  });
  return {
    matches: (name) =>
      !isReservedName(name) && expressions.some((expression) => expression.test(name)),
  };
}

function globSource(pattern: string): string {
  return pattern
    .replaceAll(/\*+/g, '*')
    .replaceAll('.', String.raw`\.`)
    .replaceAll('?', '.')
    .replaceAll('*', '.*');
}

function invalid(reason: string, setting: string): Error {
  return proxyError('PROXY_TOPIC_PATTERN_INVALID', `diskless.topics cannot be used: ${reason}.`, {
    details: { setting },
  });
}
