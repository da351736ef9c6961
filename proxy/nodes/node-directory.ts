/**
 * Which address a client is given for which node. Knows the members, their nodes, the brokers and
 * the placement, and answers from a snapshot of them without waiting. Members that know the same of
 * each other answer alike; those that do not yet send clients to nodes that work just as well.
 *
 * Addresses of real brokers never leave here.
 */
import type { MemberRecord } from '../../coordinator/index.ts';
import type { Broker } from '../../kafka/index.ts';
import { disklessNodeId, parseDisklessNodeId } from './node-id.ts';
import { partitionSlot, Placement } from './placement.ts';

export interface NodeAddress {
  readonly host: string;
  readonly port: number;
}

/** A node as clients are told of it. */
export interface DirectoryNode extends NodeAddress {
  readonly nodeId: number;
  readonly rack: string | null;
}

export interface NodeDirectoryOptions {
  /** This member's own record, as it is announced to the others. */
  readonly self: () => MemberRecord;
  /** The members that are alive; this one need not be among them. */
  readonly members: () => readonly MemberRecord[];
  /** The brokers that are alive. */
  readonly brokers: () => readonly Broker[];
}

/** What the clients of one rack are told. */
interface RackView {
  readonly brokers: readonly DirectoryNode[];
  readonly disklessNodes: readonly DirectoryNode[];
  readonly classicAddresses: ReadonlyMap<number, NodeAddress>;
  /** The diskless node of each slot, for each broker. */
  readonly slots: ReadonlyMap<number, readonly number[]>;
}

/** The convention of Inkless: `client.id` may carry the client's rack among other things. */
const CLIENT_RACK = /(?:^|[ ,|])diskless_az=([^=,| ]*)/;

export class NodeDirectory {
  readonly #options: NodeDirectoryOptions;
  #members: ReadonlyMap<number, MemberRecord> = new Map();
  #racks: ReadonlySet<string> = new Set();
  #placement = new Placement([], []);
  readonly #views = new Map<string, RackView>();

  constructor(options: NodeDirectoryOptions) {
    this.#options = options;
    this.refresh();
  }

  /** To be called whenever members or brokers came, went or changed. */
  refresh(): void {
    const self = this.#options.self();
    const members = new Map(this.#options.members().map((member) => [member.memberId, member]));
    members.set(self.memberId, self);
    this.#members = members;
    this.#racks = new Set([...members.values()].map((member) => member.rack));
    // From the members' records, not from what this member sees of the cluster at the moment: a
    // broker that restarts must not move the partitions of the others.
    const brokerIds = new Set<number>();
    for (const { nodes } of members.values()) {
      for (const { brokerId } of nodes) brokerIds.add(brokerId);
    }
    this.#placement = new Placement([...members.values()], [...brokerIds]);
    this.#views.clear();
  }

  /**
   * @returns the rack that the client names in its id if a member is in it, else this member's own.
   *   Clients that add a suffix to the id are recognised by what is left without it.
   */
  rackOf(clientId: string | null): string {
    let rack = clientId === null ? undefined : CLIENT_RACK.exec(clientId)?.[1];
    while (rack !== undefined && rack !== '') {
      if (this.#racks.has(rack)) return rack;
      rack = rack.slice(0, Math.max(0, rack.lastIndexOf('-')));
    }
    return this.#options.self().rack;
  }

  /** @returns the classic nodes of the live brokers, under the brokers' ids and racks */
  brokers(rack: string): readonly DirectoryNode[] {
    return this.#view(rack).brokers;
  }

  /** @returns all diskless nodes that clients of the rack may be sent to, those of live brokers */
  disklessNodes(rack: string): readonly DirectoryNode[] {
    return this.#view(rack).disklessNodes;
  }

  /** @returns the address of the broker's classic node; undefined if no member has one yet */
  classicAddress(rack: string, brokerId: number): NodeAddress | undefined {
    return this.#view(rack).classicAddresses.get(brokerId);
  }

  /**
   * @returns the id of the node that stands for the leader of a diskless partition: the broker's
   *   own if no member has a diskless node for it yet, which serves the partition just as well
   */
  leaderOf(rack: string, brokerId: number, topic: string, partition: number): number {
    const slots = this.#view(rack).slots.get(brokerId) ?? [];
    if (slots.length === 0) return brokerId;
    return slots[partitionSlot(topic, partition, slots.length)] ?? brokerId;
  }

  /**
   * @returns where any node is reached, classic or diskless, with its rack; undefined if unknown
   */
  addressOf(rack: string, nodeId: number): DirectoryNode | undefined {
    const { brokers, disklessNodes } = this.#view(rack);
    const isDiskless = parseDisklessNodeId(nodeId) !== undefined;
    return (isDiskless ? disklessNodes : brokers).find((node) => node.nodeId === nodeId);
  }

  #view(rack: string): RackView {
    const known = this.#views.get(rack);
    if (known !== undefined) return known;
    const view = this.#build(rack);
    this.#views.set(rack, view);
    return view;
  }

  #build(rack: string): RackView {
    const live = this.#options.brokers();
    const classicAddresses = new Map<number, NodeAddress>();
    const slots = new Map<number, readonly number[]>();
    const diskless = new Map<number, DirectoryNode>();
    for (const { id } of live) {
      const classic = this.#nodesOf(id, this.#placement.classicMember(rack, id), rack);
      if (classic !== undefined) {
        classicAddresses.set(id, { host: classic.host, port: classic.classicPort });
      }
      const nodeIds: number[] = [];
      for (const memberId of this.#placement.disklessMembers(rack, id)) {
        const node = this.#nodesOf(id, memberId, rack);
        if (node === undefined) continue;
        const nodeId = disklessNodeId(node.memberId, id);
        nodeIds.push(nodeId);
        const { host, disklessPort: port } = node;
        diskless.set(nodeId, { nodeId, host, port, rack: rack === '' ? null : rack });
      }
      slots.set(id, nodeIds);
    }
    const brokers = live.flatMap(({ id, rack: brokerRack }) => {
      const address = classicAddresses.get(id);
      return address === undefined ? [] : [{ nodeId: id, ...address, rack: brokerRack }];
    });
    return { brokers, disklessNodes: [...diskless.values()], classicAddresses, slots };
  }

  /**
   * The nodes for a broker on the member that was chosen for it, or on another one, of the rack if
   * possible, while that member has not opened them: it has not heard of the broker yet.
   */
  #nodesOf(brokerId: number, chosen: number | undefined, rack: string): MemberNodes | undefined {
    let found: MemberNodes | undefined;
    for (const { memberId, host, nodes, rack: memberRack } of this.#members.values()) {
      const node = nodes.find((candidate) => candidate.brokerId === brokerId);
      if (node === undefined) continue;
      if (memberId === chosen) return { memberId, host, ...node };
      if (found === undefined || memberRack === rack) found = { memberId, host, ...node };
    }
    return found;
  }
}

/** Both nodes of a member for one broker. */
interface MemberNodes {
  readonly memberId: number;
  readonly host: string;
  readonly classicPort: number;
  readonly disklessPort: number;
}
