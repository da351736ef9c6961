/**
 * Cuts a stream of bytes into frames. It holds at most one unfinished frame, whose length was
 * checked against the limit before a byte of it was kept.
 */

import { kafkaError } from '../errors.ts';
import { LENGTH_BYTES } from './frame.ts';

export class FrameSplitter {
  readonly #frameBytesMax: number;
  readonly #length = Buffer.alloc(LENGTH_BYTES);
  #lengthBytes = 0;
  #frame: Buffer | null = null;
  #frameBytes = 0;

  /** @param frameBytesMax longest frame, without its length prefix */
  constructor(frameBytesMax: number) {
    this.#frameBytesMax = frameBytesMax;
  }

  /** Whether bytes of an unfinished frame are held. */
  get isMidFrame(): boolean {
    return this.#lengthBytes > 0 || this.#frame !== null;
  }

  /**
   * @param chunk the next bytes of the stream
   * @returns the frames that they complete, without their lengths. A frame that lies within the
   *   chunk is a view of it: whoever keeps it beyond its turn copies it.
   * @throws KAFKA_FRAME_TOO_LARGE, KAFKA_FRAME_MALFORMED; the stream is of no use afterwards
   */
  push(chunk: Buffer): Buffer[] {
    const frames: Buffer[] = [];
    let position = 0;
    while (position < chunk.length) {
      if (this.#frame !== null) {
        position += this.#fill(this.#frame, chunk.subarray(position), frames);
        continue;
      }
      const taken = chunk.copy(this.#length, this.#lengthBytes, position);
      position += taken;
      this.#lengthBytes += taken;
      if (this.#lengthBytes < LENGTH_BYTES) break;
      this.#lengthBytes = 0;
      const length = this.#checkedLength();
      if (length <= chunk.length - position) {
        frames.push(chunk.subarray(position, position + length));
        position += length;
      } else {
        this.#frame = Buffer.allocUnsafe(length);
        this.#frameBytes = 0;
      }
    }
    return frames;
  }

  #fill(frame: Buffer, bytes: Buffer, frames: Buffer[]): number {
    const taken = bytes.copy(frame, this.#frameBytes);
    this.#frameBytes += taken;
    if (this.#frameBytes === frame.length) {
      frames.push(frame);
      this.#frame = null;
    }
    return taken;
  }

  #checkedLength(): number {
    const length = this.#length.readInt32BE();
    if (length < 0) throw kafkaError('KAFKA_FRAME_MALFORMED', `frame of ${length} bytes`);
    if (length > this.#frameBytesMax) {
      throw kafkaError(
        'KAFKA_FRAME_TOO_LARGE',
        `frame of ${length} bytes, the limit is ${this.#frameBytesMax}`,
        { details: { length, frameBytesMax: this.#frameBytesMax } },
      );
    }
    return length;
  }
}
