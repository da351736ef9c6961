/**
 * Reads partitions out of Redis' copies of their groups, for proxies. Never makes anybody wait for
 * a Redis that is away: while it is, one attempt at a time finds out whether it is back.
 */
import type { Logger } from 'pino';
import type { Clock } from '../../runtime/index.ts';
import type { PartitionId } from '../../storage/index.ts';
import { NUMBER_FIELD, parseGroupNumber } from '../group-copies.ts';
import type { CoordinatorKeys } from '../keys.ts';
import { malformed } from '../packing.ts';
import { parsePartition, partitionField } from '../partition-record.ts';
import type { PartitionView } from '../worker-coordinator.ts';
import type { SharedSession } from './shared-session.ts';

/** How long a Redis that failed is left alone. */
const RETRY_MS = 2_000;

export interface CopyReaderOptions {
  readonly session: SharedSession;
  readonly keys: CoordinatorKeys;
  readonly clock: Pick<Clock, 'monotonicMs'>;
  readonly logger: Logger;
}

export type CopyAnswer =
  | {
      readonly kind: 'known';
      /** Undefined for a partition of which the copy has nothing. */
      readonly view: PartitionView | undefined;
      /** Of the last journal entry that is in the copy. */
      readonly number: number;
    }
  /** Redis has no copy of the group, or an older one than it had: its journal has to be asked. */
  | { readonly kind: 'no-copy' }
  | { readonly kind: 'away' };

export class CopyReader {
  readonly #options: CopyReaderOptions;
  /** By group: the highest number seen, so that a Redis that fell back in time is found out. */
  readonly #seen = new Map<number, number>();
  #isAway = false;
  #isProbing = false;
  #retryAtMs = 0;

  constructor(options: CopyReaderOptions) {
    this.#options = options;
  }

  /** @throws `COORDINATOR_RECORD_MALFORMED` */
  async read(group: number, id: PartitionId): Promise<CopyAnswer> {
    if (this.#isAway) {
      this.#probe();
      return { kind: 'away' };
    }
    const { session, keys } = this.#options;
    const args = [keys.group(group), NUMBER_FIELD, partitionField(id)];
    let reply: unknown;
    try {
      reply = await session.use(async (session) => session.call('HMGET', args));
    } catch (error) {
      this.#failed(error);
      return { kind: 'away' };
    }
    const [applied, value]: unknown[] = Array.isArray(reply) ? reply : [];
    if (!Buffer.isBuffer(applied)) return { kind: 'no-copy' };
    const number = parseGroupNumber(applied);
    if (!this.#isLatest(group, number)) return { kind: 'no-copy' };
    if (value === null) return { kind: 'known', view: undefined, number };
    if (!Buffer.isBuffer(value)) throw malformed('a reply to HMGET');
    return { kind: 'known', view: parsePartition(group, id, value), number };
  }

  #isLatest(group: number, number: number): boolean {
    const seen = this.#seen.get(group) ?? 0;
    if (number > seen) this.#seen.set(group, number);
    return number >= seen;
  }

  #failed(error: unknown): void {
    const { clock, logger } = this.#options;
    this.#retryAtMs = clock.monotonicMs() + RETRY_MS;
    if (this.#isAway) return;
    this.#isAway = true;
    logger.warn({ err: error }, 'Redis is away: what became of data is read from the bucket');
  }

  #probe(): void {
    if (this.#isProbing || this.#options.clock.monotonicMs() < this.#retryAtMs) return;
    this.#isProbing = true;
    void this.#tryAgain();
  }

  async #tryAgain(): Promise<void> {
    const { session, keys, logger } = this.#options;
    try {
      await session.use(async (session) => session.call('EXISTS', [keys.owner]));
      this.#isAway = false;
      logger.info('what became of data is read from Redis again');
    } catch (error) {
      this.#failed(error);
    }
    this.#isProbing = false;
  }
}
