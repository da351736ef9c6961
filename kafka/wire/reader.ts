/**
 * A cursor over one received frame. It owns the bounds checks: whatever the bytes are, a read gives
 * a value or throws KAFKA_FRAME_MALFORMED, and allocates no more than the frame holds. It must not
 * know any message.
 */

import { malformed } from './wire-error.ts';

/** Kafka's own limit for a string, in any version: the old length prefix is an int16. */
export const STRING_BYTES_MAX = 0x7fff;

/** Bytes in an unsigned varint of 32 bits. */
const UVARINT_BYTES_MAX = 5;

const UUID_BYTES = 16;

export class Reader {
  readonly buffer: Buffer;
  /** Reads int64 several times faster than Buffer does. */
  readonly #view: DataView;
  /** Offset of the next byte to read. */
  position: number;

  /**
   * @param buffer one frame, or more bytes than one; `bytes()` returns views of it
   * @param position where to start
   */
  constructor(buffer: Buffer, position = 0) {
    this.buffer = buffer;
    this.#view = new DataView(buffer.buffer, buffer.byteOffset, buffer.length);
    this.position = position;
  }

  get remaining(): number {
    return this.buffer.length - this.position;
  }

  int8(): number {
    return this.buffer.readInt8(this.#advance(1));
  }

  int16(): number {
    return this.buffer.readInt16BE(this.#advance(2));
  }

  uint16(): number {
    return this.buffer.readUInt16BE(this.#advance(2));
  }

  int32(): number {
    return this.buffer.readInt32BE(this.#advance(4));
  }

  uint32(): number {
    return this.buffer.readUInt32BE(this.#advance(4));
  }

  int64(): bigint {
    return this.#view.getBigInt64(this.#advance(8));
  }

  float64(): number {
    return this.buffer.readDoubleBE(this.#advance(8));
  }

  /** Any byte but 0 is true, as in Kafka. */
  bool(): boolean {
    return this.int8() !== 0;
  }

  /** @returns Kafka's text form of a UUID: 22 characters of base64url. */
  uuid(): string {
    const start = this.#advance(UUID_BYTES);
    return this.buffer.toString('base64url', start, start + UUID_BYTES);
  }

  /** An unsigned varint of at most 32 bits, low groups of seven bits first. */
  uvarint(): number {
    const start = this.position;
    const first = this.buffer[start];
    if (first !== undefined && first < 0x80) {
      this.position = start + 1;
      return first;
    }
    let value = 0;
    for (let index = 0; index < UVARINT_BYTES_MAX; index++) {
      const byte = this.buffer.readUInt8(this.#advance(1));
      if (index === UVARINT_BYTES_MAX - 1 && byte > 0x0f) break;
      value |= (byte & 0x7f) << (7 * index);
      if (byte < 0x80) return value >>> 0;
    }
    throw malformed('varint of more than 32 bits', start);
  }

  /** @returns a view of the next `length` bytes, never a copy. */
  bytes(length: number): Buffer {
    const start = this.#advance(length);
    return this.buffer.subarray(start, start + length);
  }

  /** @returns the next `length` bytes as text; bytes that are not UTF-8 become U+FFFD. */
  utf8(length: number): string {
    if (length > STRING_BYTES_MAX) {
      throw malformed(`string of ${length} bytes, the limit is ${STRING_BYTES_MAX}`, this.position);
    }
    const start = this.#advance(length);
    return this.buffer.toString('utf8', start, start + length);
  }

  /** Moves past `length` bytes. */
  skip(length: number): void {
    this.#advance(length);
  }

  #advance(length: number): number {
    const start = this.position;
    if (length < 0 || length > this.buffer.length - start) {
      throw malformed(`wanted ${length} bytes, ${this.buffer.length - start} left`, start);
    }
    this.position = start + length;
    return start;
  }
}
