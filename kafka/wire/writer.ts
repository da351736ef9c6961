/**
 * Builds the bytes of a message as a list of chunks for `writev`. Small values are gathered in
 * buffers of its own; large byte fields are taken by reference, never copied, so their owner must
 * not change them until the chunks are sent. It must not know any message.
 */

import { STRING_BYTES_MAX } from './reader.ts';
import { invalidValue } from './wire-error.ts';

/** Below this a byte field is copied: one more chunk would cost more than the copy. */
export const COPY_BELOW_BYTES = 1024;

const FIRST_BUFFER_BYTES = 256;
const BUFFER_BYTES_MAX = 64 * 1024;
const UUID_BYTES = 16;
const UINT32_MAX = 0xffff_ffff;
const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;

export class Writer {
  readonly #chunks: Buffer[] = [];
  #buffer: Buffer = Buffer.allocUnsafe(FIRST_BUFFER_BYTES);
  /** Of #buffer: writes int64 several times faster than Buffer does. */
  #view: DataView = viewOf(this.#buffer);
  /** Bytes of #buffer before this offset are already in #chunks. */
  #flushed = 0;
  #position = 0;
  #byteLength = 0;

  /** Bytes written so far. */
  get byteLength(): number {
    return this.#byteLength;
  }

  /** @returns everything written so far; the writer may go on. */
  chunks(): Buffer[] {
    this.#flush();
    return [...this.#chunks];
  }

  int8(value: number): void {
    this.#reserve(1);
    this.#advance(this.#buffer.writeInt8(value, this.#position));
  }

  int16(value: number): void {
    this.#reserve(2);
    this.#advance(this.#buffer.writeInt16BE(value, this.#position));
  }

  uint16(value: number): void {
    this.#reserve(2);
    this.#advance(this.#buffer.writeUInt16BE(value, this.#position));
  }

  int32(value: number): void {
    this.#reserve(4);
    this.#advance(this.#buffer.writeInt32BE(value, this.#position));
  }

  uint32(value: number): void {
    this.#reserve(4);
    this.#advance(this.#buffer.writeUInt32BE(value, this.#position));
  }

  int64(value: bigint): void {
    if (value < INT64_MIN || value > INT64_MAX) throw invalidValue(`${value} is no int64`);
    this.#reserve(8);
    this.#view.setBigInt64(this.#position, value);
    this.#advance(this.#position + 8);
  }

  float64(value: number): void {
    this.#reserve(8);
    this.#advance(this.#buffer.writeDoubleBE(value, this.#position));
  }

  bool(value: boolean): void {
    this.int8(value ? 1 : 0);
  }

  /** @param value Kafka's text form of a UUID: 22 characters of base64url */
  uuid(value: string): void {
    this.#reserve(UUID_BYTES);
    const written = this.#buffer.write(value, this.#position, UUID_BYTES, 'base64url');
    if (written !== UUID_BYTES || value.length !== 22) throw invalidValue(`no UUID: ${value}`);
    this.#advance(this.#position + UUID_BYTES);
  }

  uvarint(value: number): void {
    if (!Number.isInteger(value) || value < 0 || value > UINT32_MAX) {
      throw invalidValue(`${value} is no unsigned integer of 32 bits`);
    }
    this.#reserve(5);
    let position = this.#position;
    let rest = value;
    while (rest >= 0x80) {
      this.#buffer[position++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.#buffer[position++] = rest;
    this.#advance(position);
  }

  /**
   * @param value text to write as UTF-8 behind its length
   * @param writeLength writes the length prefix
   */
  utf8(value: string, writeLength: (writer: Writer, bytes: number) => void): void {
    const length = Buffer.byteLength(value);
    if (length > STRING_BYTES_MAX) {
      throw invalidValue(`string of ${length} bytes, the limit is ${STRING_BYTES_MAX}`);
    }
    writeLength(this, length);
    this.#reserve(length);
    this.#advance(this.#position + this.#buffer.write(value, this.#position));
  }

  /** Appends bytes without a length: copied when few, by reference when many. */
  bytes(value: Buffer): void {
    if (value.length >= COPY_BELOW_BYTES) {
      this.#flush();
      this.#chunks.push(value);
      this.#byteLength += value.length;
      return;
    }
    this.#reserve(value.length);
    this.#advance(this.#position + value.copy(this.#buffer, this.#position));
  }

  #advance(position: number): void {
    this.#byteLength += position - this.#position;
    this.#position = position;
  }

  #reserve(length: number): void {
    if (length <= this.#buffer.length - this.#position) return;
    this.#flush();
    const doubled = Math.min(this.#buffer.length * 2, BUFFER_BYTES_MAX);
    this.#buffer = Buffer.allocUnsafe(Math.max(length, doubled));
    this.#view = viewOf(this.#buffer);
    this.#position = 0;
    this.#flushed = 0;
  }

  #flush(): void {
    if (this.#position === this.#flushed) return;
    this.#chunks.push(this.#buffer.subarray(this.#flushed, this.#position));
    this.#flushed = this.#position;
  }
}

function viewOf(buffer: Buffer): DataView {
  return new DataView(buffer.buffer, buffer.byteOffset, buffer.length);
}
