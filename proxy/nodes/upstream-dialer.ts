/**
 * Connects to the broker behind a node. For a bootstrap connection that is any live broker, another
 * one for each client, and the next one where connecting fails.
 */
import type { Socket } from 'node:net';
import { openSocket, type Broker, type TlsOptions } from '../../kafka/index.ts';

import type { Node } from '../connection/handler.ts';
import { proxyError } from '../errors.ts';

/** How long a silent connection lasts until the kernel asks whether the broker is still there. */
const KEEP_ALIVE_MS = 60_000;

/** As much of the cluster as dialing looks at. */
export interface KnownBrokers {
  readonly brokers: readonly Broker[];
  /** Also a broker that is not alive at the moment. */
  broker(brokerId: number): Broker | undefined;
}

export interface UpstreamDialerOptions {
  readonly cluster: KnownBrokers;
  /** Undefined: brokers are connected to without TLS. */
  readonly tls: TlsOptions | undefined;
  /** For one broker, TLS handshake included. */
  readonly timeoutMs: number;
}

export class UpstreamDialer {
  readonly #options: UpstreamDialerOptions;
  #next = 0;

  constructor(options: UpstreamDialerOptions) {
    this.#options = options;
  }

  /**
   * @returns a connected socket that nothing has been read from
   * @throws `KAFKA_CONNECTION_LOST`, `PROXY_BROKER_UNREACHABLE`
   */
  async dial(node: Node): Promise<Socket> {
    if (node.kind === 'bootstrap') return this.#dialAny();
    const broker = this.#options.cluster.broker(node.brokerId);
    if (broker !== undefined) return this.#connect(broker);
    throw proxyError('PROXY_BROKER_UNREACHABLE', `no address is known of broker ${node.brokerId}`);
  }

  async #dialAny(): Promise<Socket> {
    const { brokers } = this.#options.cluster;
    const first = this.#next++;
    let failure: unknown;
    for (let tried = 0; tried < brokers.length; tried++) {
      const broker = brokers[(first + tried) % brokers.length];
      if (broker === undefined) continue;
      try {
        return await this.#connect(broker);
      } catch (error) {
        failure = error;
      }
    }
    throw failure ?? proxyError('PROXY_BROKER_UNREACHABLE', 'no broker of the cluster is alive');
  }

  async #connect(broker: Broker): Promise<Socket> {
    const { tls, timeoutMs } = this.#options;
    const socket = await openSocket(broker, tls, timeoutMs);
    socket.setNoDelay(true);
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    return socket;
  }
}
