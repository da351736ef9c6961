/**
 * CRC-32C (Castagnoli), the checksum of record batches, of our files and of S3. Incremental, so
 * that bytes that lie in several chunks are never joined to be summed. Promises no copies.
 */

import { crc32c as nativeCrc32c } from '@node-rs/crc32';

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
