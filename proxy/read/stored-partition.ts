/**
 * One partition's data in the object store, as the journal tells of it: which object has which
 * offsets. Pure.
 */
import type { PartitionView } from '../../coordinator/index.ts';
import {
  entryKey,
  SEGMENT_PREFIX,
  segmentKeys,
  type Extent,
  type Segment,
  type SegmentKeys,
} from '../../storage/index.ts';
import type { Piece } from './stored-batches.ts';

export interface ExtentPiece extends Piece {
  readonly extent: Extent;
  /** Of its index, in the memory of indexes. */
  readonly indexName: string;
}

export interface SegmentPiece extends Piece {
  readonly segment: Pick<Segment, 'startOffset' | 'endOffset' | 'maxTimestampMs'>;
  readonly keys: SegmentKeys;
}

export interface StoredPartition {
  readonly view: PartitionView;
  /** Both in the order of their offsets. */
  readonly extents: readonly ExtentPiece[];
  readonly segments: readonly SegmentPiece[];
}

/** @returns the partition's objects, each with the one that is read after it */
export function storedPartition(view: PartitionView): StoredPartition {
  const extents: ExtentPiece[] = [];
  for (const extent of view.extents.toReversed()) {
    const { file, position, bytes } = extent;
    const key = entryKey(view.group, file);
    const piece = { key, start: position, end: position + bytes, next: extents[0] ?? null };
    extents.unshift({ ...piece, extent, indexName: `${key}@${position}` });
  }
  const segments: SegmentPiece[] = [];
  for (const segment of view.segments.toReversed()) {
    const keys = segmentKeys(
      SEGMENT_PREFIX,
      { ...view, segmentId: segment.id },
      segment.baseOffset,
    );
    const next = segments[0] ?? extents[0] ?? null;
    segments.unshift({ key: keys.log, start: 0, end: segment.bytes, next, segment, keys });
  }
  return { view, extents, segments };
}

/** @returns the extent that covers the offset */
export function extentAt(partition: StoredPartition, offset: bigint): ExtentPiece | undefined {
  const { extents } = partition;
  const piece = extents[firstEndingAfter(extents.length, offset, (i) => extents[i]?.extent)];
  return piece !== undefined && piece.extent.startOffset <= offset ? piece : undefined;
}

/** @returns the segment that covers the offset, and those after it */
export function segmentsFrom(partition: StoredPartition, offset: bigint): readonly SegmentPiece[] {
  const { segments } = partition;
  const index = firstEndingAfter(segments.length, offset, (i) => segments[i]?.segment);
  const first = segments[index];
  return first !== undefined && first.segment.startOffset <= offset ? segments.slice(index) : [];
}

function firstEndingAfter(
  count: number,
  offset: bigint,
  rangeAt: (index: number) => { readonly endOffset: bigint } | undefined,
): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((rangeAt(middle)?.endOffset ?? 0n) <= offset) low = middle + 1;
    else high = middle;
  }
  return low;
}
