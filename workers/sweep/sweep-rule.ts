/**
 * The sweep rule (DESIGN §9): whether a WAL file may be deleted. A pure function of facts, each of
 * which names its source, because sources differ in what they may be wrong about:
 *
 * - Redis may forget, fall back in time, or be two for a while. It tells a file's settled number, and
 *   in which range it counts now. What it does not tell keeps a file the longer.
 * - The journals are the truth about `asOf`. A partition that they do not know keeps the file.
 * - Brokers say which topic has a name now. Only all of them together say that none has it.
 * - Clocks only ever keep: every clock must have seen the time pass, and no time passed is enough.
 *
 * What it rests on, and cannot see: no broker appends a request later than `unsettledMs` after its
 * file was made; and what was lost in an election does not come back in a later one, which an
 * unclean election of a broker that never followed its successor would do.
 */
import { settledRange } from '../../coordinator/index.ts';

/** Of one of the partitions that a file names, by the topic that has the name now. */
export type PartitionFact =
  /** `asOf` as the journal has it; null or undefined if it proves nothing, or knows it not. */
  | { readonly kind: 'present'; readonly asOf: number | null | undefined }
  /** All live brokers deny it, and have for so long, by each of the clocks. */
  | { readonly kind: 'absent'; readonly forMs: readonly number[] }
  /** Neither is certain. */
  | { readonly kind: 'unknown' };

export interface FileFacts {
  /** Undefined for a file that Redis does not know to be settled. */
  readonly settledNumber: number | undefined;
  /**
   * The range in which the same Redis counts now; undefined while it cannot vouch for its count.
   */
  readonly countingIn: number | undefined;
  /** Since the file was made, by each of the clocks that were asked. */
  readonly agesMs: readonly number[];
  readonly partitions: readonly PartitionFact[];
}

export interface SweepTimes {
  /** A file that is not needed is kept so long all the same, for readers that have begun. */
  readonly marginMs: number;
  /** No broker appends a request that is older. */
  readonly unsettledMs: number;
  /** A topic is gone when all brokers have denied it for so long. */
  readonly absentMs: number;
}

export type KeepReason =
  /** The margin is not over. */
  | 'young'
  /** A broker may still append placeholders of it. */
  | 'unsettled'
  /** A partition's data may not be in merged files yet. */
  | 'not-merged'
  /** Brokers disagree, or did not all answer, about a partition. */
  | 'uncertain'
  /** A topic has not been gone for long enough. */
  | 'just-deleted';

export type Verdict =
  | { readonly kind: 'delete' }
  /** It counts as settled from now on, and has to pass the same test as the others. */
  | { readonly kind: 'abandon' }
  /** `waitsFor`: indexes of the partitions that keep it, for which samples should be asked. */
  | { readonly kind: 'keep'; readonly reason: KeepReason; readonly waitsFor: readonly number[] };

/** @returns what is to become of the file */
export function decideSweep(facts: FileFacts, times: SweepTimes): Verdict {
  const { settledNumber, partitions } = facts;
  if (settledNumber === undefined) {
    const isOver = haveAllPassed(facts.agesMs, times.unsettledMs);
    return isOver ? { kind: 'abandon' } : keep('unsettled');
  }
  if (!haveAllPassed(facts.agesMs, times.marginMs)) return keep('young');
  const reasons = partitions.map((fact) => {
    return whatKeeps(fact, settledNumber, facts.countingIn, times);
  });
  const waitsFor = [...reasons.keys()].filter((index) => reasons[index] === 'not-merged');
  const reason = waitsFor.length > 0 ? 'not-merged' : reasons.find((each) => each !== undefined);
  return reason === undefined ? { kind: 'delete' } : keep(reason, waitsFor);
}

/**
 * Numbers of one range were counted one after the other. A number of an older range is below one of
 * a newer range only as seen by the Redis that counts in the newer one: what it knows of the older
 * it knew before it began. A Redis that was deposed may go on counting in the older range
 * meanwhile.
 *
 * @returns whether all placeholders of the file lay below the log end that was sampled
 */
export function isAsOf(
  asOf: number,
  settledNumber: number,
  countingIn: number | undefined,
): boolean {
  const sampledIn = settledRange(asOf);
  const isComparable = sampledIn === settledRange(settledNumber) || sampledIn === countingIn;
  return isComparable && asOf >= settledNumber;
}

function whatKeeps(
  fact: PartitionFact,
  settledNumber: number,
  countingIn: number | undefined,
  times: SweepTimes,
): KeepReason | undefined {
  if (fact.kind === 'unknown') return 'uncertain';
  if (fact.kind === 'absent') {
    return haveAllPassed(fact.forMs, times.absentMs) ? undefined : 'just-deleted';
  }
  const asOf = fact.asOf ?? undefined;
  const isMerged = asOf !== undefined && isAsOf(asOf, settledNumber, countingIn);
  return isMerged ? undefined : 'not-merged';
}

/** @returns false without any clock */
function haveAllPassed(passedMs: readonly number[], ms: number): boolean {
  return passedMs.length > 0 && passedMs.every((passed) => passed >= ms);
}

function keep(reason: KeepReason, waitsFor: readonly number[] = []): Verdict {
  return { kind: 'keep', reason, waitsFor };
}
