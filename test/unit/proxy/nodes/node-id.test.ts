import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { MEMBER_ID_MAX } from '../../../../coordinator/index.ts';
import { hasCode } from '../../../../kafka/index.ts';
import {
  BROKER_ID_END,
  brokerIdOf,
  checkBrokerId,
  disklessNodeId,
  isDisklessNodeId,
  parseDisklessNodeId,
} from '../../../../proxy/nodes/node-id.ts';

const INT32_MAX = 2 ** 31 - 1;

test('every member and broker pair comes back from its node id', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: MEMBER_ID_MAX }),
      fc.integer({ min: 0, max: BROKER_ID_END - 1 }),
      (memberId, brokerId) => {
        const nodeId = disklessNodeId(memberId, brokerId);
        expect(nodeId).toBe(((memberId + 1) << 20) + brokerId);
        expect(nodeId).toBeLessThanOrEqual(INT32_MAX);
        expect(isDisklessNodeId(nodeId)).toBe(true);
        expect(parseDisklessNodeId(nodeId)).toEqual({ memberId, brokerId });
        expect(brokerIdOf(nodeId)).toBe(brokerId);
      },
    ),
  );
});

test('a broker id, a missing one and one that Java clients form are not diskless', () => {
  // Java connects to coordinators under 2^31 - 1 - id; those never come over the wire.
  for (const nodeId of [-1, 0, 7, BROKER_ID_END - 1, INT32_MAX, INT32_MAX - 7]) {
    expect(isDisklessNodeId(nodeId)).toBe(false);
    expect(parseDisklessNodeId(nodeId)).toBeUndefined();
    expect(brokerIdOf(nodeId)).toBe(nodeId);
  }
});

test('ids out of bounds are refused with a code', () => {
  const codeOf = (call: () => unknown): unknown => {
    try {
      call();
      return 'nothing thrown';
    } catch (error) {
      return hasCode(error, 'PROXY_BROKER_ID_UNSUPPORTED') ||
        hasCode(error, 'COORDINATOR_MEMBER_ID_INVALID')
        ? error.code
        : error;
    }
  };
  for (const memberId of [-1, MEMBER_ID_MAX + 1, 1.5, Number.NaN]) {
    expect(codeOf(() => disklessNodeId(memberId, 1))).toBe('COORDINATOR_MEMBER_ID_INVALID');
  }
  for (const brokerId of [-1, BROKER_ID_END, 0.5, Number.NaN]) {
    expect(codeOf(() => disklessNodeId(0, brokerId))).toBe('PROXY_BROKER_ID_UNSUPPORTED');
    expect(codeOf(() => checkBrokerId(brokerId))).toBe('PROXY_BROKER_ID_UNSUPPORTED');
  }
});
