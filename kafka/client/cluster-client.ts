/**
 * The brokers of one cluster, each with at most one connection, made on demand. It promises that
 * the addresses of the brokers are asked for anew when they are old or did not work. It does not
 * retry requests: who sends one knows whether sending it twice is right.
 */

import { kafkaError } from '../errors.ts';
import { apis } from '../messages/index.ts';
import type { BrokerConnection } from './broker-connection.ts';
import { BrokerLink } from './broker-link.ts';
import type { LinkOptions } from './broker-link.ts';
import type { Endpoint } from './open-socket.ts';

const METADATA_MAX_AGE_MS = 300_000;

export interface ClusterClientOptions extends LinkOptions {
  /** Where to ask first. At least one. */
  readonly bootstrap: readonly Endpoint[];
  /** How long the addresses of the brokers are believed. Default 300,000. */
  readonly metadataMaxAgeMs?: number | undefined;
}

export interface Broker extends Endpoint {
  readonly id: number;
  readonly rack: string | null;
}

export interface ClusterMetadata {
  readonly clusterId: string | null;
  /** In KRaft some live broker, which forwards to the controller; -1 for none. */
  readonly controllerId: number;
  readonly brokers: ReadonlyMap<number, Broker>;
}

export class ClusterClient {
  readonly #options: ClusterClientOptions;
  /** By address, so that a bootstrap address and a broker share their connection. */
  readonly #links = new Map<string, BrokerLink>();
  #metadata: ClusterMetadata | null = null;
  #metadataExpiresAt = Number.NEGATIVE_INFINITY;
  #refreshing: Promise<ClusterMetadata> | null = null;
  #isClosed = false;

  constructor(options: ClusterClientOptions) {
    this.#options = options;
  }

  /**
   * @returns the brokers of the cluster, asked for anew when the last answer is old
   * @throws what `toAny` throws, and what a request throws
   */
  async metadata(): Promise<ClusterMetadata> {
    if (this.#metadata !== null && this.#options.now() < this.#metadataExpiresAt) {
      return this.#metadata;
    }
    return this.refresh();
  }

  /** Asks for the brokers now; calls at the same time share one answer. */
  async refresh(): Promise<ClusterMetadata> {
    this.#refreshing ??= this.#fetchMetadata().finally(() => {
      this.#refreshing = null;
    });
    return this.#refreshing;
  }

  /**
   * @returns an open connection to the broker
   * @throws KAFKA_BROKER_UNKNOWN, and what `BrokerConnection.open` throws
   */
  async toBroker(id: number): Promise<BrokerConnection> {
    const known = (await this.metadata()).brokers.get(id);
    const broker = known ?? (await this.refresh()).brokers.get(id);
    if (broker === undefined) {
      throw kafkaError('KAFKA_BROKER_UNKNOWN', `the cluster does not name broker ${id}`, {
        retriable: true,
        details: { brokerId: id },
      });
    }
    try {
      return await this.#linkTo(broker).connection();
    } catch (error) {
      // It may have moved: the next call asks for its address.
      this.#metadataExpiresAt = Number.NEGATIVE_INFINITY;
      throw error;
    }
  }

  /**
   * @returns a connection to whichever broker answers, one that is open already before others
   * @throws what the last address that was tried threw
   */
  async toAny(): Promise<BrokerConnection> {
    const endpoints = [...(this.#metadata?.brokers.values() ?? []), ...this.#options.bootstrap];
    const links = endpoints.map((endpoint) => this.#linkTo(endpoint));
    const openFirst = new Set([...links.filter((link) => link.isOpen), ...links]);
    let lastError: unknown = kafkaError('KAFKA_CONNECTION_LOST', 'no bootstrap address');
    for (const link of openFirst) {
      try {
        return await link.connection();
      } catch (error) {
        lastError = error;
      }
    }
    throw lastError;
  }

  /**
   * @returns a connection to the broker that is named as controller; to any when none is
   * @throws as `toBroker` does
   */
  async toController(): Promise<BrokerConnection> {
    const { controllerId } = await this.metadata();
    return controllerId < 0 ? this.toAny() : this.toBroker(controllerId);
  }

  /** Ends all connections; the client takes no calls afterwards. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all([...this.#links.values()].map((link) => link.close()));
  }

  async #fetchMetadata(): Promise<ClusterMetadata> {
    const connection = await this.toAny();
    const response = await connection.request(apis.Metadata, { topics: [] });
    const brokers = response.brokers.map(({ nodeId, host, port, rack }) => {
      return [nodeId, { id: nodeId, host, port, rack }] as const;
    });
    this.#metadata = {
      clusterId: response.clusterId,
      controllerId: response.controllerId,
      brokers: new Map(brokers),
    };
    const maxAgeMs = this.#options.metadataMaxAgeMs ?? METADATA_MAX_AGE_MS;
    this.#metadataExpiresAt = this.#options.now() + maxAgeMs;
    await this.#dropUnnamed(this.#metadata);
    return this.#metadata;
  }

  /** Connections to addresses that the cluster left would otherwise pile up. */
  async #dropUnnamed({ brokers }: ClusterMetadata): Promise<void> {
    const named = new Set([...brokers.values(), ...this.#options.bootstrap].map(keyOf));
    const unnamed = [...this.#links].filter(([key]) => !named.has(key));
    for (const [key] of unnamed) this.#links.delete(key);
    await Promise.all(unnamed.map(([, link]) => link.close()));
  }

  #linkTo(endpoint: Endpoint): BrokerLink {
    if (this.#isClosed) throw kafkaError('KAFKA_CONNECTION_LOST', 'the client was closed');
    const key = keyOf(endpoint);
    const known = this.#links.get(key);
    if (known !== undefined) return known;
    const link = new BrokerLink(endpoint, this.#options);
    this.#links.set(key, link);
    return link;
  }
}

function keyOf({ host, port }: Endpoint): string {
  return `${host}:${port}`;
}
