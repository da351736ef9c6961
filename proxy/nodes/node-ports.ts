/**
 * Which port of the configured range each of a member's nodes listens on. Pure bookkeeping: two
 * ports per broker, the classic node's and then the diskless node's. A broker keeps its ports for as
 * long as the process runs, whether or not it is alive, because clients remember them.
 */
import assert from 'node:assert/strict';
import { proxyError } from '../errors.ts';

/** Ports from `first` to `last`, both included. */
export interface PortRange {
  readonly first: number;
  readonly last: number;
}

export interface NodePortPair {
  readonly classicPort: number;
  readonly disklessPort: number;
}

const PORTS_PER_BROKER = 2;

export class NodePorts {
  readonly #range: PortRange;
  readonly #byBroker = new Map<number, NodePortPair>();

  /** @param range the option `node.ports` */
  constructor(range: PortRange) {
    assert.ok(range.first <= range.last, 'a range of ports has at least one');
    this.#range = range;
  }

  /**
   * Gives ports to those of the brokers that have none yet, in the order of their ids, so that
   * members which start with the same brokers and ranges use the same ports.
   * @throws `PROXY_NODE_PORTS_EXHAUSTED`, then having given ports to as many as it could
   */
  assign(brokerIds: Iterable<number>): void {
    for (const brokerId of [...brokerIds].sort((a, b) => a - b)) {
      if (!this.#byBroker.has(brokerId)) this.#assignNext(brokerId);
    }
  }

  /** @returns the ports of a broker's nodes, or undefined if it was given none */
  portsOf(brokerId: number): NodePortPair | undefined {
    return this.#byBroker.get(brokerId);
  }

  #assignNext(brokerId: number): void {
    const { first, last } = this.#range;
    const classicPort = first + this.#byBroker.size * PORTS_PER_BROKER;
    const disklessPort = classicPort + 1;
    if (disklessPort > last) {
      const needed = (this.#byBroker.size + 1) * PORTS_PER_BROKER;
      throw proxyError(
        'PROXY_NODE_PORTS_EXHAUSTED',
        `node.ports=${first}-${last} has no ports left for broker ${brokerId}: ` +
          `${this.#byBroker.size + 1} brokers need ${needed}, two for each.`,
        { details: { brokerId, first, last } },
      );
    }
    this.#byBroker.set(brokerId, { classicPort, disklessPort });
  }
}
