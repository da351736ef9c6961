/** Merged files out of whole batches, as merges leave them in the bucket. */
import { baseOffset, batchCrc, lastOffset } from '../../kafka/index.ts';
import { MergedFileBuilder } from '../../storage/index.ts';
import type { MergedFileHead } from '../../storage/index.ts';

export interface MergedRange {
  readonly topicId: string;
  readonly topic: string;
  readonly partition: number;
  /** With offsets in them, rising; each taken for one that was real in the log. */
  readonly batches: readonly Buffer[];
  /** Where the batches begin and end if left out. */
  readonly startOffset?: bigint;
  readonly endOffset?: bigint;
}

/** @returns a file with an extent for each range, all batches in their places */
export function mergedFileOf(
  head: MergedFileHead,
  ranges: readonly MergedRange[],
): MergedFileBuilder {
  const builder = new MergedFileBuilder(
    head,
    ranges.map(({ topicId, topic, partition, batches, startOffset, endOffset }) => ({
      topicId,
      topic,
      partition,
      startOffset: startOffset ?? baseOffset(batches[0] ?? Buffer.alloc(0)),
      endOffset: endOffset ?? lastOffset(batches.at(-1) ?? Buffer.alloc(0)) + 1n,
      batches: batches.map((batch) => ({
        baseOffset: baseOffset(batch),
        lastOffset: lastOffset(batch),
        length: batch.length,
        origin: { kind: 'real', crc: batchCrc(batch) },
      })),
    })),
  );
  for (const [extent, { batches }] of ranges.entries()) {
    for (const [index, batch] of batches.entries()) builder.place(extent, index, [batch]);
  }
  return builder;
}
