/** Segments and merged files of one partition, made by hand and put where readers look for them. */
import type { PartitionView } from '../../coordinator/index.ts';
import { baseOffset, batchCrc, lastOffset } from '../../kafka/index.ts';
import {
  encodeManifest,
  entryKey,
  initialSegmentState,
  joinIndexes,
  manifestOf,
  MergedFileBuilder,
  newSegmentId,
  SEGMENT_PREFIX,
  segmentKeys,
  SegmentWriter,
  type Extent,
  type ObjectBody,
  type PlannedBatch,
  type Segment,
} from '../../storage/index.ts';

export interface PartitionName {
  readonly topic: string;
  readonly topicId: string;
  readonly partition: number;
}

/** Where objects are put: a store, or what a test has in its place. */
export interface Objects {
  put(key: string, body: ObjectBody): Promise<void>;
}

export const GROUP = 2;
const ORIGIN = { brokerId: 1, eventTimestampMs: 1_764_000_000_123 };

/** @returns a view that says nothing but the partition's name */
export function emptyView(name: PartitionName): PartitionView {
  return {
    ...name,
    group: GROUP,
    cursor: 0n,
    leaderEpoch: -1,
    logicalStart: null,
    trimIntent: null,
    consolidatedTo: 0n,
    extents: [],
    segments: [],
  };
}

/**
 * @param runs the batches of each segment, contiguous
 * @param startOffset where the first segment begins
 */
export async function putSegments(
  store: Objects,
  name: PartitionName,
  runs: readonly (readonly Buffer[])[],
  startOffset: bigint,
): Promise<Segment[]> {
  const segments: Segment[] = [];
  let state = initialSegmentState(startOffset);
  for (const [index, batches] of runs.entries()) {
    const coveredFrom = state.nextOffset;
    const writer = new SegmentWriter(state, { indexIntervalBytes: 512 });
    for (const batch of batches) writer.append(batch);
    const made = writer.finish();
    const id = newSegmentId((count) => Buffer.alloc(count, index + 1));
    const keys = segmentKeys(SEGMENT_PREFIX, { ...name, segmentId: id }, made.baseOffset);
    const manifest = manifestOf(made, { ...name, segmentId: id }, ORIGIN);
    await store.put(keys.log, batches);
    await store.put(keys.indexes, joinIndexes(made.files));
    await store.put(keys.manifest, encodeManifest(manifest));
    segments.push({
      id,
      baseOffset: made.baseOffset,
      startOffset: coveredFrom,
      endOffset: made.endOffset + 1n,
      bytes: made.logBytes,
      maxTimestampMs: made.maxTimestamp,
      createdMs: 0,
    });
    state = made.state;
  }
  return segments;
}

/** A batch as consumers get it, and what stood for it in the broker's log. */
export interface MergedBatch {
  readonly bytes: Buffer;
  readonly origin: PlannedBatch['origin'];
}

/** @returns a batch that was real in the log, too */
export function realBatch(bytes: Buffer): MergedBatch {
  return { bytes, origin: { kind: 'real', crc: batchCrc(bytes) } };
}

/** Puts one merged file that holds one extent of the partition. */
export async function putMergedFile(
  store: Objects,
  name: PartitionName,
  number: number,
  batches: readonly MergedBatch[],
  startOffset?: bigint,
): Promise<Extent> {
  const planned = batches.map(({ bytes, origin }) => ({
    baseOffset: baseOffset(bytes),
    lastOffset: lastOffset(bytes),
    length: bytes.length,
    origin,
  }));
  const [first] = planned;
  const last = planned.at(-1);
  if (first === undefined || last === undefined) throw new TypeError('an extent has batches');
  const start = startOffset ?? first.baseOffset;
  const range = { startOffset: start, endOffset: last.lastOffset + 1n };
  const extent = { ...name, ...range, batches: planned };
  const builder = new MergedFileBuilder({ clusterId: 'cluster', group: GROUP }, [extent]);
  for (const [index, { bytes }] of batches.entries()) builder.place(0, index, [bytes]);
  const [merged] = builder.extents();
  if (merged === undefined) throw new TypeError('one was planned');
  await store.put(entryKey(GROUP, number), builder.finish(Buffer.from('an entry')).body);
  const { topicId: _id, topic: _topic, partition: _partition, ...where } = merged;
  return { file: number, ...where };
}
