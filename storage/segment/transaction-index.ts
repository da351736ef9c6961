/**
 * The transaction index (`.txnindex`, Kafka's `TransactionIndex` and `AbortedTxn`): the aborted
 * transactions whose *marker* lies in the segment, in the order of the markers; committed ones
 * leave no trace. `i16 version 0 · i64 producer id · i64 first offset · i64 last offset · i64 last
 * stable offset` an entry.
 */
import { EntryList } from './entry-list.ts';
import { segmentCorrupt } from './segment-error.ts';

const ENTRY_BYTES = 34;
const VERSION = 0;
const WHAT = 'A transaction index';

export interface AbortedTransaction {
  readonly producerId: bigint;
  /** Of its data in the partition. */
  readonly firstOffset: bigint;
  /** The marker's. */
  readonly lastOffset: bigint;
  /** Once the marker is there: below it every transaction is decided. */
  readonly lastStableOffset: bigint;
}

export class TransactionIndexWriter {
  readonly #entries = new EntryList(ENTRY_BYTES);

  get count(): number {
    return this.#entries.count;
  }

  append(aborted: AbortedTransaction): void {
    const entry = this.#entries.add();
    entry.writeInt16BE(VERSION, 0);
    entry.writeBigInt64BE(aborted.producerId, 2);
    entry.writeBigInt64BE(aborted.firstOffset, 10);
    entry.writeBigInt64BE(aborted.lastOffset, 18);
    entry.writeBigInt64BE(aborted.lastStableOffset, 26);
  }

  bytes(): Buffer {
    return this.#entries.bytes();
  }
}

export class TransactionIndex {
  readonly #bytes: Buffer;
  readonly #count: number;

  /**
   * @param bytes not copied
   * @throws `STORAGE_SEGMENT_CORRUPT` unless it is whole entries whose markers rise within the
   *   segment and which make sense in themselves
   */
  constructor(bytes: Buffer, baseOffset: bigint, endOffset: bigint) {
    this.#bytes = bytes;
    this.#count = bytes.length / ENTRY_BYTES;
    if (!Number.isInteger(this.#count)) throw segmentCorrupt(WHAT, 'an entry is cut short');
    let marker = baseOffset - 1n;
    for (let index = 0; index < this.#count; index++) {
      const version = bytes.readInt16BE(index * ENTRY_BYTES);
      if (version !== VERSION) throw segmentCorrupt(WHAT, `version ${version} is unknown`);
      const entry = this.#entry(index);
      const { firstOffset, lastOffset, lastStableOffset } = entry;
      const isSound =
        entry.producerId >= 0n &&
        firstOffset >= 0n &&
        firstOffset < lastOffset &&
        lastStableOffset >= 0n &&
        lastStableOffset <= lastOffset + 1n;
      if (!isSound) throw segmentCorrupt(WHAT, 'an entry makes no sense', { index });
      if (lastOffset <= marker) throw segmentCorrupt(WHAT, 'its markers do not rise', { index });
      marker = lastOffset;
    }
    if (marker > endOffset) throw segmentCorrupt(WHAT, 'it leads past the segment', { marker });
  }

  /** @returns all entries, lazily */
  *entries(): Generator<AbortedTransaction> {
    for (let index = 0; index < this.#count; index++) yield this.#entry(index);
  }

  #entry(index: number): AbortedTransaction {
    const at = index * ENTRY_BYTES;
    return {
      producerId: this.#bytes.readBigInt64BE(at + 2),
      firstOffset: this.#bytes.readBigInt64BE(at + 10),
      lastOffset: this.#bytes.readBigInt64BE(at + 18),
      lastStableOffset: this.#bytes.readBigInt64BE(at + 26),
    };
  }
}

/**
 * The aborted transactions that a read_committed answer with the offsets from `fetchOffset` to
 * below `upperBound` needs: the rules of `TransactionIndex.collectAbortedTxns`. An entry whose
 * marker is below `fetchOffset` is never among them: a client would drop committed data of that
 * producer, because it never comes to the marker.
 */
export class AbortedSearch {
  readonly #fetchOffset: bigint;
  readonly #upperBound: bigint;
  readonly #found: AbortedTransaction[] = [];

  constructor(fetchOffset: bigint, upperBound: bigint) {
    this.#fetchOffset = fetchOffset;
    this.#upperBound = upperBound;
  }

  /**
   * To be called for one segment after the other, from the one that holds `fetchOffset` on, those
   * without a transaction index left out, and then for what the broker still has.
   *
   * @returns whether the search is over: what comes later was begun at or above the upper bound
   */
  add(aborted: Iterable<AbortedTransaction>): boolean {
    for (const entry of aborted) {
      if (entry.lastOffset >= this.#fetchOffset && entry.firstOffset < this.#upperBound) {
        this.#found.push(entry);
      }
      if (entry.lastStableOffset >= this.#upperBound) return true;
    }
    return false;
  }

  /** @returns those found, by first offset: kafkajs does not sort them itself */
  result(): AbortedTransaction[] {
    return this.#found.toSorted((a, b) => Number(a.firstOffset - b.firstOffset));
  }
}
