/**
 * The bounds of a member id. They come from Kafka's int32 node ids, see `proxy/nodes/node-id.ts`.
 */
import { coordinatorError } from './errors.ts';

/** Keeps diskless node ids, and the 2^31-1 minus id that Java clients form, within int32. */
export const MEMBER_ID_MAX = 2045;

/** @throws `COORDINATOR_MEMBER_ID_INVALID` unless it is an integer from 0 to 2045 */
export function checkMemberId(memberId: number): void {
  if (Number.isInteger(memberId) && memberId >= 0 && memberId <= MEMBER_ID_MAX) return;
  throw coordinatorError(
    'COORDINATOR_MEMBER_ID_INVALID',
    `A member id is an integer from 0 to ${MEMBER_ID_MAX}, not ${memberId}.`,
    { details: { memberId } },
  );
}
