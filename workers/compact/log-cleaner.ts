/**
 * What Kafka's log cleaner keeps of a partition's log (`Cleaner` of 4.3), as a function of its
 * batches, taken in order and twice: `index` learns the last offset of each key between the first
 * dirty offset and the end, `clean` thins out everything below the end. It does no I/O; its memory
 * is the offset map's, whatever the number of keys.
 *
 * Kept are: the last record of each key; a tombstone until `delete.retention.ms` after the first
 * pass that met it as the last of its key, and a marker until as long after its transaction's data
 * was gone (KIP-534: the time is written into the batch); the batch that holds what a producer
 * wrote last, and the last batch of all, empty if need be. Aborted data goes at once.
 */
import assert from 'node:assert/strict';
import {
  baseOffset,
  batchAttributes,
  deleteHorizonOf,
  emptyBatchOf,
  filterBatch,
  isControl,
  lastOffset,
  producerEpoch,
  producerId,
  recordCount,
  scanBatch,
} from '../../kafka/index.ts';
import type { RecordScanner } from '../../kafka/index.ts';
import type { AbortedTransaction, ProducerState } from '../../storage/index.ts';
import { CleanedTransactions } from './cleaned-transactions.ts';
import { OffsetMap } from './offset-map.ts';

export interface CleanerOptions {
  /** Below it all keys were compared before; nothing below it is to be indexed. */
  readonly firstDirtyOffset: bigint;
  /** What the offset map takes. */
  readonly mapBytes: number;
  /** Milliseconds since the epoch. */
  readonly nowMs: number;
  /** The topic's `delete.retention.ms`; Infinity: tombstones stay for good. */
  readonly deleteRetentionMs: number;
  /** As of the newest batch that is known, below the end or above. */
  readonly producers: readonly ProducerState[];
}

export interface CleanedBatch {
  /** The very batch that came in, or what is kept of it; undefined: nothing. */
  readonly kept: Buffer | undefined;
  /** For the transaction index: what this marker ends. */
  readonly aborted: AbortedTransaction | undefined;
}

export class LogCleaner {
  readonly #firstDirtyOffset: bigint;
  readonly #now: bigint;
  readonly #deleteHorizonMs: bigint | undefined;
  readonly #map: OffsetMap;
  readonly #producers: ReadonlyMap<bigint, ProducerState>;
  readonly #indexed = new CleanedTransactions();
  readonly #cleaned = new CleanedTransactions();
  #endOffset: bigint;

  constructor(options: CleanerOptions) {
    const { firstDirtyOffset, mapBytes, nowMs, deleteRetentionMs, producers } = options;
    this.#firstDirtyOffset = firstDirtyOffset;
    this.#endOffset = firstDirtyOffset;
    this.#now = BigInt(nowMs);
    const horizonMs = nowMs + deleteRetentionMs;
    this.#deleteHorizonMs = Number.isSafeInteger(horizonMs) ? BigInt(horizonMs) : undefined;
    this.#map = new OffsetMap(mapBytes, firstDirtyOffset);
    this.#producers = new Map(producers.map((producer) => [producer.producerId, producer]));
  }

  /** Exclusive: what is above was not indexed, and stays as it is. */
  get endOffset(): bigint {
    return this.#endOffset;
  }

  /** Aborted transactions with data in what is indexed next; before its first batch. */
  expectToIndex(aborted: Iterable<AbortedTransaction>): void {
    this.#indexed.add(aborted);
  }

  /** Aborted transactions with data in what is cleaned next; before its first batch. */
  expectToClean(aborted: Iterable<AbortedTransaction>): void {
    this.#cleaned.add(aborted);
  }

  /**
   * Takes the next batch above the first dirty offset.
   *
   * @returns false once the map is full: the batch is above the end then
   * @throws `KAFKA_BATCH_CORRUPT`, `KAFKA_BATCH_TOO_LARGE`
   */
  index(batch: Buffer): boolean {
    assert(lastOffset(batch) >= this.#firstDirtyOffset, 'the batch is clean');
    if (isControl(batchAttributes(batch))) {
      this.#indexed.endWith(batch);
    } else if (!this.#indexed.isAborted(batch)) {
      const base = baseOffset(batch);
      for (const record of scanBatch(batch)) {
        const offset = base + BigInt(record.offsetDelta);
        const key = keyOf(record);
        if (key === undefined || offset < this.#firstDirtyOffset) continue;
        if (!this.#map.put(key, offset)) return false;
      }
    }
    this.#endOffset = lastOffset(batch) + 1n;
    return true;
  }

  /** Everything below the offset was indexed: no batch is missing between the last one and it. */
  indexedUpTo(offset: bigint): void {
    if (offset > this.#endOffset) this.#endOffset = offset;
  }

  /**
   * Takes the next batch of the log, from its first one on.
   *
   * @param isLast whether it stays in any case, empty at least
   * @throws as `index`
   */
  clean(batch: Buffer, isLast: boolean): CleanedBatch {
    const control = isControl(batchAttributes(batch));
    const fate = control
      ? this.#cleaned.endWith(batch)
      : { isIdle: this.#cleaned.isAborted(batch), aborted: undefined };
    const { aborted } = fate;
    if (baseOffset(batch) >= this.#endOffset) return { kept: batch, aborted };
    const kept = control ? this.#marker(batch, fate.isIdle) : this.#data(batch, fate.isIdle);
    if (kept !== undefined) return { kept, aborted };
    if (!isLast && !this.#isLastOfProducer(batch)) return { kept: undefined, aborted };
    return { kept: recordCount(batch) === 0 ? batch : emptyBatchOf(batch), aborted };
  }

  #marker(batch: Buffer, isIdle: boolean): Buffer | undefined {
    const horizon = deleteHorizonOf(batch);
    if (isIdle && horizon !== undefined && horizon <= this.#now) return undefined;
    const deleteHorizonMs = isIdle ? this.#deleteHorizonMs : undefined;
    return filterBatch(batch, { keeps: () => true, deleteHorizonMs, needsHorizon: isIdle });
  }

  #data(batch: Buffer, isAborted: boolean): Buffer | undefined {
    if (isAborted) return undefined;
    const horizon = deleteHorizonOf(batch);
    const keepsTombstones = horizon === undefined || this.#now < horizon;
    return filterBatch(batch, {
      deleteHorizonMs: this.#deleteHorizonMs,
      keeps: (record, offset) => {
        if (offset >= this.#endOffset) return true;
        const key = keyOf(record);
        if (key === undefined || offset < this.#map.get(key)) return false;
        return record.valueBytes >= 0 || keepsTombstones;
      },
    });
  }

  /** By the batch's last offset a producer's sequence goes on, by a marker's epoch its fencing. */
  #isLastOfProducer(batch: Buffer): boolean {
    const producer = this.#producers.get(producerId(batch));
    if (producer === undefined) return false;
    if (producer.lastOffset >= 0n) return lastOffset(batch) === producer.lastOffset;
    return isControl(batchAttributes(batch)) && producerEpoch(batch) === producer.epoch;
  }
}

function keyOf({ body, keyAt, keyBytes }: RecordScanner): Buffer | undefined {
  return keyBytes < 0 ? undefined : body.subarray(keyAt, keyAt + keyBytes);
}
