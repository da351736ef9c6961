import { expect, test } from 'vitest';
import type { MemberRecord } from '../../../../coordinator/index.ts';
import type { Broker } from '../../../../kafka/index.ts';
import { NodeDirectory } from '../../../../proxy/nodes/node-directory.ts';
import { brokerIdOf, parseDisklessNodeId } from '../../../../proxy/nodes/node-id.ts';
import { broker, directoryOf, member } from '../../../support/members.ts';

const IDS = [1, 2, 3];
const BROKERS = IDS.map(broker);

test('a lone member stands for every broker, under the ids and racks of the brokers', () => {
  const directory = directoryOf([member(0, '', IDS)], BROKERS);
  expect(directory.brokers('')).toEqual([
    { nodeId: 1, host: 'proxy-0', port: 19_100, rack: 'rack-of-1' },
    { nodeId: 2, host: 'proxy-0', port: 19_102, rack: 'rack-of-2' },
    { nodeId: 3, host: 'proxy-0', port: 19_104, rack: 'rack-of-3' },
  ]);
  expect(directory.disklessNodes('')).toEqual([
    { nodeId: (1 << 20) + 1, host: 'proxy-0', port: 19_101, rack: null },
    { nodeId: (1 << 20) + 2, host: 'proxy-0', port: 19_103, rack: null },
    { nodeId: (1 << 20) + 3, host: 'proxy-0', port: 19_105, rack: null },
  ]);
  expect(directory.leaderOf('', 2, 'topic', 0)).toBe((1 << 20) + 2);
  expect(directory.addressOf('', 2)?.port).toBe(19_102);
  expect(directory.addressOf('', (1 << 20) + 2)?.port).toBe(19_103);
});

test('clients of a rack are sent to its members only, and every node has an address', () => {
  const members = [0, 1, 2, 3, 4, 5].map((id) => member(id, id % 2 === 0 ? 'a' : 'b', IDS));
  const [first, ...rest] = members;
  if (first === undefined) return;
  const directory = directoryOf([first, ...rest], BROKERS);
  for (const [rack, parity] of [
    ['a', 0],
    ['b', 1],
  ] as const) {
    for (const brokerId of IDS) {
      for (let partition = 0; partition < 20; partition++) {
        const leader = directory.leaderOf(rack, brokerId, 'topic', partition);
        expect(brokerIdOf(leader)).toBe(brokerId);
        expect((parseDisklessNodeId(leader)?.memberId ?? -1) % 2).toBe(parity);
        expect(directory.addressOf(rack, leader)).toBeDefined();
        expect(directory.disklessNodes(rack).map(({ nodeId }) => nodeId)).toContain(leader);
      }
      expect(Number(directory.classicAddress(rack, brokerId)?.host.slice(6)) % 2).toBe(parity);
    }
  }
});

test('with more members than brokers a broker has several nodes, and all are used', () => {
  const members = [0, 1, 2, 3, 4, 5].map((id) => member(id, 'a', IDS));
  const [first, ...rest] = members;
  if (first === undefined) return;
  const directory = directoryOf([first, ...rest], BROKERS);
  expect(directory.disklessNodes('a')).toHaveLength(6);
  const leaders = new Set<number>();
  for (let partition = 0; partition < 100; partition++) {
    leaders.add(directory.leaderOf('a', 1, 'topic', partition));
  }
  expect(leaders.size).toBe(2);
});

test('members that know the same of each other answer alike', () => {
  const one = member(3, 'a', IDS);
  const two = member(8, 'a', IDS);
  const directories = [directoryOf([one, two], BROKERS), directoryOf([two, one], BROKERS)];
  const answers = directories.map((directory) => [
    directory.brokers('a'),
    directory.disklessNodes('a'),
    IDS.map((brokerId) => directory.leaderOf('a', brokerId, 'topic', 5)),
  ]);
  expect(answers[0]).toEqual(answers[1]);
});

test('the rack in a client id counts if a member is there, whatever clients add to the id', () => {
  const directory = directoryOf([member(0, 'a', IDS), member(1, 'eu-west-1b', IDS)], BROKERS);
  expect(directory.rackOf(null)).toBe('a');
  expect(directory.rackOf('app')).toBe('a');
  expect(directory.rackOf('app,diskless_az=eu-west-1b')).toBe('eu-west-1b');
  expect(directory.rackOf('diskless_az=eu-west-1b,app')).toBe('eu-west-1b');
  expect(directory.rackOf('app|diskless_az=eu-west-1b-StreamThread-1')).toBe('eu-west-1b');
  expect(directory.rackOf('app diskless_az=elsewhere')).toBe('a');
  expect(directory.rackOf('app,diskless_az=')).toBe('a');
  expect(directory.rackOf('notdiskless_az=eu-west-1b')).toBe('a');
});

test('a broker that is down is not listed, and the partitions of the others stay', () => {
  const members = [member(0, 'a', IDS), member(1, 'a', IDS)] as const;
  let live: Broker[] = BROKERS;
  const directory = new NodeDirectory({
    self: () => members[0],
    members: () => members,
    brokers: () => live,
  });
  const before = [1, 3].map((brokerId) => directory.leaderOf('a', brokerId, 'topic', 0));
  live = BROKERS.filter(({ id }) => id !== 2);
  directory.refresh();
  expect(directory.brokers('a').map(({ nodeId }) => nodeId)).toEqual([1, 3]);
  expect(
    directory
      .disklessNodes('a')
      .map(({ nodeId }) => brokerIdOf(nodeId))
      .sort((a, b) => a - b),
  ).toEqual([1, 3]);
  expect([1, 3].map((brokerId) => directory.leaderOf('a', brokerId, 'topic', 0))).toEqual(before);
});

test('while the chosen member has not opened a node, another one stands in', () => {
  const old = member(1, 'a', IDS);
  for (const self of [member(0, 'a', [...IDS, 4]), member(0, 'b', [...IDS, 4])]) {
    const directory = directoryOf([self, old], [...BROKERS, broker(4)]);
    expect(directory.classicAddress('a', 4)).toEqual({ host: 'proxy-0', port: 19_106 });
    expect(directory.leaderOf('a', 4, 'topic', 0)).toBe((1 << 20) + 4);
  }
});

test('a broker that no member has a node for has no address, and its own id as leader', () => {
  const directory = directoryOf([member(0, 'a', IDS)], [...BROKERS, broker(4)]);
  expect(directory.classicAddress('a', 4)).toBeUndefined();
  expect(directory.addressOf('a', 4)).toBeUndefined();
  expect(directory.brokers('a')).toHaveLength(3);
  expect(directory.leaderOf('a', 4, 'topic', 0)).toBe(4);
});

test('a member that is not among the known ones counts itself', () => {
  const self: MemberRecord = member(5, 'a', IDS);
  const directory = new NodeDirectory({
    self: () => self,
    members: () => [],
    brokers: () => BROKERS,
  });
  expect(directory.brokers('a')).toHaveLength(3);
});
