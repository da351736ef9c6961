/** Runs batches through the writer, with their `.log` kept, as a worker would. */
import { SegmentWriter } from '../../../../storage/segment/segment-writer.ts';
import type {
  FinishedSegment,
  SegmentWriterOptions,
} from '../../../../storage/segment/segment-writer.ts';
import { initialSegmentState } from '../../../../storage/segment/segment-state.ts';
import { joinIndexes, manifestOf } from '../../../../storage/segment/segment-manifest.ts';
import type { SegmentManifest } from '../../../../storage/segment/segment-manifest.ts';
import { SegmentIndexes } from '../../../../storage/segment/segment-indexes.ts';

export const SEGMENT_ID = {
  topic: 'orders',
  topicId: 'lZ6vvmajTWKDBUTV6SQAtQ',
  partition: 3,
  segmentId: 'adh9f8BMS4anaUnD8KWfWg',
};
export const ORIGIN = { brokerId: 2, eventTimestampMs: 1_764_000_000_123 };

export interface MadeSegment {
  readonly segment: FinishedSegment;
  readonly batches: readonly Buffer[];
  readonly log: Buffer;
  readonly manifest: SegmentManifest;
  readonly indexes: SegmentIndexes;
}

/** @returns segment after segment, each with at least one batch */
export function makeSegments(
  startOffset: bigint,
  batches: readonly Buffer[],
  options: SegmentWriterOptions = {},
): MadeSegment[] {
  const made: MadeSegment[] = [];
  let writer = new SegmentWriter(initialSegmentState(startOffset), options);
  let taken: Buffer[] = [];
  const finish = (): void => {
    const segment = writer.finish();
    const manifest = manifestOf(segment, SEGMENT_ID, ORIGIN);
    const indexes = new SegmentIndexes(manifest, Buffer.concat(joinIndexes(segment.files)));
    made.push({ segment, batches: taken, log: Buffer.concat(taken), manifest, indexes });
    writer = new SegmentWriter(segment.state, options);
    taken = [];
  };
  for (const batch of batches) {
    if (writer.append(batch) === 'full') {
      finish();
      if (writer.append(batch) === 'full') throw new Error('the first batch of a segment fits');
    }
    taken.push(batch);
  }
  finish();
  return made;
}
