/**
 * The binary form of what goes to Redis. Scripts take one packed argument, whose fixed-size fields
 * Lua reads with `struct` (big-endian); what Lua does not look into is packed with variable-length
 * integers, which are smaller. This is the only module that knows the bytes.
 */
import assert from 'node:assert/strict';
import { coordinatorError } from './errors.ts';

const INITIAL_BYTES = 256;
const VARINT_BYTES_MAX = 8;
const BIG_VARINT_BYTES_MAX = 10;
/** So many bytes of a varint fit into a number with room to spare. */
const NUMBER_BYTES = 7;
const MAX_SAFE = BigInt(Number.MAX_SAFE_INTEGER);
const UINT64_MAX = 2n ** 64n - 1n;

/** Appends values to a buffer that grows. */
export class Packer {
  #buffer = Buffer.allocUnsafe(INITIAL_BYTES);
  #length = 0;

  /** `struct` 'B'. */
  u8(value: number): this {
    this.#length = this.#room(1).writeUInt8(value, this.#length);
    return this;
  }

  /** `struct` 'H'. */
  u16(value: number): this {
    this.#length = this.#room(2).writeUInt16BE(value, this.#length);
    return this;
  }

  /** `struct` 'I4'. */
  u32(value: number): this {
    this.#length = this.#room(4).writeUInt32BE(value, this.#length);
    return this;
  }

  /** `struct` 'c8': Lua keeps it as bytes, because its numbers are doubles. */
  u64(value: bigint): this {
    this.#length = this.#room(8).writeBigUInt64BE(value, this.#length);
    return this;
  }

  /** `struct` 'd'. */
  f64(value: number): this {
    this.#length = this.#room(8).writeDoubleBE(value, this.#length);
    return this;
  }

  /** As they are, for instance `struct` 'c8'. */
  bytes(value: Buffer): this {
    const buffer = this.#room(value.length);
    this.#length += value.copy(buffer, this.#length);
    return this;
  }

  /** `struct` 'I4c0'. */
  sizedBytes(value: Buffer | string): this {
    const bytes = typeof value === 'string' ? Buffer.from(value, 'utf8') : value;
    return this.u32(bytes.length).bytes(bytes);
  }

  /** 7 bits a byte, least significant first. @param value an integer from 0 to 2^53 - 1 */
  varint(value: number): this {
    assert(Number.isSafeInteger(value) && value >= 0, 'a varint is a safe integer from 0');
    const buffer = this.#room(VARINT_BYTES_MAX);
    let rest = value;
    while (rest > 0x7f) {
      this.#length = buffer.writeUInt8((rest % 0x80) + 0x80, this.#length);
      rest = Math.floor(rest / 0x80);
    }
    this.#length = buffer.writeUInt8(rest, this.#length);
    return this;
  }

  /** As `varint`, which it equals below 2^53. @param value from 0 to 2^64 - 1 */
  bigVarint(value: bigint): this {
    if (value <= MAX_SAFE) return this.varint(Number(value));
    assert(value <= UINT64_MAX, 'a large varint is below 2^64');
    this.#room(BIG_VARINT_BYTES_MAX);
    let rest = value;
    for (; rest > 0x7fn; rest >>= 7n) this.u8(Number(rest & 0x7fn) + 0x80);
    return this.u8(Number(rest));
  }

  /** Small where it is near 0, on either side: ZigZag. @param value a signed 64-bit integer */
  signedVarint(value: bigint): this {
    return this.bigVarint(BigInt.asUintN(64, (value << 1n) ^ (value >> 63n)));
  }

  /** UTF-8 behind its length as a varint. */
  text(value: string): this {
    const bytes = Buffer.from(value, 'utf8');
    return this.varint(bytes.length).bytes(bytes);
  }

  /** @returns what was packed; a view that is stable once nothing more is packed */
  finish(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  #room(bytes: number): Buffer {
    if (this.#length + bytes > this.#buffer.length) {
      const larger = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#length + bytes));
      this.#buffer.copy(larger, 0, 0, this.#length);
      this.#buffer = larger;
    }
    return this.#buffer;
  }
}

/** Reads what a `Packer` wrote. Every method throws `COORDINATOR_RECORD_MALFORMED` at the end. */
export class Unpacker {
  readonly #buffer: Buffer;
  #position = 0;

  constructor(buffer: Buffer) {
    this.#buffer = buffer;
  }

  /** How many bytes are left: the bound of every count that is read. */
  get remainingBytes(): number {
    return this.#buffer.length - this.#position;
  }

  u8(): number {
    return this.#buffer.readUInt8(this.#take(1));
  }

  u16(): number {
    return this.#buffer.readUInt16BE(this.#take(2));
  }

  u32(): number {
    return this.#buffer.readUInt32BE(this.#take(4));
  }

  u64(): bigint {
    return this.#buffer.readBigUInt64BE(this.#take(8));
  }

  f64(): number {
    return this.#buffer.readDoubleBE(this.#take(8));
  }

  /** @returns a view */
  bytes(count: number): Buffer {
    const position = this.#take(count);
    return this.#buffer.subarray(position, position + count);
  }

  /** @returns a view of everything that is left */
  rest(): Buffer {
    return this.bytes(this.remainingBytes);
  }

  varint(): number {
    let value = 0;
    let scale = 1;
    for (let count = 0; count < VARINT_BYTES_MAX; count++) {
      const byte = this.u8();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        if (!Number.isSafeInteger(value)) break;
        return value;
      }
      scale *= 0x80;
    }
    throw malformed('a varint is longer than 53 bits');
  }

  bigVarint(): bigint {
    let low = 0;
    let scale = 1;
    for (let count = 0; count < NUMBER_BYTES; count++) {
      const byte = this.u8();
      low += (byte & 0x7f) * scale;
      if (byte < 0x80) return BigInt(low);
      scale *= 0x80;
    }
    let value = BigInt(low);
    for (let count = NUMBER_BYTES; count < BIG_VARINT_BYTES_MAX; count++) {
      const byte = this.u8();
      value += BigInt(byte & 0x7f) << BigInt(7 * count);
      if (byte < 0x80 && value <= UINT64_MAX) return value;
    }
    throw malformed('a varint is longer than 64 bits');
  }

  signedVarint(): bigint {
    const value = this.bigVarint();
    return BigInt.asIntN(64, (value >> 1n) ^ -(value & 1n));
  }

  text(): string {
    return this.bytes(this.varint()).toString('utf8');
  }

  /**
   * @param itemBytesMin the least that one item takes
   * @returns a count of items that the bytes left can hold
   */
  count(itemBytesMin: number): number {
    const count = this.varint();
    if (count * itemBytesMin > this.remainingBytes) throw malformed('a count exceeds the bytes');
    return count;
  }

  #take(bytes: number): number {
    if (bytes > this.remainingBytes) throw malformed('it ends too early');
    const position = this.#position;
    this.#position += bytes;
    return position;
  }
}

/** @returns the error for a value of Redis that cannot be understood */
export function malformed(why: string, cause?: unknown): Error {
  return coordinatorError('COORDINATOR_RECORD_MALFORMED', `Redis holds a bad value: ${why}.`, {
    cause,
  });
}
