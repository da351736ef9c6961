/**
 * The small cluster that the sweep rule is checked in: one partition `t-0`, two brokers that hold it
 * and a third that only has an opinion, a few WAL files of one batch each, Redis, the journal,
 * merge workers and a sweeper. Plain immutable values: equal states have equal JSON.
 */

/** A batch in a log: whose file it points into, and the leader epoch it was appended under. */
export interface Entry {
  readonly file: number;
  readonly epoch: number;
}

export interface WalFile {
  readonly object: 'none' | 'there' | 'deleted';
  /** The request with its placeholder; a number: at that broker, which has not looked at it yet. */
  readonly request: 'unsent' | number | 'appended' | 'dropped';
  /** What its member waits for; `gone`: the member died, or its connection was cut off. */
  readonly member: 'waiting' | 'answered' | 'gone';
  /** Whether `sweep.unsettled.ms` are over. */
  readonly isOld: boolean;
}

/** As the broker that leads has it, or one that led and does not know better. */
export interface Replica {
  readonly log: readonly Entry[];
  readonly highWatermark: number;
}

/** The number of a settled file, in parts. */
export interface Counted {
  readonly range: number;
  readonly count: number;
}

export interface Redis {
  readonly counting: Counted;
  /** By file. */
  readonly records: readonly ('unknown' | 'unsettled' | Counted)[];
}

/** What the journal says of the partition of one topic id. */
export interface JournalPartition {
  readonly version: number;
  /** Null until something was merged. */
  readonly known: null | {
    readonly start: number;
    readonly merged: readonly Entry[];
    readonly asOf: Counted | null;
  };
}

export interface SampleInHand {
  readonly count: Counted;
  readonly leaderEpoch: number;
  readonly endOffset: number;
}

export interface Worker {
  readonly at: 'idle' | 'counted' | 'sampled' | 'confirmed' | 'read';
  readonly topic: number;
  /** Of the journal when the run began. */
  readonly version: number;
  readonly count: Counted | null;
  readonly sample: SampleInHand | null;
  readonly batches: readonly Entry[];
  /** Under which what was read goes on from what was merged. */
  readonly readEpoch: number | null;
}

export interface Sweeper {
  readonly at: 'idle' | 'asked-redis' | 'decided';
  readonly file: number;
  readonly record: 'unknown' | 'unsettled' | Counted;
  readonly countingIn: number;
}

/** Faults that may still happen. */
export interface Budget {
  readonly elections: number;
  readonly uncleanElections: number;
  readonly deaths: number;
  readonly cutConnections: number;
  readonly redisFaults: number;
  readonly redisForks: number;
  readonly deletions: number;
  readonly marks: number;
}

export interface State {
  readonly files: readonly WalFile[];
  /** The controller's; brokers lead in turns, 0 in even epochs. */
  readonly epoch: number;
  /** The newest epoch that each of the three brokers knows. */
  readonly views: readonly number[];
  readonly replicas: readonly Replica[];
  /** 0 while no topic has the name, else the id of the one that has it. */
  readonly topic: number;
  /** What the third broker knows of that; the first two learn of it at once. */
  readonly topicView: number;
  /** Whether all brokers have denied the name for a day. */
  readonly isLongGone: boolean;
  /** In the topic's record; null while the topic is not diskless. */
  readonly isMarked: boolean;
  readonly startOffset: number | null;
  /** Two while an old master does not know that it was deposed; the last one is the new one. */
  readonly redis: readonly Redis[];
  /** By topic id - 1. */
  readonly journals: readonly JournalPartition[];
  readonly workers: readonly Worker[];
  readonly sweeper: Sweeper;
  readonly budget: Budget;
}

export interface Step {
  readonly label: string;
  readonly next: State;
  /** Faults, and new work: what the system does not need in order to come to an end. */
  readonly isFault: boolean;
}

export const IDLE_WORKER: Worker = {
  at: 'idle',
  topic: 0,
  version: 0,
  count: null,
  sample: null,
  batches: [],
  readEpoch: null,
};
export const IDLE_SWEEPER: Sweeper = {
  at: 'idle',
  file: 0,
  record: 'unknown',
  countingIn: 0,
};

/** Who leads in an epoch. */
export function leaderIn(epoch: number): number {
  return epoch % 2;
}

/** @returns the list with one item replaced */
export function replaced<Item>(items: readonly Item[], index: number, by: Item): readonly Item[] {
  return items.map((item, at) => (at === index ? by : item));
}

/** @returns the item, which is there */
export function at<Item>(items: readonly Item[], index: number): Item {
  const item = items[index];
  if (item === undefined) throw new Error(`there is no item ${index}`);
  return item;
}

export function isSameEntry(left: Entry | undefined, right: Entry | undefined): boolean {
  return left?.file === right?.file && left?.epoch === right?.epoch;
}
