/**
 * Applies a consumer's limits to real bytes, at batch boundaries, as a broker does (KIP-74). Pure.
 */

/**
 * Goes through the partitions of an answer in order, and through the batches of each. The first
 * batch of the first partition that has any is sent whatever its size, so that a consumer never
 * gets stuck; every other batch only if it fits both limits.
 */
export class AnswerCut {
  #left: number;
  #partitionLeft = 0;
  #first = true;

  /** @param maxBytes the limit for all partitions together */
  constructor(maxBytes: number) {
    this.#left = maxBytes;
  }

  /** @param maxBytes the limit for the partition whose batches come next */
  startPartition(maxBytes: number): void {
    this.#partitionLeft = Math.min(maxBytes, this.#left);
  }

  /** @returns whether the next batch is sent; if not, the partition ends before it */
  takes(batchBytes: number): boolean {
    if (batchBytes > this.#partitionLeft && !this.#first) return false;
    this.#first = false;
    this.#partitionLeft -= batchBytes;
    this.#left -= batchBytes;
    return true;
  }
}
