/**
 * When a merge may say "as of": the half of the sweep rule (DESIGN §9) that is decided where logs
 * are read. Pure; `sweep-rule.ts` is the other half, and one model check drives both.
 */

/** Taken in this order: first the settled count was read, then the log end at the leader. */
export interface SettledSample {
  readonly count: number;
  /** That the log end was asked for, and that every broker confirmed afterwards. */
  readonly leaderEpoch: number;
  readonly endOffset: bigint;
}

/** How far a partition is merged once the entry at hand is committed. */
export interface MergedUpTo {
  readonly cursor: bigint;
  /**
   * Under which the log was read on from the last merged batch, and that batch was found to be
   * there; undefined if it was not.
   */
  readonly leaderEpoch: number | undefined;
}

/**
 * Everything that was in the log when it was sampled is merged: all placeholders of all files that
 * were settled by then. Under another epoch the log may have lost what was merged, and have got
 * other batches in its place, below the same end.
 *
 * @param asOf of the partition, null for none; it never goes back
 * @returns whether the entry may carry the sample
 */
export function provesAsOf(
  sample: SettledSample,
  merged: MergedUpTo,
  asOf: number | null,
): boolean {
  const isSameLog = merged.leaderEpoch === sample.leaderEpoch;
  return isSameLog && merged.cursor >= sample.endOffset && sample.count >= (asOf ?? 0);
}
