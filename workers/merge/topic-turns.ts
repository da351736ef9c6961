/**
 * Which topics a merge looks at although no file has named them lately: all of them on most
 * clusters, and some in each run, in turn, where there are so many partitions that asking for all
 * would cost brokers and workers more than merging what is new. What waits for its turn is in no
 * file: batches that went to the log as they are, and starts that somebody else has moved.
 */
import { crc32c } from '../../kafka/index.ts';

/** Of a group, more or less, in a run. */
const PARTITIONS_MAX = 4_096;

export class TopicTurns {
  /** By group: the runs so far. */
  readonly #runs = new Map<number, number>();

  /**
   * Begins a run.
   *
   * @param partitionCount of the group
   * @returns whether it is the turn of the topic of that name; it is in one of a few runs
   */
  next(group: number, partitionCount: number): (topic: string) => boolean {
    const run = this.#runs.get(group) ?? 0;
    this.#runs.set(group, run + 1);
    // A power of two, so that groups of about the same size look at the same topics.
    const turns = 2 ** Math.ceil(Math.log2(Math.max(1, partitionCount / PARTITIONS_MAX)));
    return (topic) => crc32c(Buffer.from(topic)) % turns === run % turns;
  }
}
