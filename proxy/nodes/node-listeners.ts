/**
 * The server sockets of a member: one for bootstrap, and for each broker one for its classic and
 * one for its diskless node. Owns every client connection from accepting to closing: a client that
 * connects to a node gets a connection to the broker behind it, or none at all.
 *
 * Must not know what travels on the connections.
 */
import type { Server, Socket } from 'node:net';
import { createServer } from 'node:net';
import type { Logger } from 'pino';
import type { MemberNode } from '../../coordinator/index.ts';
import { ClientConnection, type ClientConnectionOptions } from '../connection/client-connection.ts';
import type { Node } from '../connection/handler.ts';
import { proxyError } from '../errors.ts';
import type { ByteBudget } from '../../runtime/index.ts';
import type { ServerTls } from '../net/tls.ts';
import { NodePorts, type PortRange } from './node-ports.ts';
import type { UpstreamDialer } from './upstream-dialer.ts';

/** How long a silent connection lasts until the kernel asks whether the client is still there. */
const KEEP_ALIVE_MS = 60_000;
/** Clients that hold memory without progress for so many checks give way when others need it. */
const STALL_CHECK_MS = 5_000;
const STALLED_CHECKS_MAX = 6;
/** What accepted sockets are like: half-open, because what a client sent before it left counts. */
const SOCKETS = {
  allowHalfOpen: true,
  noDelay: true,
  keepAlive: true,
  keepAliveInitialDelay: KEEP_ALIVE_MS,
} as const;

export interface NodeListenersOptions {
  /** The address that is listened on. */
  readonly host: string;
  readonly bootstrapPort: number;
  readonly nodePorts: PortRange;
  /** Null: clients connect without TLS. */
  readonly tls: ServerTls | null;
  readonly dialer: UpstreamDialer;
  /** Connections beyond this are closed at once. */
  readonly connectionsMax: number;
  readonly connection: Pick<
    ClientConnectionOptions,
    'handlerOf' | 'requestBudget' | 'replyBudget' | 'frameBytesMax' | 'lingerMs'
  >;
  /** Other memory that clients may have to wait for while one of them does not take its answers. */
  readonly otherBudgets?: readonly ByteBudget[];
  readonly log: Logger;
}

export class NodeListeners {
  readonly #options: NodeListenersOptions;
  readonly #ports: NodePorts;
  readonly #servers = new Set<Server>();
  readonly #nodes = new Map<number, MemberNode>();
  readonly #connections = new Set<ClientConnection>();
  /** Accepted, but the broker does not answer yet. */
  readonly #dialing = new Set<Socket>();
  #opening: Promise<void> = Promise.resolve();
  #refusing = false;
  #draining = false;
  #onEmpty: () => void = () => {};
  readonly #stallTimer: NodeJS.Timeout;

  constructor(options: NodeListenersOptions) {
    this.#options = options;
    this.#stallTimer = setInterval(() => this.#dropStalled(), STALL_CHECK_MS).unref();
    this.#ports = new NodePorts(options.nodePorts);
  }

