/**
 * Ids of virtual nodes. A classic node keeps its broker's id; a diskless node has the member and
 * the broker in its id, so that any member can tell from an id alone which broker is meant.
 */
import { checkMemberId, MEMBER_ID_MAX } from '../../coordinator/index.ts';
import { proxyError } from '../errors.ts';

const BROKER_BITS = 20;
/** Broker ids from here up cannot be told from diskless node ids. */
export const BROKER_ID_END = 2 ** BROKER_BITS;
const DISKLESS_NODE_ID_END = (MEMBER_ID_MAX + 2) * BROKER_ID_END;

/** What a diskless node id is made of. */
export interface DisklessNode {
  readonly memberId: number;
  readonly brokerId: number;
}

/**
 * @returns `((memberId + 1) << 20) + brokerId`, an int32 of 2^20 or more
 * @throws `PROXY_BROKER_ID_UNSUPPORTED`, `COORDINATOR_MEMBER_ID_INVALID`
 */
export function disklessNodeId(memberId: number, brokerId: number): number {
  checkMemberId(memberId);
  checkBrokerId(brokerId);
  return (memberId + 1) * BROKER_ID_END + brokerId;
}

/** @returns what the id is made of; undefined if it is a broker's own id, or none at all (-1) */
export function parseDisklessNodeId(nodeId: number): DisklessNode | undefined {
  if (!isDisklessNodeId(nodeId)) return undefined;
  return {
    memberId: Math.floor(nodeId / BROKER_ID_END) - 1,
    brokerId: nodeId % BROKER_ID_END,
  };
}

/** @returns whether a member runs the node for diskless partitions */
export function isDisklessNodeId(nodeId: number): boolean {
  return nodeId >= BROKER_ID_END && nodeId < DISKLESS_NODE_ID_END;
}

/** @returns the real broker's id behind any node id; one that is not diskless stays as it is */
export function brokerIdOf(nodeId: number): number {
  return isDisklessNodeId(nodeId) ? nodeId % BROKER_ID_END : nodeId;
}

/** @throws `PROXY_BROKER_ID_UNSUPPORTED` unless it is an integer from 0 to 2^20 - 1 */
export function checkBrokerId(brokerId: number): void {
  if (Number.isInteger(brokerId) && brokerId >= 0 && brokerId < BROKER_ID_END) return;
  throw proxyError(
    'PROXY_BROKER_ID_UNSUPPORTED',
    `Broker id ${brokerId} is not supported: diskless node ids leave ids below ${BROKER_ID_END}.`,
    { details: { brokerId } },
  );
}
