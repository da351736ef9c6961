/**
 * What the proxy knows of the brokers: which are alive, where, and which is the controller. Asks
 * the cluster at start, in an interval, and when a passing answer shows that something changed.
 * Promises that a look at it never waits; it may be as old as the interval.
 */
import type { Logger } from 'pino';
import { hasCode, type Broker, type ClusterMetadata, type Endpoint } from '../../kafka/index.ts';
import { proxyError } from '../errors.ts';
import { checkBrokerId } from '../nodes/node-id.ts';

/** Between two attempts to reach the cluster at start. */
const START_RETRY_MS = 200;
/** Passing answers cause no more than one question to the cluster in this time. */
const HINT_INTERVAL_MS = 1_000;

/** As much of the service client as is needed here. */
export interface MetadataSource {
  refresh(): Promise<ClusterMetadata>;
}

export interface ClusterViewOptions {
  readonly client: MetadataSource;
  /** Named in the error when none of them answers. */
  readonly bootstrap: readonly Endpoint[];
  /** How long the cluster may take to answer at start. */
  readonly startTimeoutMs: number;
  readonly refreshIntervalMs: number;
  /** Milliseconds of a clock; only differences count. */
  readonly now: () => number;
  readonly log: Logger;
}

export class ClusterView {
  readonly #options: ClusterViewOptions;
  readonly #listeners = new Set<() => void>();
  /** All that were ever seen: one that is down comes back at the same address, usually. */
  readonly #known = new Map<number, Broker>();
  #live: readonly Broker[] = [];
  #clusterId = '';
  #controllerId = -1;
  #askedAtMs = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
  #hintTimer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: ClusterViewOptions) {
    this.#options = options;
  }

  /** Kafka's id of the cluster; empty before `start`. */
  get clusterId(): string {
    return this.#clusterId;
  }

  /** The broker that takes requests for the controller; -1 while there is none. */
  get controllerId(): number {
    return this.#controllerId;
  }

  /** The brokers that are alive, by id. */
  get brokers(): readonly Broker[] {
    return this.#live;
  }

  /** @returns the broker where it was last seen, alive or not */
  broker(brokerId: number): Broker | undefined {
    return this.#known.get(brokerId);
  }

  /**
   * Waits until the cluster has answered once, and keeps asking from then on.
   * @throws `PROXY_BROKER_UNREACHABLE` naming the addresses and the cause, when none answered in
   *   time; `PROXY_BROKER_ID_UNSUPPORTED`
   */
  async start(): Promise<void> {
    const metadata = await this.#firstAnswer();
    for (const brokerId of metadata.brokers.keys()) checkBrokerId(brokerId);
    this.#update(metadata);
    const { refreshIntervalMs } = this.#options;
    this.#timer = setInterval(() => void this.#refresh(), refreshIntervalMs).unref();
  }

  /** Looks at the brokers of an answer that passes by; asks the cluster soon if they are others. */
  notice(brokers: readonly (Endpoint & { readonly id: number })[]): void {
    const same =
      brokers.length === this.#live.length &&
      brokers.every(({ id, host, port }) => {
        const known = this.#known.get(id);
        return known?.host === host && known.port === port;
      });
    if (!same) this.askSoon();
  }

  /** Asks the cluster for its brokers, but not more often than passing answers may cause it. */
  askSoon(): void {
    if (this.#hintTimer !== undefined || this.#closed) return;
    const delayMs = Math.max(0, this.#askedAtMs + HINT_INTERVAL_MS - this.#options.now());
    this.#hintTimer = setTimeout(() => {
      this.#hintTimer = undefined;
      void this.#refresh();
    }, delayMs).unref();
  }

  /**
   * @param listener called when brokers came, went or moved
   * @returns a function that ends the subscription
   */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#timer);
    clearTimeout(this.#hintTimer);
  }

  async #firstAnswer(): Promise<ClusterMetadata> {
    const { bootstrap, startTimeoutMs, now } = this.#options;
    const deadlineMs = now() + startTimeoutMs;
    for (;;) {
      try {
        return await this.#ask();
      } catch (error) {
        const refused = hasCode(error, 'KAFKA_AUTHENTICATION_FAILED');
        if (!refused && now() + START_RETRY_MS < deadlineMs) {
          await new Promise((resolve) => setTimeout(resolve, START_RETRY_MS));
          continue;
        }
        const addresses = bootstrap.map(({ host, port }) => `${host}:${port}`).join(', ');
        const reason = error instanceof Error ? error.message : String(error);
        const message = `No broker of kafka.bootstrap.servers=${addresses} can be used: ${reason}`;
        throw proxyError('PROXY_BROKER_UNREACHABLE', message, { cause: error });
      }
    }
  }

  async #ask(): Promise<ClusterMetadata> {
    this.#askedAtMs = this.#options.now();
    const metadata = await this.#options.client.refresh();
    // Whoever starts before the brokers have found each other is told of none.
    if (metadata.brokers.size === 0) throw new Error('the cluster names no live broker');
    return metadata;
  }

  async #refresh(): Promise<void> {
    try {
      const metadata = await this.#ask();
      if (!this.#closed) this.#update(metadata);
    } catch (error) {
      this.#options.log.warn({ err: error }, 'the cluster does not say which brokers it has');
    }
  }

  #update({ clusterId, controllerId, brokers }: ClusterMetadata): void {
    this.#clusterId = clusterId ?? '';
    this.#controllerId = controllerId;
    const live = [...brokers.values()]
      .sort((a, b) => a.id - b.id)
      .filter((broker) => this.#isUsable(broker));
    const changed = JSON.stringify(live) !== JSON.stringify(this.#live);
    if (!changed) return;
    this.#live = live;
    for (const broker of live) this.#known.set(broker.id, broker);
    this.#options.log.info({ brokers: live }, 'brokers of the cluster');
    for (const listener of this.#listeners) listener();
  }

  /** A broker that joins later with an id that cannot be used is left out, loudly. */
  #isUsable({ id }: Broker): boolean {
    try {
      checkBrokerId(id);
      return true;
    } catch (error) {
      this.#options.log.error({ err: error }, 'clients cannot be sent to a broker');
      return false;
    }
  }
}
