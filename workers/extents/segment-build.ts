/**
 * Makes one segment out of batches and puts it: the three objects of a segment, the manifest last,
 * so that a segment whose manifest is there is whole. The `.log` is put in one go, so it is held in
 * memory until then, copied into pieces. What is put counts once an entry of the journal names it.
 */
import assert from 'node:assert/strict';
import { crc32cOfChunks } from '../../kafka/index.ts';
import {
  SEGMENT_PREFIX,
  SegmentWriter,
  encodeManifest,
  joinIndexes,
  manifestOf,
  newSegmentId,
  segmentKeys,
} from '../../storage/index.ts';
import type { CallOptions, ObjectStore, Segment, SegmentState } from '../../storage/index.ts';
import type { NamedPartition } from './segment-log.ts';

const PIECE_BYTES = 4 * 1024 * 1024;

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

export class SegmentBuild {
  readonly #writer: SegmentWriter;
  readonly #pieces: Buffer[] = [];
  #pieceUsed = 0;
  #batches = 0;

  /**
   * @param state as the segment before left it
   * @param bytesMax of the `.log`; a single batch may be larger
   */
  constructor(state: SegmentState, bytesMax: number) {
    this.#writer = new SegmentWriter(state, { segmentBytesMax: bytesMax });
  }

  get logBytes(): number {
    return this.#writer.logBytes;
  }

  /** How many batches were taken. */
  get batches(): number {
    return this.#batches;
  }

  /** The offset after the last batch that was taken. */
  get nextOffset(): bigint {
    return this.#writer.nextOffset;
  }

  /**
   * @param batch copied
   * @returns and throws as `SegmentWriter.append`
   */
  append(batch: Buffer): 'appended' | 'full' {
    if (this.#writer.append(batch) === 'full') return 'full';
    this.#batches += 1;
    let copied = 0;
    while (copied < batch.length) {
      let piece = this.#pieces.at(-1);
      if (piece === undefined || this.#pieceUsed === piece.length) {
        piece = Buffer.allocUnsafeSlow(PIECE_BYTES);
        this.#pieces.push(piece);
        this.#pieceUsed = 0;
      }
      const bytes = batch.copy(piece, this.#pieceUsed, copied);
      copied += bytes;
      this.#pieceUsed += bytes;
    }
    return 'appended';
  }

  /**
   * Puts the segment, which has at least one batch, under a new id. The build is over then.
   *
   * @param covered the offsets that it is for, if they are more than from its first to its last
   * @throws what the store throws; objects that were put are orphans then
   */
  async upload(
    upload: SegmentUpload,
    covered: { readonly startOffset?: bigint; readonly endOffset?: bigint } = {},
    call?: CallOptions,
  ): Promise<UploadedSegment> {
    const { store, id, brokerId, nowMs, createdMs, random } = upload;
    const finished = this.#writer.finish();
    const segmentId = newSegmentId(random);
    const keys = segmentKeys(SEGMENT_PREFIX, { ...id, segmentId }, finished.baseOffset);
    const manifest = manifestOf(
      finished,
      { topic: id.topic, topicId: id.topicId, partition: id.partition, segmentId },
      { brokerId, eventTimestampMs: nowMs },
    );
    await store.put(keys.log, this.#log(finished.logBytes), {
      ...call,
      crc32c: finished.logCrc32c,
    });
    await upload.afterPut?.('log');
    const indexes = joinIndexes(finished.files);
    await store.put(keys.indexes, indexes, { ...call, crc32c: crc32cOfChunks(indexes) });
    await upload.afterPut?.('indexes');
    await store.put(keys.manifest, encodeManifest(manifest), call);
    await upload.afterPut?.('manifest');
    const segment: Segment = {
      id: segmentId,
      baseOffset: finished.baseOffset,
      startOffset: covered.startOffset ?? finished.baseOffset,
      endOffset: covered.endOffset ?? finished.endOffset + 1n,
      bytes: finished.logBytes,
      maxTimestampMs: finished.maxTimestamp,
      createdMs,
    };
    return { segment, state: finished.state };
  }

  #log(bytes: number): readonly Buffer[] {
    const last = this.#pieces.at(-1);
    assert(last !== undefined, 'a segment has batches');
    const pieces = [...this.#pieces.slice(0, -1), last.subarray(0, this.#pieceUsed)];
    assert.equal(
      pieces.reduce((sum, piece) => sum + piece.length, 0),
      bytes,
    );
    return pieces;
  }
}
