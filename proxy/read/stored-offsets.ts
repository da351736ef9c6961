/**
 * Answers, out of the indexes of segments, for what a partition has below the broker's log start:
 * offsets by timestamp, the largest timestamp, and where leader epochs ended.
 */
import {
  BATCH_HEADER_BYTES,
  findMaxTimestamp,
  lastOffset,
  maxTimestamp,
  type TimestampedOffset,
} from '../../kafka/index.ts';
import type { LeaderEpoch } from '../../storage/index.ts';
import { expectFound } from './lookup.ts';
import type { SegmentReader } from './segment-reader.ts';
import { segmentsFrom, type SegmentPiece, type StoredPartition } from './stored-partition.ts';

/** Where an epoch ended: the last epoch that is not above the one asked for, and its end. */
export interface EpochEnd {
  readonly leaderEpoch: number;
  readonly endOffset: bigint;
}

export class StoredOffsets {
  readonly #segments: SegmentReader;

  constructor(segments: SegmentReader) {
    this.#segments = segments;
  }

  /**
   * @param from records below do not count, and none is looked for from `to` on
   * @returns the first record with this timestamp or a later one (`UnifiedLog.searchOffsetInLocalLog`)
   * @throws `PROXY_FILL_UNAVAILABLE` (retriable), `PROXY_OBJECT_MISSING`, `PROXY_OBJECT_CORRUPT`
   */
  async atTimestamp(
    partition: StoredPartition,
    timestamp: bigint,
    from: bigint,
    to: bigint,
  ): Promise<TimestampedOffset | undefined> {
    for (const piece of piecesFrom(partition, from)) {
      if (piece.segment.startOffset >= to) return undefined;
      if (piece.segment.maxTimestampMs < timestamp) continue;
      const found = await this.#find(piece, timestamp, from);
      if (found !== undefined) return found.offset < to ? found : undefined;
    }
    return undefined;
  }

  /**
   * @param from records below do not count, and segments from `to` on neither
   * @returns the first record that has the largest timestamp
   * @throws as `atTimestamp`
   */
  async ofMaxTimestamp(
    partition: StoredPartition,
    from: bigint,
    to: bigint,
  ): Promise<TimestampedOffset | undefined> {
    let largest: TimestampedOffset | undefined;
    for (const piece of piecesFrom(partition, from)) {
      const { startOffset, maxTimestampMs } = piece.segment;
      if (startOffset >= to) break;
      if (largest !== undefined && maxTimestampMs <= largest.timestamp) continue;
      const found =
        (await this.#find(piece, maxTimestampMs, from)) ?? (await this.#scan(piece, from));
      if (found === undefined) continue;
      if (largest === undefined || found.timestamp > largest.timestamp) largest = found;
    }
    return largest;
  }

  /**
   * @returns undefined if the epoch goes on behind the last segment
   * @throws as `atTimestamp`
   */
  async endOfEpoch(partition: StoredPartition, epoch: number): Promise<EpochEnd | undefined> {
    const last = partition.segments.at(-1);
    if (last === undefined) return undefined;
    const end = await expectFound(last.key, () => this.#segments.endOf(last));
    return end === undefined ? undefined : endOf(end.leaderEpochs, epoch);
  }

  async #find(
    piece: SegmentPiece,
    timestamp: bigint,
    from: bigint,
  ): Promise<TimestampedOffset | undefined> {
    return await expectFound(piece.key, () => this.#segments.timestampAt(piece, timestamp, from));
  }

  /**
   * The segment's largest timestamp is one of records that do not count any more, or of which
   * compaction has left an empty batch. Of a batch that was deleted up to its middle only the
   * largest timestamp is looked at, as a broker does.
   */
  async #scan(piece: SegmentPiece, from: bigint): Promise<TimestampedOffset | undefined> {
    const { startOffset } = piece.segment;
    const first = from > startOffset ? from : startOffset;
    let placed = await expectFound(piece.key, () => this.#segments.batchAt(piece, first));
    let largest: TimestampedOffset | undefined;
    while (placed !== undefined) {
      const { batch, position } = placed;
      const isLarger = largest === undefined || maxTimestamp(batch) > largest.timestamp;
      if (isLarger && lastOffset(batch) >= from) {
        const header = batch.subarray(0, BATCH_HEADER_BYTES);
        const found = findMaxTimestamp(header, batch.subarray(BATCH_HEADER_BYTES));
        if (found !== undefined && found.offset >= from) largest = found;
      }
      const next = position + batch.length;
      placed = await expectFound(piece.key, () => this.#segments.batchFrom(piece, next));
    }
    return largest;
  }
}

/** The segments that have the offset or anything behind it. */
function piecesFrom(partition: StoredPartition, from: bigint): readonly SegmentPiece[] {
  const first = partition.segments[0]?.segment.startOffset;
  if (first === undefined) return [];
  return segmentsFrom(partition, from > first ? from : first);
}

/** `LeaderEpochFileCache.endOffsetFor`, without the epoch that goes on. */
function endOf(epochs: readonly LeaderEpoch[], epoch: number): EpochEnd | undefined {
  const next = epochs.findIndex((known) => known.epoch > epoch);
  const after = epochs[next];
  if (after === undefined) return undefined;
  const known = epochs[next - 1];
  return { leaderEpoch: known?.epoch ?? epoch, endOffset: after.startOffset };
}
