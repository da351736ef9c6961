/**
 * Finds a batch in bytes of a `.log`, header by header, from a place where a batch begins. The
 * bytes may end anywhere: only headers have to be there.
 */
import {
  BATCH_HEADER_BYTES,
  MAGIC_V2,
  baseOffset,
  batchBytes,
  batchMagic,
  lastOffset,
  lastOffsetDelta,
  maxTimestamp,
} from '../../kafka/index.ts';
import { segmentCorrupt } from './segment-error.ts';

/**
 * `found`: the batch begins at `at` and has `size` bytes, perhaps more than there are. `more`: the
 * next batch, not yet looked at, begins at `at`, which may lie past the bytes.
 */
export type BatchSearch =
  | { readonly kind: 'found'; readonly at: number; readonly size: number }
  | { readonly kind: 'more'; readonly at: number };

/**
 * @param bytes of the `.log`
 * @param at where a batch begins in them
 * @returns the first batch whose last offset is `offset` or higher
 * @throws `STORAGE_SEGMENT_CORRUPT` if what is there is no batch, or the offsets do not rise
 */
export function seekOffset(bytes: Buffer, at: number, offset: bigint): BatchSearch {
  return seek(bytes, at, (header) => lastOffset(bytes, header) >= offset);
}

/**
 * @param fromOffset batches that end below it do not count
 * @returns the first batch that has a record of this timestamp or a later one
 *   (`FileRecords.searchForTimestamp`); `findByTimestamp` finds it in there
 * @throws as `seekOffset`
 */
export function seekTimestamp(
  bytes: Buffer,
  at: number,
  timestamp: bigint,
  fromOffset: bigint,
): BatchSearch {
  return seek(
    bytes,
    at,
    (header) => maxTimestamp(bytes, header) >= timestamp && lastOffset(bytes, header) >= fromOffset,
  );
}

function seek(bytes: Buffer, start: number, isWanted: (at: number) => boolean): BatchSearch {
  let at = start;
  let nextOffset = 0n;
  while (at + BATCH_HEADER_BYTES <= bytes.length) {
    const size = batchBytes(bytes, at);
    const isHeader =
      batchMagic(bytes, at) === MAGIC_V2 &&
      size >= BATCH_HEADER_BYTES &&
      lastOffsetDelta(bytes, at) >= 0 &&
      baseOffset(bytes, at) >= nextOffset;
    if (!isHeader) throw segmentCorrupt('A log', 'no batch begins where one should', { at });
    if (isWanted(at)) return { kind: 'found', at, size };
    nextOffset = lastOffset(bytes, at) + 1n;
    at += size;
  }
  return { kind: 'more', at };
}
