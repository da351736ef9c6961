/**
 * Names of brokers as clients write them into requests: a client that was shown a diskless node may
 * mean its broker. What does not name a diskless node stays as it is.
 */
import { brokerIdOf, isDisklessNodeId } from './node-id.ts';

const NODE_ID = /^\d{7,10}$/;

/**
 * @param name of a config resource of type BROKER (4) or BROKER_LOGGER (8)
 * @returns the name under which the broker knows itself; whoever replaces a name in a request puts
 *   the client's own back into the answer
 */
export function brokerResourceName(name: string): string {
  return NODE_ID.test(name) ? String(brokerIdOf(Number(name))) : name;
}

/**
 * @param value of `leader.replication.throttled.replicas` or its follower's counterpart: `*`, or
 *   `partition:broker` with commas between them
 * @returns the same with brokers' own ids
 */
export function brokerThrottledReplicas(value: string): string {
  return value
    .split(',')
    .map((item) => {
      const [partition, node = ''] = item.split(':');
      return NODE_ID.test(node.trim()) ? `${partition}:${brokerIdOf(Number(node))}` : item;
    })
    .join(',');
}

/** @returns the ids of the brokers behind the nodes, or null if the nodes are the brokers' own */
export function brokerIdsOf(nodeIds: readonly number[]): number[] | null {
  return nodeIds.some(isDisklessNodeId) ? nodeIds.map(brokerIdOf) : null;
}
