/**
 * Entries of one size in one growing buffer: an index while it is written. The buffer doubles, so
 * that adding an entry costs no allocation on average.
 */

const ENTRIES_AT_FIRST = 64;

export class EntryList {
  readonly #entryBytes: number;
  #buffer: Buffer;
  #count = 0;

  constructor(entryBytes: number) {
    this.#entryBytes = entryBytes;
    this.#buffer = Buffer.alloc(entryBytes * ENTRIES_AT_FIRST);
  }

  get count(): number {
    return this.#count;
  }

  /** @returns a zeroed entry at the end, to be written at once: it is not valid after the next */
  add(): Buffer {
    const start = this.#count * this.#entryBytes;
    if (start === this.#buffer.length) {
      const larger = Buffer.alloc(2 * this.#buffer.length);
      this.#buffer.copy(larger);
      this.#buffer = larger;
    }
    this.#count += 1;
    return this.#buffer.subarray(start, start + this.#entryBytes);
  }

  /** @returns a copy of all entries, for the list to be dropped */
  bytes(): Buffer {
    return Buffer.from(this.#buffer.subarray(0, this.#count * this.#entryBytes));
  }
}

/**
 * The last entry that does not exceed a target, in entries that rise.
 *
 * @param compare negative or 0 if entry `index` is at or below the target
 * @returns its index, -1 if all exceed the target
 */
export function lastAtOrBelow(count: number, compare: (index: number) => bigint | number): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compare(middle) <= 0) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
