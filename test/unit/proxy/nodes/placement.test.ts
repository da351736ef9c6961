import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { Placement, partitionSlot, type PlacedMember } from '../../../../proxy/nodes/placement.ts';

const RACKS = ['a', 'b', 'c'];

const members = fc.uniqueArray(
  fc.record({ memberId: fc.nat({ max: 2045 }), rack: fc.constantFrom(...RACKS) }),
  { maxLength: 40, selector: (member) => member.memberId },
);
const brokerIds = fc.uniqueArray(fc.nat({ max: 5000 }), { minLength: 1, maxLength: 12 });
const partitions = fc.array(fc.tuple(fc.string({ minLength: 1 }), fc.nat({ max: 1000 })), {
  minLength: 1,
  maxLength: 20,
});

test('members that know the same members and brokers agree, in whatever order they know them', () => {
  fc.assert(
    fc.property(members, brokerIds, partitions, (live, brokers, keys) => {
      const one = new Placement(live, brokers);
      const other = new Placement(live.toReversed(), brokers.toReversed());
      expect(other.slotCount).toBe(one.slotCount);
      for (const rack of [...RACKS, 'nowhere']) {
        for (const broker of brokers) {
          expect(other.disklessMembers(rack, broker)).toEqual(one.disklessMembers(rack, broker));
          expect(other.classicMember(rack, broker)).toBe(one.classicMember(rack, broker));
          for (const [topic, partition] of keys) {
            expect(other.disklessMember(rack, broker, topic, partition)).toBe(
              one.disklessMember(rack, broker, topic, partition),
            );
          }
        }
      }
    }),
  );
});

test('every partition has one live member per rack, of that rack if it has any', () => {
  fc.assert(
    fc.property(members, brokerIds, partitions, (live, brokers, keys) => {
      const placement = new Placement(live, brokers);
      for (const rack of RACKS) {
        const own = live.filter((member) => member.rack === rack);
        const eligible = (own.length > 0 ? own : live).map((member) => member.memberId);
        for (const broker of brokers) {
          const classic = placement.classicMember(rack, broker);
          if (live.length === 0) expect(classic).toBeUndefined();
          else expect(eligible).toContain(classic);
          for (const [topic, partition] of keys) {
            const member = placement.disklessMember(rack, broker, topic, partition);
            if (live.length === 0) expect(member).toBeUndefined();
            else expect(eligible).toContain(member);
            const slot = partitionSlot(topic, partition, placement.slotCount);
            expect(placement.disklessMembers(rack, broker)[slot]).toBe(member);
          }
        }
      }
    }),
  );
});

test('slots are alike in all racks, and the largest rack has one for each member', () => {
  fc.assert(
    fc.property(members, brokerIds, (live, brokers) => {
      const placement = new Placement(live, brokers);
      const largest = Math.max(
        ...RACKS.map((rack) => live.filter((member) => member.rack === rack).length),
      );
      expect(placement.slotCount).toBe(Math.max(1, Math.ceil(largest / brokers.length)));
      if (live.length === 0) return;
      for (const rack of RACKS) {
        for (const broker of brokers) {
          expect(placement.disklessMembers(rack, broker)).toHaveLength(placement.slotCount);
        }
      }
    }),
  );
});

test('no two members of a rack differ by more than one slot', () => {
  fc.assert(
    fc.property(members, brokerIds, (live, brokers) => {
      const placement = new Placement(live, brokers);
      for (const rack of RACKS) {
        const own = live.filter((member) => member.rack === rack);
        if (own.length === 0) continue;
        const diskless = own.map(({ memberId }) => slotsOf(placement, rack, brokers, memberId));
        const classic = own.map(
          ({ memberId }) =>
            brokers.filter((broker) => placement.classicMember(rack, broker) === memberId).length,
        );
        for (const counts of [diskless, classic]) {
          expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
        }
      }
    }),
  );
});

test('a new member takes little more than its share', () => {
  const brokers = Array.from({ length: 100 }, (_, index) => index);
  let movedCount = 0;
  let slotCount = 0;
  for (let trial = 0; trial < 50; trial++) {
    const live = rackOf(20, trial * 100);
    const before = new Placement(live, brokers);
    const after = new Placement([...live, { memberId: trial * 100 + 20, rack: 'a' }], brokers);
    for (const broker of brokers) {
      const then = before.disklessMembers('a', broker);
      const now = after.disklessMembers('a', broker);
      slotCount += then.length;
      movedCount += then.filter((member, slot) => now[slot] !== member).length;
    }
  }
  const movedRatio = movedCount / slotCount;
  expect(movedRatio).toBeGreaterThan(0.9 / 21);
  expect(movedRatio).toBeLessThan(1 / 21 + 0.15);
});

test('one slot more moves only the partitions that the new slot takes', () => {
  fc.assert(
    fc.property(
      fc.string({ minLength: 1 }),
      fc.nat({ max: 10_000 }),
      fc.integer({ min: 1, max: 64 }),
      (topic, partition, slotCount) => {
        const before = partitionSlot(topic, partition, slotCount);
        const after = partitionSlot(topic, partition, slotCount + 1);
        expect(before).toBeGreaterThanOrEqual(0);
        expect(before).toBeLessThan(slotCount);
        expect([before, slotCount]).toContain(after);
      },
    ),
  );
});

test('partitions spread evenly over slots', () => {
  const counts = Array.from({ length: 7 }, () => 0);
  for (let partition = 0; partition < 7000; partition++) {
    const slot = partitionSlot('orders', partition, 7);
    counts[slot] = (counts[slot] ?? 0) + 1;
  }
  for (const count of counts) {
    expect(count).toBeGreaterThan(850);
    expect(count).toBeLessThan(1150);
  }
});

test('a broker that placement was not told of has no member', () => {
  const placement = new Placement(rackOf(3, 0), [1, 2]);
  expect(placement.disklessMembers('a', 3)).toEqual([]);
  expect(placement.disklessMember('a', 3, 'orders', 0)).toBeUndefined();
  expect(placement.classicMember('a', 3)).toBeUndefined();
});

function rackOf(count: number, firstId: number): PlacedMember[] {
  return Array.from({ length: count }, (_, index) => ({ memberId: firstId + index, rack: 'a' }));
}

function slotsOf(
  placement: Placement,
  rack: string,
  brokers: readonly number[],
  memberId: number,
): number {
  return brokers
    .flatMap((broker) => placement.disklessMembers(rack, broker))
    .filter((id) => id === memberId).length;
}
