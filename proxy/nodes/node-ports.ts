/**
 * Which port of the configured range each of a member's nodes listens on. Pure bookkeeping: two
 * ports per broker, the classic node's and then the diskless node's. A broker keeps its ports for
 * as long as the process runs, whether or not it is alive, because clients remember them.
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
   * Gives a broker the next free ports unless it has some. Called in the order of the ids at start,
   * so that members which start with the same brokers and ranges use the same ports.
   * @returns the ports of the broker's nodes
   * @throws `PROXY_NODE_PORTS_EXHAUSTED`
   */
  assign(brokerId: number): NodePortPair {
    const known = this.#byBroker.get(brokerId);
    if (known !== undefined) return known;
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
    const pair = { classicPort, disklessPort };
    this.#byBroker.set(brokerId, pair);
    return pair;
  }
}
