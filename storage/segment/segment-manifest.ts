/**
 * The manifest of a segment (`….rsm-manifest`): JSON as the tiered-storage plugin of Aiven writes
 * and reads it (`SegmentManifestV1`, without compression and encryption), field by field and in
 * its order. Offsets and timestamps are i64 and never pass through a double: a producer may send
 * timestamps in nanoseconds.
 */
import assert from 'node:assert/strict';
import { z } from 'zod';
import type { LeaderEpoch } from './leader-epochs.ts';
import { leaderEpochsRise } from './leader-epochs.ts';
import { segmentCorrupt } from './segment-error.ts';
import { KAFKA_UUID } from './segment-keys.ts';
import type { SegmentId } from './segment-keys.ts';
import type { FinishedSegment, SegmentFiles } from './segment-writer.ts';

const WHAT = 'A segment manifest';
/** Far above any: 100,000 leader epochs. */
export const MANIFEST_BYTES_MAX = 4 * 1024 * 1024;
/** What the plugin fetches at once and caches; its documentation's value. */
const CHUNK_BYTES = 4 * 1024 * 1024;
const ISSUES_MAX = 5;
const I32_MAX = 0x7fff_ffffn;
const I64_MAX = 0x7fff_ffff_ffff_ffffn;

/** Where one index lies in the `.indexes` object. */
export interface IndexPlace {
  readonly position: number;
  readonly size: number;
}

export interface SegmentManifest extends SegmentId {
  readonly startOffset: bigint;
  /** Inclusive. */
  readonly endOffset: bigint;
  readonly maxTimestampMs: bigint;
  /** The partition's leader when the segment was made. */
  readonly brokerId: number;
  /** When the segment was made. */
  readonly eventTimestampMs: bigint;
  readonly segmentLeaderEpochs: readonly LeaderEpoch[];
  readonly logBytes: number;
  readonly indexes: {
    readonly offset: IndexPlace;
    readonly timestamp: IndexPlace;
    readonly producerSnapshot: IndexPlace;
    readonly leaderEpoch: IndexPlace;
    /** Null if no transaction was aborted. */
    readonly transaction: IndexPlace | null;
  };
}

/** @returns the `.indexes` object, in pieces, in the order in which the manifest names them */
export function joinIndexes(files: SegmentFiles): Buffer[] {
  const { offsetIndex, timeIndex, producerSnapshot, leaderEpochs, transactionIndex } = files;
  const required = [offsetIndex, timeIndex, producerSnapshot, leaderEpochs];
  return transactionIndex === null ? required : [...required, transactionIndex];
}

/**
 * @param eventTimestampMs now; it also stands for the timestamp of a segment that has none
 * @returns the manifest of a segment whose `.indexes` are `joinIndexes(segment.files)`
 */
export function manifestOf(
  segment: FinishedSegment,
  id: SegmentId,
  origin: { readonly brokerId: number; readonly eventTimestampMs: number },
): SegmentManifest {
  let end = 0;
  const place = ({ length: size }: Buffer): IndexPlace => ({
    position: (end += size) - size,
    size,
  });
  const eventTimestampMs = BigInt(origin.eventTimestampMs);
  const { files } = segment;
  return {
    topic: id.topic,
    topicId: id.topicId,
    partition: id.partition,
    segmentId: id.segmentId,
    startOffset: segment.baseOffset,
    endOffset: segment.endOffset,
    maxTimestampMs: segment.maxTimestamp < 0n ? eventTimestampMs : segment.maxTimestamp,
    brokerId: origin.brokerId,
    eventTimestampMs,
    segmentLeaderEpochs: segment.segmentLeaderEpochs,
    logBytes: segment.logBytes,
    indexes: {
      offset: place(files.offsetIndex),
      timestamp: place(files.timeIndex),
      producerSnapshot: place(files.producerSnapshot),
      leaderEpoch: place(files.leaderEpochs),
      transaction: files.transactionIndex === null ? null : place(files.transactionIndex),
    },
  };
}

/** @returns the object */
export function encodeManifest(manifest: SegmentManifest): Buffer {
  assert(manifest.segmentLeaderEpochs.length > 0, 'Kafka demands a leader epoch');
  const { logBytes } = manifest;
  const lastChunkBytes = logBytes % CHUNK_BYTES === 0 ? CHUNK_BYTES : logBytes % CHUNK_BYTES;
  const epochs = manifest.segmentLeaderEpochs.map(({ epoch, startOffset }) => [epoch, startOffset]);
  return Buffer.from(
    jsonText({
      version: '1',
      chunkIndex: {
        type: 'fixed',
        originalChunkSize: CHUNK_BYTES,
        originalFileSize: logBytes,
        transformedChunkSize: CHUNK_BYTES,
        finalTransformedChunkSize: lastChunkBytes,
      },
      segmentIndexes: manifest.indexes,
      compression: false,
      remoteLogSegmentMetadata: {
        remoteLogSegmentId: {
          topicIdPartition: {
            topicId: manifest.topicId,
            topicPartition: { topic: manifest.topic, partition: manifest.partition },
          },
          id: manifest.segmentId,
        },
        startOffset: manifest.startOffset,
        endOffset: manifest.endOffset,
        maxTimestampMs: manifest.maxTimestampMs,
        brokerId: manifest.brokerId,
        eventTimestampMs: manifest.eventTimestampMs,
        segmentLeaderEpochs: Object.fromEntries(epochs),
      },
    }),
  );
}

