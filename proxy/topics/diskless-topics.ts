/**
 * The setting `diskless.topics`: which new topics are diskless unless their creator says otherwise.
 * Patterns are globs, because dots are common in topic names: `*` stands for any characters, `?`
 * for one. Pure: it knows names, not topics.
 */
import { proxyError } from '../errors.ts';

/** More patterns than anyone keeps in his head; each new topic is held against all of them. */
const PATTERNS_MAX = 1_000;

const PATTERNS_SHOWN_MAX = 20;

/** What topic names and globs are made of; anything else is likely a regular expression. */
const PATTERN = /^[a-zA-Z0-9._*?-]+$/;

/** Names that Kafka and its tools keep for themselves. */
const RESERVED_PREFIX = '__';

export interface DisklessTopics {
  /** Whether no topic can match. */
  readonly isEmpty: boolean;
  /** @returns whether a new topic of this name is diskless by default; never for reserved names */
  matches(name: string): boolean;
}

/** @returns whether a topic of this name may not be diskless: Kafka's own, and those of tools */
export function isReservedName(name: string): boolean {
  return name.startsWith(RESERVED_PREFIX);
}

/**
 * @param patterns globs, as in `orders.*` or `logs-*`; none match nothing
 * @throws `PROXY_TOPIC_PATTERN_INVALID`
 */
export function parseDisklessTopics(patterns: readonly string[]): DisklessTopics {
  if (patterns.length > PATTERNS_MAX) {
    throw invalid(`it has ${patterns.length} patterns, the limit is ${PATTERNS_MAX}`, patterns);
  }
  const expressions = patterns.map((pattern) => {
    if (!PATTERN.test(pattern)) {
      throw invalid(`"${pattern}" is not a topic name with * and ? for what varies`, patterns);
    }
    return new RegExp(`^${globSource(pattern)}$`);
  });
  return {
    isEmpty: expressions.length === 0,
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

function invalid(reason: string, patterns: readonly string[]): Error {
  return proxyError('PROXY_TOPIC_PATTERN_INVALID', `diskless.topics cannot be used: ${reason}.`, {
    details: { patterns: patterns.slice(0, PATTERNS_SHOWN_MAX) },
  });
}
