/**
 * A client's fetch limits speak of the bytes it gets; the broker applies them to what lies in its
 * log. This module says what to ask the broker for (DESIGN §7). Pure.
 *
 * On a broker only the first partition that yields data may exceed its limit; elsewhere a first batch
 * above the limit gives an empty answer. In a log that mixes placeholders and real batches a scaled
 * limit can therefore starve a partition: one that came back empty below its high watermark is asked
 * for first next time, with the client's own limit.
 */

/** Room above the observed ratio: batches differ, and an answer too small costs a round trip. */
const HEADROOM = 1.25;
/** Below this a limit saves nothing, and a plain placeholder of some hundred records fits. */
const PARTITION_BYTES_MIN = 8 * 1024;

/** What the client asks of one partition. */
export interface PartitionDemand {
  /** The client's limit in real bytes. */
  readonly maxBytes: number;
  /** Log bytes per real byte. */
  readonly ratio: number;
  /** Whether the last answer was empty although there was something to read. */
  readonly starved: boolean;
}

export interface ScaledLimits {
  /** For each demand its limit in log bytes. */
  readonly partitionMaxBytes: readonly number[];
  /** Indexes of the demands: the starved first, otherwise as the client asked. */
  readonly order: readonly number[];
  readonly maxBytes: number;
  readonly minBytes: number;
}

/**
 * @param demands the partitions in the client's order
 * @param maxBytes the real bytes that the whole answer may have
 * @param minBytes the real bytes that the client wants to wait for
 */
export function scaleLimits(
  demands: readonly PartitionDemand[],
  maxBytes: number,
  minBytes: number,
): ScaledLimits {
  const partitionMaxBytes = demands.map(scaledLimit);
  const order = demands.map((_, index) => index);
  order.sort((a, b) => Number(isStarved(demands, b)) - Number(isStarved(demands, a)));
  return {
    partitionMaxBytes,
    order,
    maxBytes: scaledTotal(demands, partitionMaxBytes, order, maxBytes),
    minBytes: Math.max(Math.min(minBytes, 1), Math.floor(minBytes * smallestRatio(demands))),
  };
}

function isStarved(demands: readonly PartitionDemand[], index: number): boolean {
  return demands[index]?.starved === true;
}

function scaledLimit({ maxBytes, ratio, starved }: PartitionDemand): number {
  if (starved) return maxBytes;
  const scaled = Math.ceil(maxBytes * ratio * HEADROOM);
  return Math.min(maxBytes, Math.max(PARTITION_BYTES_MIN, scaled));
}

/** The log bytes of as many partitions, in order, as fill the answer with real bytes. */
function scaledTotal(
  demands: readonly PartitionDemand[],
  partitionMaxBytes: readonly number[],
  order: readonly number[],
  maxBytes: number,
): number {
  let realBytes = 0;
  let logBytes = 0;
  for (const index of order) {
    if (realBytes >= maxBytes) break;
    const limit = partitionMaxBytes[index] ?? 0;
    realBytes += Math.min(demands[index]?.maxBytes ?? 0, maxBytes);
    logBytes += limit;
  }
  return Math.min(maxBytes, Math.max(logBytes, PARTITION_BYTES_MIN));
}

function smallestRatio(demands: readonly PartitionDemand[]): number {
  let smallest = 1;
  for (const { ratio } of demands) smallest = Math.min(smallest, ratio);
  return smallest;
}
