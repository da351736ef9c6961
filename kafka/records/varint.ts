/**
 * Protocol Buffers' zigzag varints as Kafka's records use them (`ByteUtils`): 32 bits in at most 5
 * bytes, 64 bits in at most 10. Reading never leaves the bounds given and allocates nothing.
 */

import { recordsError } from './errors.ts';

const VARINT_SHIFT_MAX = 28;
const VARLONG_SHIFT_MAX = 63;

/** Reads varints one after the other. `at` may be moved by the caller, within the bounds. */
export class VarintCursor {
  readonly buf: Buffer;
  readonly end: number;
  at: number;

  /**
   * @param buf the bytes
   * @param at where to begin
   * @param end where to stop, at most `buf.length`
   */
  constructor(buf: Buffer, at: number, end: number) {
    this.buf = buf;
    this.at = at;
    this.end = end;
  }

  /**
   * @returns the next 32-bit value
   * @throws KAFKA_BATCH_CORRUPT if it does not end in time
   */
  readVarint(): number {
    let raw = 0;
    for (let shift = 0; shift <= VARINT_SHIFT_MAX; shift += 7) {
      const byte = this.#readByte();
      raw |= (byte & 0x7f) << shift;
      if (byte < 0x80) return (raw >>> 1) ^ -(raw & 1);
    }
    throw recordsError('KAFKA_BATCH_CORRUPT', 'a varint has more than 5 bytes');
  }

  /**
   * @returns the next 64-bit value; it is exact if it is a safe integer, else it is only near
   * @throws KAFKA_BATCH_CORRUPT if it does not end in time
   */
  readVarlong(): number {
    let low = 0;
    for (let shift = 0; shift < VARINT_SHIFT_MAX; shift += 7) {
      const byte = this.#readByte();
      low |= (byte & 0x7f) << shift;
      if (byte < 0x80) return (low >>> 1) ^ -(low & 1);
    }
    let high = 0;
    for (let shift = VARINT_SHIFT_MAX; shift <= VARLONG_SHIFT_MAX; shift += 7) {
      const byte = this.#readByte();
      high += (byte & 0x7f) * 2 ** (shift - VARINT_SHIFT_MAX);
      if (byte >= 0x80) continue;
      const magnitude = (low >>> 1) + high * 2 ** (VARINT_SHIFT_MAX - 1);
      return (low & 1) === 0 ? magnitude : -magnitude - 1;
    }
    throw recordsError('KAFKA_BATCH_CORRUPT', 'a varlong has more than 10 bytes');
  }

  #readByte(): number {
    if (this.at >= this.end) {
      throw recordsError('KAFKA_BATCH_CORRUPT', 'a record ends in the middle of a varint');
    }
    // The index was checked, which the compiler cannot see.
    return this.buf[this.at++] as number;
  }
}

/** @returns the bytes that `writeVarint` takes for a 32-bit integer */
export function varintBytes(value: number): number {
  let raw = ((value << 1) ^ (value >> 31)) >>> 0;
  let bytes = 1;
  for (; raw >= 0x80; raw >>>= 7) bytes++;
  return bytes;
}

/**
 * @param out written to, must have room
 * @param at where to write
 * @param value a 32-bit integer
 * @returns where the next byte goes
 */
export function writeVarint(out: Buffer, at: number, value: number): number {
  let raw = ((value << 1) ^ (value >> 31)) >>> 0;
  for (; raw >= 0x80; raw >>>= 7) out[at++] = (raw & 0x7f) | 0x80;
  out[at++] = raw;
  return at;
}

/** @returns the bytes that `writeVarlong` takes for a 64-bit integer */
export function varlongBytes(value: bigint): number {
  let raw = zigzag64(value);
  let bytes = 1;
  for (; raw >= 0x80n; raw >>= 7n) bytes++;
  return bytes;
}

/**
 * @param out written to, must have room
 * @param at where to write
 * @param value a 64-bit integer
 * @returns where the next byte goes
 */
export function writeVarlong(out: Buffer, at: number, value: bigint): number {
  let raw = zigzag64(value);
  for (; raw >= 0x80n; raw >>= 7n) out[at++] = Number(raw & 0x7fn) | 0x80;
  out[at++] = Number(raw);
  return at;
}

function zigzag64(value: bigint): bigint {
  return BigInt.asUintN(64, (value << 1n) ^ (value >> 63n));
}
