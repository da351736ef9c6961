/**
 * The way to one address: its connection, made when it is asked for and again when it ended. It
 * promises that there is never more than one attempt at a time, and none before the backoff of the
 * last failure is over.
 */

import type { Logger } from 'pino';
import { BrokerConnection } from './broker-connection.ts';
import type { ConnectionOptions } from './broker-connection.ts';
import type { Endpoint } from './open-socket.ts';
import { connectionLost } from './request-pipeline.ts';

const BACKOFF_FIRST_MS = 100;
const BACKOFF_MAX_MS = 10_000;

/** The backoff is shortened by up to this part, so that many clients do not come back at once. */
const BACKOFF_JITTER = 0.3;

export interface LinkOptions {
  readonly connection: ConnectionOptions;
  readonly logger: Logger;
  /** Milliseconds of a clock; only differences count. */
  readonly now: () => number;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

export class BrokerLink {
  readonly #endpoint: Endpoint;
  readonly #options: LinkOptions;
  #current: BrokerConnection | null = null;
  #attempt: Promise<BrokerConnection> | null = null;
  #failures = 0;
  #lastFailure: { readonly error: unknown; readonly retryAt: number } | null = null;
  #isClosed = false;

  constructor(endpoint: Endpoint, options: LinkOptions) {
    this.#endpoint = endpoint;
    this.#options = options;
  }

  /** Whether there is a connection that takes requests. */
  get isOpen(): boolean {
    return this.#current?.isOpen === true;
  }

  /**
   * @returns an open connection
   * @throws what `BrokerConnection.open` throws; while the backoff lasts, what it threw last
   */
  async connection(): Promise<BrokerConnection> {
    if (this.#current?.isOpen === true) return this.#current;
    if (this.#isClosed) throw connectionLost('the client was closed');
    if (this.#attempt !== null) return this.#attempt;
    if (this.#lastFailure !== null && this.#options.now() < this.#lastFailure.retryAt) {
      throw this.#lastFailure.error;
    }
    this.#attempt = this.#open().finally(() => {
      this.#attempt = null;
    });
    return this.#attempt;
  }

  /** Ends the connection, also one that is being made. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#attempt?.catch(() => null);
    await this.#current?.close();
  }

  async #open(): Promise<BrokerConnection> {
    try {
      this.#current = await BrokerConnection.open(this.#endpoint, this.#options.connection);
    } catch (error) {
      const backoffMs = this.#nextBackoffMs();
      this.#lastFailure = { error, retryAt: this.#options.now() + backoffMs };
      this.#options.logger.warn({ err: error, ...this.#endpoint, backoffMs }, 'broker unreachable');
      throw error;
    }
    this.#failures = 0;
    this.#lastFailure = null;
    return this.#current;
  }

  #nextBackoffMs(): number {
    const fullMs = Math.min(BACKOFF_FIRST_MS * 2 ** this.#failures, BACKOFF_MAX_MS);
    this.#failures += 1;
    return fullMs * (1 - BACKOFF_JITTER * this.#options.random());
  }
}
