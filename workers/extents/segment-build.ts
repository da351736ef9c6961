/**
 * Makes one segment out of batches and puts it. The `.log` is put in one go, so it is held in
 * memory until then, copied into pieces.
 */
import assert from 'node:assert/strict';
import { SegmentWriter } from '../../storage/index.ts';
import type { CallOptions, SegmentState } from '../../storage/index.ts';
import { uploadSegment } from './upload-segment.ts';
import type { SegmentUpload, UploadedSegment } from './upload-segment.ts';

const PIECE_BYTES = 4 * 1024 * 1024;

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
   * Puts the segment, which has at least one batch. The build is over then.
   *
   * @throws as `uploadSegment`
   */
  async upload(upload: SegmentUpload, call?: CallOptions): Promise<UploadedSegment> {
    const finished = this.#writer.finish();
    return await uploadSegment(upload, finished, this.#log(finished.logBytes), {}, call);
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
