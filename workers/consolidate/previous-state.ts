/**
 * What crosses into a partition's next segment: producers, open transactions and leader epochs. The
 * segment before has it among its files; where that one was cut back, its batches up to the cut
 * are gone through again.
 */
import assert from 'node:assert/strict';
import {
  initialSegmentState,
  SegmentWriter,
  withoutEpochsBefore,
  withoutIdleProducers,
} from '../../storage/index.ts';
import type { CallOptions, PartitionState, SegmentState } from '../../storage/index.ts';
import type { StoredBatches } from '../extents/stored-batches.ts';

/** Kafka's default of `producer.id.expiration.ms`. */
export const PRODUCER_EXPIRATION_MS = 86_400_000;

/**
 * @returns the state that the segment from `consolidatedTo` on begins with
 * @throws as `StoredBatches`
 */
export async function previousState(
  stored: StoredBatches,
  partition: PartitionState,
  nowMs: number,
  call?: CallOptions,
): Promise<SegmentState> {
  const last = partition.segments.length - 1;
  const state = await stateAfter(stored, partition, last, call);
  const recent = withoutIdleProducers(state, nowMs - PRODUCER_EXPIRATION_MS);
  return { ...withEpochsOf(recent, partition), nextOffset: partition.consolidatedTo };
}

function withEpochsOf(state: SegmentState, { logicalStart }: PartitionState): SegmentState {
  return logicalStart === null ? state : withoutEpochsBefore(state, logicalStart);
}

async function stateAfter(
  stored: StoredBatches,
  partition: PartitionState,
  index: number,
  call?: CallOptions,
): Promise<SegmentState> {
  const segment = partition.segments[index];
  if (segment === undefined) return initialSegmentState(partition.consolidatedTo);
  const { manifest, indexes } = await stored.openSegment(partition, segment, call);
  if (manifest.endOffset < segment.endOffset) return indexes.state();
  const before = await stateAfter(stored, partition, index - 1, call);
  const { baseOffset, endOffset } = segment;
  const writer = new SegmentWriter({ ...before, nextOffset: baseOffset });
  const whole = { ...segment, startOffset: baseOffset };
  for await (const batch of stored.segmentBatches(partition, whole, baseOffset, endOffset, call)) {
    if (batch.lastOffset >= endOffset) break;
    assert.equal(writer.append(batch.bytes), 'appended', 'it is a part of a segment');
  }
  return writer.logBytes === 0 ? before : writer.finish().state;
}
