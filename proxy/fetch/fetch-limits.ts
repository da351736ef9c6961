/**
 * A client's fetch limits speak of the bytes it gets; the broker applies them to what lies in its
 * log. This module says what to ask the broker for (DESIGN §7). Pure.
 */

/** Room above the observed ratio: batches differ, and an answer too small costs a round trip. */
const HEADROOM = 1.25;
/** Below this a limit saves little, and real batches of the usual size would not fit any more. */
const PARTITION_BYTES_MIN = 16 * 1024;

/** What the client asks of one partition. */
export interface PartitionDemand {
  /** The client's limit in real bytes. */
  readonly maxBytes: number;
  /** Log bytes per real byte. */
  readonly ratio: number;
}

export interface ScaledLimits {
  /** For each demand its limit in log bytes. */
  readonly partitionMaxBytes: readonly number[];
  readonly maxBytes: number;
  readonly minBytes: number;
}

/**
 * @param demands the partitions in the order in which the broker is asked
 * @param maxBytes the real bytes that the whole answer may have
 * @param minBytes the real bytes that the client wants to wait for
 */
export function scaleLimits(
  demands: readonly PartitionDemand[],
  maxBytes: number,
  minBytes: number,
): ScaledLimits {
  const partitionMaxBytes = demands.map(scaledLimit);
  return {
    partitionMaxBytes,
    maxBytes: scaledTotal(demands, partitionMaxBytes, maxBytes),
    minBytes: scaledMinimum(minBytes, smallestRatio(demands)),
  };
}

/**
 * @param minBytes the real bytes that a client wants to wait for
 * @param ratio the smallest of what it fetches
 * @returns the log bytes; a client that waits for any goes on waiting for any
 */
export function scaledMinimum(minBytes: number, ratio: number): number {
  return Math.max(Math.min(minBytes, 1), Math.floor(minBytes * ratio));
}

function scaledLimit({ maxBytes, ratio }: PartitionDemand): number {
  const scaled = Math.ceil(maxBytes * ratio * HEADROOM);
  return Math.min(maxBytes, Math.max(PARTITION_BYTES_MIN, scaled));
}

/** The log bytes of as many partitions, in order, as fill the answer with real bytes. */
function scaledTotal(
  demands: readonly PartitionDemand[],
  partitionMaxBytes: readonly number[],
  maxBytes: number,
): number {
  let realBytes = 0;
  let logBytes = 0;
  for (const [index, demand] of demands.entries()) {
    if (realBytes >= maxBytes) break;
    realBytes += demand.maxBytes;
    logBytes += partitionMaxBytes[index] ?? 0;
  }
  return Math.min(maxBytes, Math.max(logBytes, PARTITION_BYTES_MIN));
}

function smallestRatio(demands: readonly PartitionDemand[]): number {
  let smallest = 1;
  for (const { ratio } of demands) smallest = Math.min(smallest, ratio);
  return smallest;
}
