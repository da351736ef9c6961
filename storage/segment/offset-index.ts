/**
 * The offset index (`.index`, Kafka's `OffsetIndex`): `i32 offset · i32 position` an entry, sparse
 * and rising, the offset relative to the segment's base. An entry names the *last* offset of a
 * batch and where in the `.log` that batch begins.
 */
import { EntryList, lastAtOrBelow } from './entry-list.ts';
import { segmentCorrupt } from './segment-error.ts';

const ENTRY_BYTES = 8;
const WHAT = 'An offset index';

/** Offsets and positions within a segment are i32. */
export const RELATIVE_OFFSET_MAX = 0x7fff_ffff;

/** The batch begins at `from` or later, and not after `to`; both are positions in the `.log`. */
export interface PositionRange {
  readonly from: number;
  readonly to: number;
}

export class OffsetIndexWriter {
  readonly #baseOffset: bigint;
  readonly #entries = new EntryList(ENTRY_BYTES);

  constructor(baseOffset: bigint) {
    this.#baseOffset = baseOffset;
  }

  get count(): number {
    return this.#entries.count;
  }

  append(lastOffset: bigint, position: number): void {
    const entry = this.#entries.add();
    entry.writeInt32BE(Number(lastOffset - this.#baseOffset), 0);
    entry.writeInt32BE(position, 4);
  }

  bytes(): Buffer {
    return this.#entries.bytes();
  }
}

export class OffsetIndex {
  readonly #bytes: Buffer;
  readonly #baseOffset: bigint;
  readonly #logBytes: number;
  readonly #count: number;

  /**
   * @param bytes not copied
   * @param logBytes size of the `.log`
   * @throws `STORAGE_SEGMENT_CORRUPT` unless it is whole entries that rise within the segment
   */
  constructor(bytes: Buffer, baseOffset: bigint, logBytes: number) {
    this.#bytes = bytes;
    this.#baseOffset = baseOffset;
    this.#logBytes = logBytes;
    this.#count = bytes.length / ENTRY_BYTES;
    if (!Number.isInteger(this.#count)) throw segmentCorrupt(WHAT, 'an entry is cut short');
    let offset = -1;
    let position = -1;
    for (let index = 0; index < this.#count; index++) {
      const [offsetBefore, positionBefore] = [offset, position];
      offset = this.#relativeOffset(index);
      position = this.#position(index);
      if (offset > offsetBefore && position > positionBefore) continue;
      throw segmentCorrupt(WHAT, 'its entries do not rise', { index });
    }
    if (position >= logBytes) throw segmentCorrupt(WHAT, 'it leads past the log', { position });
  }

  /**
   * As `OffsetIndex.lookup`, with the upper bound that the next entry gives.
   *
   * @param offset one of the segment's
   * @returns where the first batch begins whose last offset is `offset` or higher
   */
  rangeOf(offset: bigint): PositionRange {
    const target = offset - this.#baseOffset;
    const below = lastAtOrBelow(
      this.#count,
      (index) => BigInt(this.#relativeOffset(index)) - target,
    );
    return {
      from: below < 0 ? 0 : this.#position(below),
      to: below + 1 < this.#count ? this.#position(below + 1) : this.#logBytes,
    };
  }

  #relativeOffset(index: number): number {
    return this.#bytes.readInt32BE(index * ENTRY_BYTES);
  }

  #position(index: number): number {
    return this.#bytes.readInt32BE(index * ENTRY_BYTES + 4);
  }
}
