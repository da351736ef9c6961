/**
 * Leases: a name that one holder at a time has, for as long as it renews it. Promises that `lost`
 * is aborted before Redis gives the name to another, by a clock that nobody sets: a lease counts
 * from before the call that got or renewed it. That holds unless the process stood still; so
 * nothing that must be right rests on a lease.
 */
import { randomBytes } from 'node:crypto';
import type { Logger } from 'pino';
import type { Clock } from '../runtime/index.ts';
import type { CoordinatorKeys } from './keys.ts';
import type { SharedSession } from './redis/shared-session.ts';
import { WorkerScripts } from './redis/worker-scripts.ts';
import type { Lease } from './worker-coordinator.ts';

const HOLDER_BYTES = 8;
/** Renewals that may fail before a lease is lost. */
const RENEWALS_PER_EXPIRY = 3;

export interface LeasesOptions {
  readonly session: SharedSession;
  readonly keys: CoordinatorKeys;
  readonly clock: Pick<Clock, 'monotonicMs' | 'after'>;
  readonly expiryMs: number;
  readonly logger: Logger;
}

export class Leases {
  readonly #options: LeasesOptions;
  readonly #held = new Set<HeldLease>();

  constructor(options: LeasesOptions) {
    this.#options = options;
  }

  /** @returns undefined while another holds the name */
  async acquire(name: string): Promise<Lease | undefined> {
    const { session, keys, clock, expiryMs } = this.#options;
    const holder = randomBytes(HOLDER_BYTES);
    const askedMs = clock.monotonicMs();
    const reply = await session.use(async (session) =>
      session.call('SET', [keys.lease(name), holder, 'NX', 'PX', expiryMs]),
    );
    if (reply === null) return undefined;
    const lease = new HeldLease(this.#options, name, holder, askedMs, (ended) =>
      this.#held.delete(ended),
    );
    this.#held.add(lease);
    return lease;
  }

  /** Gives all back. */
  async close(): Promise<void> {
    await Promise.all([...this.#held].map(async (lease) => lease.release()));
  }
}

class HeldLease implements Lease {
  readonly name: string;
  readonly #options: LeasesOptions;
  readonly #holder: Buffer;
  readonly #onEnd: (lease: HeldLease) => void;
  readonly #lost = new AbortController();
  #cancelExpiry: () => void = () => undefined;
  #cancelRenewal: () => void = () => undefined;
  #isReleased = false;

  constructor(
    options: LeasesOptions,
    name: string,
    holder: Buffer,
    askedMs: number,
    onEnd: (lease: HeldLease) => void,
  ) {
    this.name = name;
    this.#options = options;
    this.#holder = holder;
    this.#onEnd = onEnd;
    this.#prolong(askedMs);
    this.#renewLater();
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  async release(): Promise<void> {
    if (this.#isReleased || this.lost.aborted) return;
    this.#isReleased = true;
    this.#end();
    const { session, keys, logger } = this.#options;
    try {
      await session.use(async (session) =>
        new WorkerScripts(session, keys).releaseLease(this.name, this.#holder),
      );
    } catch (error) {
      logger.debug({ err: error, name: this.name }, 'a lease expires that could not be given back');
    }
  }

  /** @param askedMs when Redis was asked for it: it counts from then at the earliest */
  #prolong(askedMs: number): void {
    const { clock, expiryMs } = this.#options;
    this.#cancelExpiry();
    const leftMs = Math.max(0, askedMs + expiryMs - clock.monotonicMs());
    this.#cancelExpiry = clock.after(leftMs, () => this.#lose('it could not be renewed in time'));
  }

  #renewLater(): void {
    const { clock, expiryMs } = this.#options;
    this.#cancelRenewal = clock.after(expiryMs / RENEWALS_PER_EXPIRY, () => void this.#renew());
  }

  async #renew(): Promise<void> {
    const { session, keys, clock, expiryMs, logger } = this.#options;
    const askedMs = clock.monotonicMs();
    try {
      const isOurs = await session.use(async (session) =>
        new WorkerScripts(session, keys).renewLease(this.name, this.#holder, expiryMs),
      );
      if (this.#isReleased || this.lost.aborted) return;
      if (!isOurs) return this.#lose('Redis has forgotten it, or gave it to another');
      this.#prolong(askedMs);
    } catch (error) {
      if (this.#isReleased || this.lost.aborted) return;
      logger.debug({ err: error, name: this.name }, 'a lease could not be renewed');
    }
    this.#renewLater();
  }

  #lose(why: string): void {
    if (this.#isReleased || this.lost.aborted) return;
    this.#options.logger.warn({ name: this.name, why }, 'a lease is lost');
    this.#end();
    this.#lost.abort();
  }

  #end(): void {
    this.#cancelExpiry();
    this.#cancelRenewal();
    this.#onEnd(this);
  }
}
