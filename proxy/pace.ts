/**
 * Cuts the making of an answer into slices, by its bytes: produces, short answers and other
 * connections have their turns in between.
 */

const SLICE_BYTES = 128 * 1024;
/** What a batch counts at least: small ones cost about as much as these. */
const BATCH_BYTES_MIN = 16 * 1024;

export class Pace {
  #bytes = 0;

  /** @returns whether a slice is over, and others should have a turn, now that a batch is done */
  isDue(batchBytes: number): boolean {
    this.#bytes += Math.max(batchBytes, BATCH_BYTES_MIN);
    if (this.#bytes < SLICE_BYTES) return false;
    this.#bytes = 0;
    return true;
  }
}