const i32 = z.bigint().min(0n).max(I32_MAX).transform(Number);
const offset = z.bigint().min(0n).max(I64_MAX);
const i64 = z.bigint().min(-I64_MAX).max(I64_MAX);
const uuid = z.string().regex(KAFKA_UUID);
const place = z.object({ position: i32, size: i32 });

/** Only what is read: the chunk index tells nothing more where `.log` is the raw segment. */
const schema = z.object({
  version: z.literal('1'),
  chunkIndex: z.object({ type: z.literal('fixed'), originalFileSize: i32 }),
  segmentIndexes: z.object({
    offset: place,
    timestamp: place,
    producerSnapshot: place,
    leaderEpoch: place,
    transaction: place.nullable(),
  }),
  compression: z.literal(false),
  encryption: z.undefined().optional(),
  remoteLogSegmentMetadata: z.object({
    remoteLogSegmentId: z.object({
      topicIdPartition: z.object({
        topicId: uuid,
        topicPartition: z.object({ topic: z.string(), partition: i32 }),
      }),
      id: uuid,
    }),
    startOffset: offset,
    endOffset: offset,
    maxTimestampMs: i64,
    brokerId: z.bigint().min(-1n).max(I32_MAX).transform(Number),
    eventTimestampMs: i64,
    segmentLeaderEpochs: z.record(z.string().regex(/^\d{1,10}$/), offset),
  }),
});

/**
 * @returns the manifest of a segment that is neither compressed nor encrypted
 * @throws `STORAGE_SEGMENT_CORRUPT` for anything else, naming the fields that are wrong
 */
export function parseManifest(bytes: Buffer): SegmentManifest {
  if (bytes.length > MANIFEST_BYTES_MAX) {
    throw segmentCorrupt(WHAT, `it has ${bytes.length} bytes`);
  }
  const parsed = schema.safeParse(parseJson(bytes));
  if (!parsed.success) {
    const issues = parsed.error.issues.slice(0, ISSUES_MAX);
    const fields = issues.map(({ path }) => path.join('.') || 'it').join(', ');
    throw segmentCorrupt(WHAT, `wrong: ${fields}`);
  }
  const { chunkIndex, segmentIndexes, remoteLogSegmentMetadata: metadata } = parsed.data;
  const { topicIdPartition, id: segmentId } = metadata.remoteLogSegmentId;
  const segmentLeaderEpochs = Object.entries(metadata.segmentLeaderEpochs).map(
    ([epoch, startOffset]) => ({ epoch: Number(epoch), startOffset }),
  );
  const { startOffset, endOffset, maxTimestampMs, brokerId, eventTimestampMs } = metadata;
  const isSound =
    chunkIndex.originalFileSize > 0 &&
    startOffset <= endOffset &&
    segmentLeaderEpochs[0]?.startOffset === startOffset &&
    (segmentLeaderEpochs.at(-1)?.startOffset ?? 0n) <= endOffset &&
    leaderEpochsRise(segmentLeaderEpochs);
  if (!isSound) throw segmentCorrupt(WHAT, 'its size, offsets or leader epochs make no sense');
  return {
    topic: topicIdPartition.topicPartition.topic,
    topicId: topicIdPartition.topicId,
    partition: topicIdPartition.topicPartition.partition,
    segmentId,
    startOffset,
    endOffset,
    maxTimestampMs,
    brokerId,
    eventTimestampMs,
    segmentLeaderEpochs,
    logBytes: chunkIndex.originalFileSize,
    indexes: segmentIndexes,
  };
}

function parseJson(bytes: Buffer): unknown {
  // The text of a number is the reviver's third argument (ES2026), which the types do not know.
  const exact = (_key: string, value: unknown, context?: { readonly source?: string }): unknown => {
    if (typeof value !== 'number') return value;
    const source = context?.source ?? '';
    return /^-?\d{1,19}$/.test(source) ? BigInt(source) : value;
  };
  try {
    return JSON.parse(bytes.toString('utf8'), exact);
  } catch (error) {
    if (error instanceof SyntaxError) throw segmentCorrupt(WHAT, 'it is not JSON');
    throw error;
  }
}

/** As `JSON.stringify`, but for i64, which it refuses. */
function jsonText(value: unknown): string {
  if (typeof value === 'bigint') return value.toString();
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  const fields = Object.entries(value).map(([key, of]) => `${JSON.stringify(key)}:${jsonText(of)}`);
  return `{${fields.join(',')}}`;
}
