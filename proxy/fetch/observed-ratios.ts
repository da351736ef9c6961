/**
 * What the fetches of late have shown of each partition: how many bytes of the broker's log stand
 * for one byte that a consumer gets, and how large its records are. It turns a client's limits,
 * which speak of real bytes, into limits that the broker applies to placeholders.
 */
import { LRUCache } from 'lru-cache';
import type { LogBatch } from './log-batches.ts';

/** What is assumed of a partition that nothing is known of: most placeholders are far smaller. */
const RATIO_UNKNOWN = 1 / 16;
/** Beyond this many partitions the ones least read are forgotten. */
const PARTITIONS_MAX = 100_000;
/** What was seen before counts half once this many real bytes came after it. */
const HALF_LIFE_BYTES = 4 * 1024 * 1024;

interface Observed {
  readonly logBytes: number;
  readonly realBytes: number;
  readonly records: number;
}

const NOTHING: Observed = { logBytes: 0, realBytes: 0, records: 0 };

export class ObservedRatios {
  readonly #observed = new LRUCache<string, Observed>({ max: PARTITIONS_MAX });

  /**
   * @param key the partition, see `partitionKey`
   * @returns log bytes per real byte, above 0 and at most 1
   */
  ratioOf(key: string): number {
    const seen = this.#observed.get(key);
    return seen === undefined ? RATIO_UNKNOWN : Math.min(1, seen.logBytes / seen.realBytes);
  }

  /** @returns the real bytes of a record on average, 0 if that is not known */
  recordBytesOf(key: string): number {
    const seen = this.#observed.get(key);
    return seen === undefined || seen.records === 0 ? 0 : seen.realBytes / seen.records;
  }

  /** Notes what a fetch has brought. */
  observe(key: string, batches: readonly LogBatch[]): void {
    let logBytes = 0;
    let realBytes = 0;
    let records = 0;
    for (const batch of batches) {
      logBytes += batch.bytes.length;
      realBytes += batch.realBytes;
      records += batch.records;
    }
    if (realBytes === 0) return;
    const seen = this.#observed.get(key) ?? NOTHING;
    const kept = 0.5 ** (realBytes / HALF_LIFE_BYTES);
    this.#observed.set(key, {
      logBytes: seen.logBytes * kept + logBytes,
      realBytes: seen.realBytes * kept + realBytes,
      records: seen.records * kept + records,
    });
  }
}
