/** Where each record is, by two ways: reading the entries as a person would, and as readers do. */
import { expect } from 'vitest';
import { partitionKey } from '../../../../storage/index.ts';
import type { Journal, JournalEntry } from '../../../../storage/index.ts';

/** Where a partition's records are: the number of a merged file, or the id of a segment. */
type Places = Map<bigint, number | string>;

/** The model: where each record is, by reading the entries as a person would. */
export function modelOf(entries: readonly JournalEntry[]): Map<string, Places> {
  const partitions = new Map<string, Places>();
  const of = (id: { topicId: string; partition: number }): Places => {
    const key = partitionKey(id);
    const known = partitions.get(key) ?? new Map<bigint, number | string>();
    partitions.set(key, known);
    return known;
  };
  for (const { number, change, extents } of entries) {
    for (const extent of extents) {
      const places = of(extent);
      for (let at = extent.startOffset; at < extent.endOffset; at++) {
        // What is in a segment already is merged again with the rest of its extent, and not read.
        if (typeof places.get(at) !== 'string') places.set(at, number);
      }
    }
    if (change.kind === 'consolidate') {
      for (const row of change.segments) {
        const { startOffset, endOffset, id } = row.segment;
        for (let at = startOffset; at < endOffset; at++) of(row).set(at, id);
      }
    }
    if (change.kind === 'backfill') for (const row of change.offsets) of(row);
    if (change.kind !== 'quarantine' && change.kind !== 'start-moved') continue;
    for (const row of change.offsets) {
      const places = of(row);
      for (const at of places.keys()) {
        const isGone = change.kind === 'quarantine' ? at >= row.offset : at < row.offset;
        if (isGone) places.delete(at);
      }
    }
  }
  return partitions;
}

/** What a reader finds, who believes segments below `consolidatedTo` and extents above. */
export function placesOf({ state }: Pick<Journal, 'state'>): Map<string, Places> {
  const partitions = new Map<string, Places>();
  for (const [key, partition] of state.partitions) {
    const places: Places = new Map();
    checkRun(partition.segments, partition.consolidatedTo);
    checkRun(partition.extents, partition.cursor);
    expect(partition.consolidatedTo).toBeLessThanOrEqual(partition.cursor);
    for (const { id, startOffset, endOffset } of partition.segments) {
      for (let at = startOffset; at < endOffset; at++) places.set(at, id);
    }
    for (const { file, startOffset, endOffset } of partition.extents) {
      for (let at = startOffset; at < endOffset; at++) {
        if (at >= partition.consolidatedTo) places.set(at, file);
      }
    }
    partitions.set(key, places);
  }
  return partitions;
}

function checkRun(
  run: readonly { readonly startOffset: bigint; readonly endOffset: bigint }[],
  end: bigint,
): void {
  for (const [index, { startOffset, endOffset }] of run.entries()) {
    expect(startOffset).toBeLessThan(endOffset);
    expect(endOffset).toBe(run[index + 1]?.startOffset ?? end);
  }
}
