/** Members and directories as tests of nodes and handlers need them. */
import type { MemberRecord } from '../../coordinator/index.ts';
import type { Broker } from '../../kafka/index.ts';
import { NodeDirectory } from '../../proxy/nodes/node-directory.ts';

/** @returns a member on host `proxy-ID` with nodes from port `19100 + 100 * ID` on */
export function member(memberId: number, rack: string, brokerIds: readonly number[]): MemberRecord {
  const first = 19_100 + 100 * memberId;
  return {
    memberId,
    rack,
    host: `proxy-${memberId}`,
    bootstrapPort: 19_092,
    nodes: brokerIds.map((brokerId, index) => ({
      brokerId,
      classicPort: first + 2 * index,
      disklessPort: first + 2 * index + 1,
    })),
    startedAtMs: 0,
    version: '0',
    formatLevel: 1,
  };
}

/** @returns a broker on the host `real-ID`, which no client may ever see */
export function broker(id: number): Broker {
  return { id, host: `real-${id}`, port: 9092, rack: `rack-of-${id}` };
}

/** @returns the directory of the first member */
export function directoryOf(
  members: readonly [MemberRecord, ...MemberRecord[]],
  brokers: readonly Broker[],
): NodeDirectory {
  return new NodeDirectory({
    self: () => members[0],
    members: () => members,
    brokers: () => brokers,
  });
}
