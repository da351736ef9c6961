/** Entries and merged files for tests of the journal, as small as they can be. */
import { pino } from 'pino';
import { buildRecordBatch } from '../../../../kafka/index.ts';
import { MergedFileBuilder } from '../../../../storage/index.ts';
import type {
  Change,
  JournalEntry,
  JournalOptions,
  MergedExtent,
  ObjectStore,
  PlannedExtent,
  Segment,
} from '../../../../storage/index.ts';

export const GROUP = 3;
export const CLUSTER_ID = 'cluster';

/** @returns 22 characters that can be told apart */
export function idOf(seed: number): string {
  return seed.toString(36).padStart(22, 'A');
}

export interface Range {
  readonly partition: number;
  readonly startOffset: bigint;
  readonly endOffset: bigint;
}

export function partitionOf(partition: number): {
  topicId: string;
  topic: string;
  partition: number;
} {
  return { topicId: idOf(partition % 2), topic: `topic-${partition % 2}`, partition };
}

/** @returns a file with one batch for each range, all in their places */
export function fileOf(ranges: readonly Range[]): MergedFileBuilder {
  const batches = ranges.map(({ startOffset, endOffset }) =>
    buildRecordBatch(
      {
        baseOffset: startOffset,
        lastOffsetDelta: Number(endOffset - startOffset) - 1,
        partitionLeaderEpoch: 5,
      },
      [{ value: Buffer.from('value') }],
    ),
  );
  const plans = ranges.map(({ partition, startOffset, endOffset }, index): PlannedExtent => {
    const length = batches[index]?.length ?? 0;
    const origin = { kind: 'real', crc: index } as const;
    return {
      ...partitionOf(partition),
      startOffset,
      endOffset,
      batches: [{ baseOffset: startOffset, lastOffset: endOffset - 1n, length, origin }],
    };
  });
  const builder = new MergedFileBuilder({ clusterId: CLUSTER_ID, group: GROUP }, plans);
  for (const [index, batch] of batches.entries()) builder.place(index, 0, [batch]);
  return builder;
}

/** @returns the directory of such a file */
export function extentsOf(ranges: readonly Range[]): readonly MergedExtent[] {
  return fileOf(ranges).extents();
}

export function range(partition: number, startOffset: number, endOffset: number): Range {
  return { partition, startOffset: BigInt(startOffset), endOffset: BigInt(endOffset) };
}

export function segmentOf(seed: number, startOffset: number, endOffset: number): Segment {
  return {
    id: idOf(seed),
    baseOffset: BigInt(startOffset),
    startOffset: BigInt(startOffset),
    endOffset: BigInt(endOffset),
    bytes: endOffset - startOffset,
    maxTimestampMs: -1n,
    createdMs: seed,
  };
}

export function entryOf(
  number: number,
  change: Change,
  extents: readonly MergedExtent[] = [],
): JournalEntry {
  const dataBytes = extents.reduce((sum, { bytes, indexBytes }) => sum + bytes + indexBytes, 0);
  const nonce = number.toString(16).padStart(32, '0');
  return { number, nonce, createdMs: number * 1_000, change, extents, dataBytes };
}

export const MERGE: Change = { kind: 'merge', samples: [] };

/** @param overrides what is not as in most tests */
export function journalOptions(
  store: ObjectStore,
  overrides: Partial<JournalOptions> = {},
): JournalOptions {
  let nonces = 0;
  return {
    store,
    clusterId: CLUSTER_ID,
    group: GROUP,
    now: () => 1_000,
    random: (byteCount) => {
      const bytes = Buffer.alloc(byteCount);
      bytes.writeUInt32BE(++nonces);
      return bytes;
    },
    logger: pino({ level: 'silent' }),
    ...overrides,
  };
}
