/** Applies a consumer's limits to real bytes, at batch boundaries, as a broker does (KIP-74). Pure. */

/** One partition of an answer, in the order of the answer. */
export interface CutDemand {
  /** The real bytes of each batch that could be sent. */
  readonly batchBytes: readonly number[];
  /** The client's limit for the partition. */
  readonly maxBytes: number;
}

/**
 * The first batch of the first partition that has any is sent whatever its size, so that a consumer
 * never gets stuck; every other batch only if it fits both limits.
 *
 * @param maxBytes the limit for all partitions together
 * @returns for each partition how many of its batches to send
 */
export function cutAnswer(demands: readonly CutDemand[], maxBytes: number): number[] {
  let left = maxBytes;
  let first = true;
  return demands.map(({ batchBytes, maxBytes: partitionMaxBytes }) => {
    let partitionLeft = Math.min(partitionMaxBytes, left);
    let count = 0;
    for (const bytes of batchBytes) {
      if (bytes > partitionLeft && !first) break;
      first = false;
      partitionLeft -= bytes;
      left -= bytes;
      count += 1;
    }
    return count;
  });
}
