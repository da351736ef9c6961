/**
 * Members as Redis keeps them: who (an incarnation, because a member id outlives processes), how
 * often it was heard, and the record as JSON, which operators can read and newer versions extend.
 */
import { z } from 'zod';
import type { MemberRecord } from './coordinator.ts';
import { MEMBER_ID_MAX } from './member-id.ts';
import { malformed, Unpacker } from './packing.ts';

export const INCARNATION_BYTES = 8;

const port = z.int().min(0).max(65_535);
const memberRecord = z.object({
  memberId: z.int().min(0).max(MEMBER_ID_MAX),
  rack: z.string(),
  host: z.string(),
  bootstrapPort: port,
  nodes: z.array(z.object({ brokerId: z.int().min(0), classicPort: port, disklessPort: port })),
  startedAtMs: z.number(),
  version: z.string(),
  formatLevel: z.int(),
});

/** A member as beat-member.lua stores it. */
export interface HeldMember {
  readonly incarnation: Buffer;
  /** Grows with each heartbeat: if it does not, the process may be dead. */
  readonly beat: number;
  readonly record: MemberRecord;
}

/** @returns what `parseMemberRecord` reads */
export function formatMemberRecord(record: MemberRecord): Buffer {
  return Buffer.from(JSON.stringify(record), 'utf8');
}

/** @throws `COORDINATOR_RECORD_MALFORMED` */
export function parseMemberRecord(json: Buffer): MemberRecord {
  try {
    return memberRecord.parse(JSON.parse(json.toString('utf8')));
  } catch (error) {
    throw malformed('not a member record', error);
  }
}

/** @throws `COORDINATOR_RECORD_MALFORMED` */
export function parseHeldMember(value: Buffer): HeldMember {
  const unpacker = new Unpacker(value);
  return {
    incarnation: unpacker.bytes(INCARNATION_BYTES),
    beat: unpacker.u32(),
    record: parseMemberRecord(unpacker.rest()),
  };
}
