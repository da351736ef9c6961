/**
 * Ranges of the numbers that settled files get. Each is claimed in the bucket once and for all, so
 * that a Redis that was wiped or went back in time goes on above every number ever given out: a
 * merge cursor that is "as of" an old number must not vouch for a file that was settled later.
 */
import type { Logger } from 'pino';
import type { ObjectStore } from '../storage/index.ts';
import { coordinatorError } from './errors.ts';
import { SETTLED_RANGE_SIZE, type CoordinatorScripts } from './redis/scripts.ts';

const PREFIX = 'settled-ranges/';
/** Ten digits keep the keys in order; 2^17 ranges fit into a double above the count. */
const KEY_DIGITS = 10;
/** Others claim at the same time after a failover: one per member at most, and few by then. */
const CLAIMS_MAX = 4096;

/**
 * Numbers of one range were counted one after the other; of numbers of two ranges only those can be
 * compared that one Redis has given out.
 *
 * @returns the range of a settled number
 */
export function settledRange(number: number): number {
  return Math.floor(number / SETTLED_RANGE_SIZE);
}

/** Hands out ranges that nobody had before. */
export interface SettledRangeClaims {
  /** @returns a range above the given one that no call has returned before, in any process */
  claim(above: number): Promise<number>;
}

/** Claims by put-if-absent; the listing only tells where to begin. */
export class StoreSettledRangeClaims implements SettledRangeClaims {
  readonly #store: ObjectStore;
  readonly #clusterId: string;

  constructor(store: ObjectStore, clusterId: string) {
    this.#store = store;
    this.#clusterId = clusterId;
  }

  async claim(above: number): Promise<number> {
    let last = above;
    for await (const { key } of this.#store.list(PREFIX)) {
      last = Math.max(last, Number.parseInt(key.slice(PREFIX.length), 10) || 0);
    }
    const body = Buffer.from(JSON.stringify({ clusterId: this.#clusterId }), 'utf8');
    for (let range = last + 1; range <= last + CLAIMS_MAX; range++) {
      const key = PREFIX + String(range).padStart(KEY_DIGITS, '0');
      if ((await this.#store.putIfAbsent(key, body)).kind === 'stored') return range;
    }
    throw coordinatorError(
      'COORDINATOR_RANGES_EXHAUSTED',
      `${CLAIMS_MAX} settled ranges from ${last + 1} on are all taken in ${this.#store.location}.`,
    );
  }
}

/** Brings the count of settled files into a new range; calls at the same time share one claim. */
export class SettledRanges {
  readonly #claims: SettledRangeClaims;
  readonly #logger: Logger;
  #raising: Promise<void> | undefined;

  constructor(claims: SettledRangeClaims, logger: Logger) {
    this.#claims = claims;
    this.#logger = logger;
  }

  /**
   * @param lastNumber what the settle script said
   * @throws `STORAGE_…` or `COORDINATOR_…`: the file stays unsettled until a later try
   */
  async raise(scripts: CoordinatorScripts, lastNumber: number): Promise<void> {
    this.#raising ??= this.#claimAndRaise(scripts, lastNumber).finally(() => {
      this.#raising = undefined;
    });
    await this.#raising;
  }

  async #claimAndRaise(scripts: CoordinatorScripts, lastNumber: number): Promise<void> {
    const range = await this.#claims.claim(settledRange(lastNumber));
    // False means that another member was faster and further: settling goes on in its range.
    const raised = await scripts.raiseSettledRange(range);
    this.#logger.info({ range, raised }, 'settled files are counted in a new range');
  }
}
