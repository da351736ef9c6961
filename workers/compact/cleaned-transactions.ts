/**
 * Follows the transactions of a log that is being cleaned: which data was aborted and may go, and
 * when a marker is needed no more, which is once nothing of its transaction was met. Kafka's
 * `CleanedTransactionMetadata`.
 */
import {
  isTransactional,
  batchAttributes,
  lastOffset,
  producerId,
  scanBatch,
} from '../../kafka/index.ts';
import type { AbortedTransaction } from '../../storage/index.ts';

const MARKER_TYPES = ['abort', 'commit'] as const;
const MARKER_KEY_BYTES = 4;

interface OngoingAborted {
  readonly transaction: AbortedTransaction;
  /** Whether data of it is still in the log. */
  wasMet: boolean;
}

export interface MarkerFate {
  /** Nothing of its transaction is left. */
  readonly isIdle: boolean;
  /** What the transaction index of the cleaned log needs. */
  readonly aborted: AbortedTransaction | undefined;
}

const IDLE: MarkerFate = { isIdle: true, aborted: undefined };
const NEEDED: MarkerFate = { isIdle: false, aborted: undefined };

export class CleanedTransactions {
  /** Those that begin at offsets not yet reached, by first offset. */
  #coming: AbortedTransaction[] = [];
  readonly #aborted = new Map<bigint, OngoingAborted>();
  readonly #committed = new Set<bigint>();

  /**
   * To be called before the batches that they are about. One may be told of again, for each segment
   * that it has data in, and one that is over already does no harm.
   */
  add(aborted: Iterable<AbortedTransaction>): void {
    this.#coming.push(...aborted);
    this.#coming.sort((a, b) => (a.firstOffset < b.firstOffset ? -1 : 1));
  }

  /** @returns whether the next batch of the log, which holds data, was aborted */
  isAborted(batch: Buffer): boolean {
    this.#beginUpTo(lastOffset(batch));
    if (!isTransactional(batchAttributes(batch))) return false;
    const aborted = this.#aborted.get(producerId(batch));
    if (aborted === undefined) {
      this.#committed.add(producerId(batch));
      return false;
    }
    aborted.wasMet = true;
    return true;
  }

  /** @returns what may become of the next batch of the log, which is a control batch */
  endWith(batch: Buffer): MarkerFate {
    this.#beginUpTo(lastOffset(batch));
    const type = markerTypeOf(batch);
    // Its record was cleaned away before.
    if (type === 'none') return IDLE;
    const id = producerId(batch);
    if (type === 'abort') {
      const aborted = this.#aborted.get(id);
      this.#aborted.delete(id);
      if (aborted?.wasMet !== true) return IDLE;
      return { isIdle: false, aborted: aborted.transaction };
    }
    if (type === 'commit') return this.#committed.delete(id) ? NEEDED : IDLE;
    return NEEDED;
  }

  #beginUpTo(offset: bigint): void {
    let begun = 0;
    for (const transaction of this.#coming) {
      if (transaction.firstOffset > offset) break;
      begun++;
      // It ended below the first batch that is taken.
      if (transaction.lastOffset < offset) continue;
      const { producerId: id } = transaction;
      if (!this.#aborted.has(id)) this.#aborted.set(id, { transaction, wasMet: false });
    }
    if (begun > 0) this.#coming = this.#coming.slice(begun);
  }
}

/** @returns `unknown` for a control record that ends no transaction */
function markerTypeOf(batch: Buffer): (typeof MARKER_TYPES)[number] | 'none' | 'unknown' {
  for (const { body, keyAt, keyBytes } of scanBatch(batch)) {
    const type =
      keyBytes < MARKER_KEY_BYTES ? undefined : MARKER_TYPES[body.readInt16BE(keyAt + 2)];
    return type ?? 'unknown';
  }
  return 'none';
}
