/**
 * The time index (`.timeindex`, Kafka's `TimeIndex`): `i64 timestamp · i32 offset` an entry, the
 * offset relative to the segment's base. An entry says that the largest timestamp so far is that
 * one, and that the batch which ends at that offset was the first to have it. Both rise. The last
 * entry, added when the segment is closed, has the largest timestamp of all.
 */
import { EntryList, lastAtOrBelow } from './entry-list.ts';
import { segmentCorrupt } from './segment-error.ts';

const ENTRY_BYTES = 12;
const WHAT = 'A time index';
/** Kafka's `RecordBatch.NO_TIMESTAMP`. */
export const NO_TIMESTAMP = -1n;

/** Between which offsets a batch ends. */
export interface OffsetRange {
  readonly from: bigint;
  readonly to: bigint;
}

export class TimeIndexWriter {
  readonly #baseOffset: bigint;
  readonly #entries = new EntryList(ENTRY_BYTES);
  #lastTimestamp = NO_TIMESTAMP;

  constructor(baseOffset: bigint) {
    this.#baseOffset = baseOffset;
  }

  /** Adds an entry if the timestamp is larger than that of the last (`TimeIndex.maybeAppend`). */
  maybeAppend(timestamp: bigint, offset: bigint): void {
    if (timestamp <= this.#lastTimestamp) return;
    const entry = this.#entries.add();
    entry.writeBigInt64BE(timestamp, 0);
    entry.writeInt32BE(Number(offset - this.#baseOffset), 8);
    this.#lastTimestamp = timestamp;
  }

  bytes(): Buffer {
    return this.#entries.bytes();
  }
}

export class TimeIndex {
  readonly #bytes: Buffer;
  readonly #baseOffset: bigint;
  readonly #count: number;

  /**
   * @param bytes not copied
   * @param endOffset the segment's last
   * @throws `STORAGE_SEGMENT_CORRUPT` unless it is whole entries that rise within the segment
   */
  constructor(bytes: Buffer, baseOffset: bigint, endOffset: bigint) {
    this.#bytes = bytes;
    this.#baseOffset = baseOffset;
    this.#count = bytes.length / ENTRY_BYTES;
    if (!Number.isInteger(this.#count)) throw segmentCorrupt(WHAT, 'an entry is cut short');
    let timestamp = NO_TIMESTAMP;
    let offset = baseOffset - 1n;
    for (let index = 0; index < this.#count; index++) {
      const [timestampBefore, offsetBefore] = [timestamp, offset];
      timestamp = this.#timestamp(index);
      offset = this.#offset(index);
      if (timestamp > timestampBefore && offset > offsetBefore) continue;
      throw segmentCorrupt(WHAT, 'its entries do not rise', { index });
    }
    if (offset > endOffset) throw segmentCorrupt(WHAT, 'it leads past the segment', { offset });
  }

  /**
   * As `TimeIndex.lookup`, with the upper bound that the next entry gives.
   *
   * @returns where the first batch ends that has this timestamp or a larger one; undefined if the
   *   segment has none
   */
  rangeOf(timestamp: bigint): OffsetRange | undefined {
    const below = lastAtOrBelow(this.#count, (index) =>
      this.#timestamp(index) <= timestamp ? 0 : 1,
    );
    const from = below < 0 ? this.#baseOffset : this.#offset(below);
    if (below >= 0 && this.#timestamp(below) === timestamp) return { from, to: from };
    if (below + 1 === this.#count) return undefined;
    return { from, to: this.#offset(below + 1) };
  }

  #timestamp(index: number): bigint {
    return this.#bytes.readBigInt64BE(index * ENTRY_BYTES);
  }

  #offset(index: number): bigint {
    return this.#baseOffset + BigInt(this.#bytes.readInt32BE(index * ENTRY_BYTES + 8));
  }
}
