/**
 * How many bytes of a broker's log stand for one byte that a consumer gets, partition by partition,
 * as the fetches of late have shown. It turns a client's limits, which speak of real bytes, into
 * limits that the broker applies to placeholders.
 */
import { LRUCache } from 'lru-cache';

/** What is assumed of a partition that nothing is known of: most placeholders are far smaller. */
const RATIO_UNKNOWN = 1 / 16;
/** Beyond this many partitions the ones least read are forgotten. */
const PARTITIONS_MAX = 100_000;
/** What was seen before counts half once this many real bytes came after it. */
const HALF_LIFE_BYTES = 4 * 1024 * 1024;

interface Observed {
  logBytes: number;
  realBytes: number;
}

export class ObservedRatios {
  readonly #observed = new LRUCache<string, Observed>({ max: PARTITIONS_MAX });

  /**
   * @param key the partition, see `partitionKey`
   * @returns log bytes per real byte, above 0 and at most 1
   */
  ratioOf(key: string): number {
    const seen = this.#observed.get(key);
    if (seen === undefined) return RATIO_UNKNOWN;
    return Math.min(1, seen.logBytes / seen.realBytes);
  }

  /**
   * @param logBytes of whole batches that a fetch took from the broker's log
   * @param realBytes that they stand for; nothing is learnt from an empty answer
   */
  observe(key: string, logBytes: number, realBytes: number): void {
    if (realBytes <= 0 || logBytes <= 0) return;
    const seen = this.#observed.get(key) ?? { logBytes: 0, realBytes: 0 };
    const kept = 0.5 ** (realBytes / HALF_LIFE_BYTES);
    seen.logBytes = seen.logBytes * kept + logBytes;
    seen.realBytes = seen.realBytes * kept + realBytes;
    this.#observed.set(key, seen);
  }
}
