/**
 * Lists of what covers contiguous ranges of offsets, extents and segments alike: ascending, each
 * beginning where the one before it ends. Pure; nothing is changed in place.
 */

export interface OffsetRange {
  readonly startOffset: bigint;
  /** Exclusive. */
  readonly endOffset: bigint;
}

/**
 * @param by of ranges in any order
 * @returns the run in which ranges give way to others that cover the same offsets, or undefined
 *   unless both their ends are ends of ranges in it
 */
export function replaceRun<Range extends OffsetRange>(
  run: readonly Range[],
  by: readonly Range[],
): readonly Range[] | undefined {
  const replacement = [...by].sort(byStart);
  const start = replacement[0]?.startOffset;
  const end = replacement.at(-1)?.endOffset;
  if (start === undefined || end === undefined || !isRun(replacement)) return undefined;
  const first = run.findIndex((range) => range.startOffset === start);
  const last = run.findIndex((range) => range.endOffset === end);
  if (first === -1 || last < first) return undefined;
  return [...run.slice(0, first), ...replacement, ...run.slice(last + 1)];
}

/** @returns what lies below the offset and what does not; a range across it becomes two */
export function cutAt<Range extends OffsetRange>(
  run: readonly Range[],
  offset: bigint,
): { readonly below: readonly Range[]; readonly above: readonly Range[] } {
  const below: Range[] = [];
  const above: Range[] = [];
  for (const range of run) {
    if (range.startOffset < offset) {
      below.push(range.endOffset > offset ? { ...range, endOffset: offset } : range);
    }
    if (range.endOffset > offset) {
      above.push(range.startOffset < offset ? { ...range, startOffset: offset } : range);
    }
  }
  return { below, above };
}

function isRun(ranges: readonly OffsetRange[]): boolean {
  return ranges.every(
    ({ startOffset }, index) => index === 0 || ranges[index - 1]?.endOffset === startOffset,
  );
}

function byStart(left: OffsetRange, right: OffsetRange): number {
  return left.startOffset < right.startOffset ? -1 : 1;
}
