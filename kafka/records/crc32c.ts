/**
 * CRC-32C (Castagnoli), the checksum of record batches, of our files and of S3. Incremental, so
 * that bytes that lie in several chunks are never joined to be summed, and joinable, so that bytes
 * whose checksum is known are not gone through again. Promises no copies.
 */

import { crc32c as nativeCrc32c } from '@node-rs/crc32';

/** The polynomial, and x^0 and x^8, as all here with the lowest power in the highest bit. */
const POLYNOMIAL = 0x82f63b78;
const X_TO_0 = 0x80000000;
const X_TO_8 = 0x00800000;
/** `LENGTH_POWERS[k]` is x^(8 * 2^k): what 2^k zero bytes do to a checksum. */
const LENGTH_POWERS = lengthPowers();

/**
 * @param chunk the bytes to add
 * @param seed the checksum of the bytes before it, 0 at the start
 * @returns the checksum so far, unsigned
 */
export function crc32c(chunk: Uint8Array, seed = 0): number {
  return nativeCrc32c(chunk, seed);
}

/**
 * @param chunks bytes in order
 * @returns the checksum of all of them as if they were joined
 */
export function crc32cOfChunks(chunks: Iterable<Uint8Array>): number {
  let sum = 0;
  for (const chunk of chunks) sum = nativeCrc32c(chunk, sum);
  return sum;
}

/**
 * As zlib's `crc32_combine`: a checksum is a remainder of polynomials, and bytes behind it multiply
 * it by a power of x. Takes a microsecond, like going through 4 KiB.
 *
 * @param first the checksum of the bytes before
 * @param second the checksum of the bytes behind, by themselves
 * @param secondBytes how many bytes these are
 * @returns the checksum of both, as if they were joined
 */
export function joinedCrc32c(first: number, second: number, secondBytes: number): number {
  let shifted = first;
  let bytes = secondBytes;
  for (const power of LENGTH_POWERS) {
    if (bytes === 0) break;
    if (bytes % 2 === 1) shifted = times(power, shifted);
    bytes = Math.floor(bytes / 2);
  }
  return (shifted ^ second) >>> 0;
}

/** @returns the product modulo the polynomial */
function times(left: number, right: number): number {
  let product = 0;
  let shifted = right;
  for (let bit = X_TO_0; bit !== 0; bit >>>= 1) {
    if ((left & bit) !== 0) product ^= shifted;
    shifted = (shifted & 1) === 0 ? shifted >>> 1 : (shifted >>> 1) ^ POLYNOMIAL;
  }
  return product >>> 0;
}

function lengthPowers(): readonly number[] {
  const powers: number[] = [];
  for (let power = X_TO_8; powers.length < 53; power = times(power, power)) powers.push(power);
  return powers;
}
