/**
 * Puts the three objects of a segment, the manifest last, so that a segment whose manifest is there
 * is whole. They are put under a new id, and count once an entry of the journal names it.
 */
import { crc32cOfChunks } from '../../kafka/index.ts';
import {
  SEGMENT_PREFIX,
  encodeManifest,
  joinIndexes,
  manifestOf,
  newSegmentId,
  segmentKeys,
} from '../../storage/index.ts';
import type {
  CallOptions,
  FinishedSegment,
  ObjectBody,
  ObjectStore,
  Segment,
  SegmentState,
} from '../../storage/index.ts';
import type { NamedPartition } from './segment-log.ts';

export interface SegmentUpload {
  readonly store: ObjectStore;
  readonly id: NamedPartition;
  /** The partition's leader: Kafka's metadata of a segment names one. */
  readonly brokerId: number;
  /** Milliseconds since the epoch, for the manifest. */
  readonly nowMs: number;
  /** What the segment's `createdMs` is to be. */
  readonly createdMs: number;
  readonly random: (byteCount: number) => Buffer;
  /** Called between the objects, with the suffix of the one that is there now. */
  readonly afterPut?: (suffix: 'log' | 'indexes' | 'manifest') => Promise<void>;
}

export interface UploadedSegment {
  readonly segment: Segment;
  /** For the segment that comes next. */
  readonly state: SegmentState;
}

/**
 * @param log the `.log`
 * @param covered the offsets that it is for, if they are more than from its first to its last
 * @throws what the store throws; objects that were put are orphans then
 */
export async function uploadSegment(
  upload: SegmentUpload,
  finished: FinishedSegment,
  log: ObjectBody,
  covered: { readonly startOffset?: bigint; readonly endOffset?: bigint } = {},
  call?: CallOptions,
): Promise<UploadedSegment> {
  const { store, brokerId, nowMs, createdMs, random } = upload;
  const { topic, topicId, partition } = upload.id;
  const id = { topic, topicId, partition, segmentId: newSegmentId(random) };
  const keys = segmentKeys(SEGMENT_PREFIX, id, finished.baseOffset);
  const manifest = manifestOf(finished, id, { brokerId, eventTimestampMs: nowMs });
  await store.put(keys.log, log, { ...call, crc32c: finished.logCrc32c });
  await upload.afterPut?.('log');
  const indexes = joinIndexes(finished.files);
  await store.put(keys.indexes, indexes, { ...call, crc32c: crc32cOfChunks(indexes) });
  await upload.afterPut?.('indexes');
  await store.put(keys.manifest, encodeManifest(manifest), call);
  await upload.afterPut?.('manifest');
  const segment: Segment = {
    id: id.segmentId,
    baseOffset: finished.baseOffset,
    startOffset: covered.startOffset ?? finished.baseOffset,
    endOffset: covered.endOffset ?? finished.endOffset + 1n,
    bytes: finished.logBytes,
    maxTimestampMs: finished.maxTimestamp,
    createdMs,
  };
  return { segment, state: finished.state };
}
