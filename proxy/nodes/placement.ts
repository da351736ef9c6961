/**
 * Which member serves what. A pure function of the live members and the broker ids: members that
 * know the same ones agree without talking, and those that do not yet are only less local.
 *
 * What a broker leads is cut into `slotCount` slots, alike in every rack, so that a WAL file, which
 * holds about one slot of each broker its writer serves, is read by few members of each rack. Slots
 * go to a rack's members by rendezvous hashing with bounded loads. Plain rendezvous would leave up
 * to a third of the members idle, because there are hardly more slots than members (measured: 33 %
 * of 50 members on 9 brokers). With the bound no two members of a rack differ by more than one
 * slot, and a member that comes or goes moves up to 1/n + 0.15 of them instead of 1/n (measured).
 */
import assert from 'node:assert/strict';
import { xxh64 } from '@node-rs/xxhash';

/** As much of a member as placement looks at. */
export interface PlacedMember {
  readonly memberId: number;
  readonly rack: string;
}

/** The member of each slot, for each broker. */
type Assignment = ReadonlyMap<number, readonly number[]>;

export class Placement {
  /** How many members of a rack share what one broker leads; at least 1. */
  readonly slotCount: number;
  readonly #brokerIds: readonly number[];
  readonly #racks: ReadonlyMap<string, RackAssignments>;
  /** For racks that have no members of their own. */
  readonly #everyone: RackAssignments;

  /**
   * @param members the live members, in any order, each id once
   * @param brokerIds the real brokers, in any order, each once
   */
  constructor(members: readonly PlacedMember[], brokerIds: readonly number[]) {
    this.#brokerIds = [...brokerIds].sort((a, b) => a - b);
    const idsByRack = new Map<string, number[]>();
    for (const { memberId, rack } of members) {
      const ids = idsByRack.get(rack);
      if (ids === undefined) idsByRack.set(rack, [memberId]);
      else ids.push(memberId);
    }
    // Racks may differ in size but must agree on slots, so the largest one decides.
    let rackMembersMax = 0;
    for (const ids of idsByRack.values()) rackMembersMax = Math.max(rackMembersMax, ids.length);
    this.slotCount = Math.max(1, Math.ceil(rackMembersMax / Math.max(1, brokerIds.length)));
    const assign = (ids: readonly number[]): RackAssignments => ({
      diskless: assignSlots('diskless', ids, this.#brokerIds, this.slotCount),
      classic: assignSlots('classic', ids, this.#brokerIds, 1),
    });
    this.#racks = new Map([...idsByRack].map(([rack, ids]) => [rack, assign(ids)]));
    this.#everyone = assign(members.map((member) => member.memberId));
  }

  /**
   * @param rack the client's
   * @returns the member of each slot of the broker; empty without members or for an unknown broker
   */
  disklessMembers(rack: string, brokerId: number): readonly number[] {
    return this.#rack(rack).diskless.get(brokerId) ?? [];
  }

  /**
   * @param rack the client's
   * @param brokerId the partition's leader
   * @returns the member whose diskless node serves the partition; undefined as above
   */
  disklessMember(
    rack: string,
    brokerId: number,
    topic: string,
    partition: number,
  ): number | undefined {
    return this.disklessMembers(rack, brokerId)[partitionSlot(topic, partition, this.slotCount)];
  }

  /**
   * @param rack the client's
   * @returns the member whose classic node stands for the broker; undefined as above
   */
  classicMember(rack: string, brokerId: number): number | undefined {
    return this.#rack(rack).classic.get(brokerId)?.[0];
  }

  #rack(rack: string): RackAssignments {
    return this.#racks.get(rack) ?? this.#everyone;
  }
}

interface RackAssignments {
  readonly diskless: Assignment;
  readonly classic: Assignment;
}

/**
 * Each slot takes the member with the highest score that has room. The room is exact: every member
 * gets the average number of slots rounded down, and as many as needed get one more.
 *
 * @param salt spreads one kind of node independently of the other
 * @param memberIds each once; their order is of no account
 * @param brokerIds ascending, so that all members fill up in the same order
 */
function assignSlots(
  salt: string,
  memberIds: readonly number[],
  brokerIds: readonly number[],
  slotCount: number,
): Assignment {
  const members = [...memberIds]
    .sort((a, b) => a - b)
    .map((memberId) => ({ memberId, hash: hash32(`${salt}/member/${memberId}`), slots: 0 }));
  const assignment = new Map<number, number[]>();
  if (members.length === 0) return assignment;
  const slotsTotal = brokerIds.length * slotCount;
  const slotsMin = Math.floor(slotsTotal / members.length);
  let extraSlots = slotsTotal % members.length;
  for (const brokerId of brokerIds) {
    const chosen: number[] = [];
    for (let slot = 0; slot < slotCount; slot++) {
      const slotHash = hash32(`${salt}/slot/${brokerId}/${slot}`);
      let best: (typeof members)[number] | undefined;
      let bestScore = -1;
      for (const member of members) {
        if (member.slots > slotsMin || (member.slots === slotsMin && extraSlots === 0)) continue;
        const score = mix32(member.hash ^ slotHash);
        if (score <= bestScore) continue;
        best = member;
        bestScore = score;
      }
      assert(best !== undefined, 'there is room for every slot');
      if (best.slots === slotsMin) extraSlots--;
      best.slots++;
      chosen.push(best.memberId);
    }
    assignment.set(brokerId, chosen);
  }
  return assignment;
}

/**
 * @returns the slot of a partition among its leader's, 0 to slotCount - 1, by jump consistent hash
 *   (Lamping and Veach 2014): one slot more moves only the partitions that it takes.
 */
export function partitionSlot(topic: string, partition: number, slotCount: number): number {
  if (slotCount === 1) return 0;
  let seed = hash32(`${topic}/${partition}`);
  let slot = -1;
  let next = 0;
  while (next < slotCount) {
    slot = next;
    seed = mix32(seed + 0x9e3779b9);
    next = Math.floor((slot + 1) / ((seed + 1) / 2 ** 32));
  }
  return slot;
}

function hash32(text: string): number {
  return Number(xxh64(text) & 0xffffffffn);
}

/** MurmurHash3's finalizer: every input bit reaches every output bit. @returns 0 to 2^32 - 1 */
function mix32(value: number): number {
  let mixed = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