  /** The nodes that clients can connect to, for the member's record. */
  get nodes(): readonly MemberNode[] {
    return [...this.#nodes.values()];
  }

  /** How many clients are connected. */
  get connectionCount(): number {
    return this.#connections.size + this.#dialing.size;
  }

  /** @throws `PROXY_LISTEN_FAILED` */
  async openBootstrap(): Promise<void> {
    const { bootstrapPort } = this.#options;
    await this.#listen(bootstrapPort, 'listener.port', { kind: 'bootstrap' });
  }

  /**
   * Opens both nodes of every broker that has none yet. Nodes are never closed before the member
   * is: a broker that went away usually comes back.
   * @throws the first `PROXY_NODE_PORTS_EXHAUSTED` or `PROXY_LISTEN_FAILED`, having opened what it
   *   could; another call tries again
   */
  async openNodes(brokerIds: Iterable<number>): Promise<void> {
    const sorted = [...brokerIds].sort((a, b) => a - b);
    // One call after the other: two must not open the same node.
    const opening = this.#opening.then(async () => this.#openMissing(sorted));
    this.#opening = opening.catch(() => {});
    await opening;
  }

  /**
   * Accepts nobody any more, has all connections finish what they have taken, and drops those that
   * have not after `deadlineMs`. Resolves when none is left.
   */
  async drain(deadlineMs: number): Promise<void> {
    this.#draining = true;
    await this.#opening;
    this.#options.tls?.close();
    clearInterval(this.#stallTimer);
    for (const server of this.#servers) server.close();
    for (const socket of this.#dialing) socket.destroy();
    const empty = new Promise<void>((resolve) => {
      this.#onEmpty = resolve;
    });
    for (const connection of this.#connections) connection.drain();
    const deadline = setTimeout(() => {
      const dropped = this.#connections.size;
      this.#options.log.warn({ dropped }, 'connections did not finish in time and are dropped');
      for (const connection of this.#connections) connection.destroy();
    }, deadlineMs);
    if (this.#connections.size > 0) await empty;
    clearTimeout(deadline);
  }

  async #openMissing(brokerIds: readonly number[]): Promise<void> {
    let failure: unknown;
    for (const brokerId of brokerIds) {
      if (this.#nodes.has(brokerId) || this.#draining) continue;
      try {
        await this.#openPair(brokerId);
      } catch (error) {
        failure ??= error;
      }
    }
    if (failure !== undefined) throw failure;
  }

  async #openPair(brokerId: number): Promise<void> {
    const { classicPort, disklessPort } = this.#ports.assign(brokerId);
    const classic = await this.#listen(classicPort, 'node.ports', { kind: 'classic', brokerId });
    try {
      await this.#listen(disklessPort, 'node.ports', { kind: 'diskless', brokerId });
    } catch (error) {
      classic.close();
      throw error;
    }
    this.#nodes.set(brokerId, { brokerId, classicPort, disklessPort });
  }

  async #listen(port: number, key: string, node: Node): Promise<Server> {
    const { host, tls } = this.#options;
    const onSocket = (socket: Socket): void => void this.#accept(socket, node);
    const server =
      tls === null ? createServer(SOCKETS, onSocket) : tls.createServer(SOCKETS, onSocket);
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error) => {
        const message = `Cannot listen on ${host}:${port} (${key}): ${error.message}`;
        const details = { host, port, key };
        reject(proxyError('PROXY_LISTEN_FAILED', message, { details, cause: error }));
      });
      server.listen({ host, port }, resolve);
    });
    server.on('error', (error) => this.#options.log.error({ err: error, port }, 'listener failed'));
    this.#servers.add(server);
    server.once('close', () => this.#servers.delete(server));
    return server;
  }

  async #accept(client: Socket, node: Node): Promise<void> {
    // Until the connection listens itself; a client that leaves is found destroyed below.
    client.on('error', () => client.destroy());
    if (this.#draining || this.#isFull()) {
      client.destroy();
      return;
    }
    this.#dialing.add(client);
    const upstream = await this.#dial(client, node);
    this.#dialing.delete(client);
    if (upstream === null || client.destroyed) {
      client.destroy();
      upstream?.destroy();
      return;
    }
    const connection = new ClientConnection({
      ...this.#options.connection,
      client,
      upstream,
      node,
      log: this.#options.log,
      onClosed: () => this.#onClosed(connection),
    });
    this.#connections.add(connection);
  }

  async #dial(client: Socket, node: Node): Promise<Socket | null> {
    const { dialer, log } = this.#options;
    try {
      return await dialer.dial(node);
    } catch (error) {
      log.info({ err: error, node, client: client.remoteAddress }, 'no broker for a new client');
      return null;
    }
  }

  /** Logs when the limit is reached and when it no longer is, not each time. */
  #isFull(): boolean {
    const full = this.connectionCount >= this.#options.connectionsMax;
    if (full && !this.#refusing) {
      const { connectionsMax } = this.#options;
      this.#options.log.warn({ connectionsMax }, 'connections.max is reached, clients are refused');
    }
    this.#refusing = full;
    return full;
  }

  /**
   * A consumer may well take nothing for minutes, and a client may send half a request: both hold
   * memory that all share, so they are left alone only as long as nobody waits for it.
   */
  #dropStalled(): void {
    const { connection, otherBudgets = [], log } = this.#options;
    const budgets = [connection.requestBudget, connection.replyBudget, ...otherBudgets];
    const contended = budgets.some((budget) => budget.waiting > 0);
    for (const client of this.#connections) {
      if (client.checkStall() < STALLED_CHECKS_MAX || !contended) continue;
      log.warn('a client that takes or sends nothing is dropped: others wait for the memory');
      client.destroy();
    }
  }

  #onClosed(connection: ClientConnection): void {
    this.#connections.delete(connection);
    if (this.#connections.size === 0) this.#onEmpty();
  }
}
