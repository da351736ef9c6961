/**
 * Reads fields of a WAL file one after the other, within bounds. Every length and count in a file
 * is a claim: whatever does not fit ends in `STORAGE_WAL_CORRUPT`, never in a read outside the
 * bytes or an allocation of the size claimed.
 */
import { storageError } from './errors.ts';

export class WalReader {
  readonly #file: Buffer;
  readonly #end: number;
  #at: number;

  /**
   * @param file the bytes, not copied
   * @param start first position to read
   * @param end first position not to read
   */
  constructor(file: Buffer, start: number, end: number) {
    this.#file = file;
    this.#end = end;
    this.#at = start;
    const fits = Number.isInteger(start) && start >= 0 && start <= end && end <= file.length;
    if (!fits) this.fail(`position ${start} is outside of its ${file.length} bytes`);
  }

  get remaining(): number {
    return this.#end - this.#at;
  }

  u16(what: string): number {
    return this.#file.readUInt16BE(this.#take(2, what));
  }

  u32(what: string): number {
    return this.#file.readUInt32BE(this.#take(4, what));
  }

  i32(what: string): number {
    return this.#file.readInt32BE(this.#take(4, what));
  }

  /** A number that must be exact as a double: a time. */
  i64(what: string): number {
    const value = Number(this.#file.readBigInt64BE(this.#take(8, what)));
    if (!Number.isSafeInteger(value)) this.fail(`${what} is out of range`);
    return value;
  }

  text(what: string): string {
    const byteCount = this.u16(what);
    const start = this.#take(byteCount, what);
    return this.#file.toString('utf8', start, start + byteCount);
  }

  /** @returns a view, not a copy */
  bytes(byteCount: number, what: string): Buffer {
    const start = this.#take(byteCount, what);
    return this.#file.subarray(start, start + byteCount);
  }

  /** A count of things that take at least `bytesEach`, bounded by the bytes that remain. */
  count(bytesEach: number, what: string): number {
    const value = this.u32(what);
    if (value * bytesEach > this.remaining) this.fail(`${what} ${value} exceeds the bytes left`);
    return value;
  }

  fail(reason: string): never {
    throw storageError('STORAGE_WAL_CORRUPT', `A WAL file is damaged: ${reason}.`, {
      details: { position: this.#at, fileBytes: this.#file.length },
    });
  }

  #take(byteCount: number, what: string): number {
    if (byteCount > this.remaining) this.fail(`${what} is cut short`);
    const start = this.#at;
    this.#at += byteCount;
    return start;
  }
}
