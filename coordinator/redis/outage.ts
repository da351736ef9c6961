/**
 * Whether Redis can be used, as its users together see it. Several connections fail when Redis
 * does; the log has one line when the first one fails and one when all are well again.
 */
import type { Logger } from 'pino';
import { OutriggerError } from '../../kafka/index.ts';

/** The users of Redis, each with a connection of its own. */
export type RedisPart = 'heartbeats' | 'announcements' | 'changes';

/** These do not pass by waiting: an operator must act. */
const REFUSALS: readonly string[] = [
  'COORDINATOR_FOREIGN_REDIS',
  'COORDINATOR_REDIS_DENIED',
  'COORDINATOR_REDIS_POLICY',
  'COORDINATOR_REDIS_VERSION',
];

/** Redis answers but may not be used. */
export interface Refusal {
  readonly code: string;
  readonly message: string;
}

export class Outage {
  readonly #logger: Logger;
  readonly #wallMs: () => number;
  readonly #failing = new Set<RedisPart>();
  #lastContactMs: number | undefined;
  #refusal: Refusal | undefined;

  constructor(logger: Logger, wallMs: () => number) {
    this.#logger = logger;
    this.#wallMs = wallMs;
  }

  get connected(): boolean {
    return this.#failing.size === 0 && this.#lastContactMs !== undefined;
  }

  get lastContactMs(): number | undefined {
    return this.#lastContactMs;
  }

  get refusal(): Refusal | undefined {
    return this.#refusal;
  }

  /** Redis has done what the part asked. */
  succeeded(part: RedisPart): void {
    this.#lastContactMs = this.#wallMs();
    this.withdrawn(part);
  }

  /** The part has nothing to ask any more. */
  withdrawn(part: RedisPart): void {
    if (!this.#failing.delete(part) || this.#failing.size > 0) return;
    this.#refusal = undefined;
    this.#logger.info('Redis can be used again');
  }

  /** It has not. The part tries again later. */
  failed(part: RedisPart, error: unknown): void {
    const refusal = asRefusal(error);
    const isNews = this.#failing.size === 0 || refusal?.code !== this.#refusal?.code;
    this.#failing.add(part);
    if (!isNews) {
      this.#logger.debug({ part, err: error }, 'Redis still cannot be used');
      return;
    }
    this.#refusal = refusal;
    if (refusal === undefined) {
      this.#logger.warn(
        { part, err: error },
        'Redis cannot be reached: merging stops, announcements are buffered, members and topics ' +
          'stay as last known',
      );
    } else {
      this.#logger.error({ part, err: error }, 'Redis may not be used');
    }
  }
}

/** @returns what is wrong for good, undefined for a failure that may pass */
export function asRefusal(error: unknown): Refusal | undefined {
  if (!(error instanceof OutriggerError) || !REFUSALS.includes(error.code)) return undefined;
  return { code: error.code, message: error.message };
}
