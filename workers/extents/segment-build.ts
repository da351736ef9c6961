/**
 * Makes one segment out of batches and puts it. The `.log` is put in one go, so it is held in
 * memory until then: in one buffer of the size that it may have, of which the system gives only
 * what is written to. In pieces it would be copied once more by stores that want it whole.
 */
import { SegmentWriter } from '../../storage/index.ts';
import type { CallOptions, SegmentState } from '../../storage/index.ts';
import { uploadSegment } from './upload-segment.ts';
import type { SegmentUpload, UploadedSegment } from './upload-segment.ts';

export class SegmentBuild {
  readonly #writer: SegmentWriter;
  readonly #bytesMax: number;
  #log: Buffer | undefined;
  #batches = 0;

  /**
   * @param state as the segment before left it
   * @param bytesMax of the `.log`; a single batch may be larger
   */
  constructor(state: SegmentState, bytesMax: number) {
    this.#bytesMax = bytesMax;
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
    const at = this.#writer.logBytes;
    if (this.#writer.append(batch) === 'full') return 'full';
    // The first batch may be larger than the segment is to be.
    this.#log ??= Buffer.allocUnsafeSlow(Math.max(this.#bytesMax, batch.length));
    batch.copy(this.#log, at);
    this.#batches += 1;
    return 'appended';
  }

  /**
   * Puts the segment, which has at least one batch. The build is over then.
   *
   * @throws as `uploadSegment`
   */
  async upload(upload: SegmentUpload, call?: CallOptions): Promise<UploadedSegment> {
    const finished = this.#writer.finish();
    const log = this.#log?.subarray(0, finished.logBytes) ?? Buffer.alloc(0);
    return await uploadSegment(upload, finished, log, {}, call);
  }
}
