/**
 * Snappy as Kafka frames it: snappy-java's stream (the "xerial" framing: a header, then blocks with
 * a length each), or, from some clients, one raw Snappy block. Owns the framing; the `snappy`
 * package has the codec.
 */

import { compressSync, uncompressSync } from 'snappy';
import { BLOCKS_MAX, corrupt, joined } from './decompressed.ts';
import type { Decompressed, DecompressOptions } from './decompressed.ts';

const XERIAL_MAGIC = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00]);
/** The magic, then version and compatible version, 32 bits each. */
const XERIAL_HEADER_BYTES = 16;
const XERIAL_VERSION = 1;
/** snappy-java's default block size, which Kafka uses. */
const BLOCK_BYTES = 32 * 1024;
const LENGTH_BYTES = 4;

/**
 * @param body the batch's bytes after its header
 * @param bytesMax what the result may take
 * @param options how much of it is wanted
 * @returns the records, or why there are none
 */
export function decompressSnappy(
  body: Buffer,
  bytesMax: number,
  options: DecompressOptions = {},
): Decompressed {
  if (!body.subarray(0, XERIAL_MAGIC.length).equals(XERIAL_MAGIC))
    return decodeBlock(body, bytesMax);
  const parts: Buffer[] = [];
  let bytesLeft = bytesMax;
  let at = XERIAL_HEADER_BYTES;
  for (let blocks = 0; at < body.length; blocks++) {
    if (blocks === BLOCKS_MAX) return { kind: 'too-large' };
    if (at + LENGTH_BYTES > body.length) return corrupt('snappy stream ends in a block length');
    const blockBytes = body.readInt32BE(at);
    at += LENGTH_BYTES;
    if (blockBytes < 0 || blockBytes > body.length - at) return corrupt('snappy block too long');
    const block = decodeBlock(body.subarray(at, at + blockBytes), bytesLeft);
    if (block.kind !== 'body') return block;
    at += blockBytes;
    bytesLeft -= block.body.length;
    parts.push(block.body);
    if (options.firstBlockOnly === true) break;
  }
  return joined(parts);
}

/** @returns the body in snappy-java's framing */
export function compressSnappy(body: Buffer): Buffer {
  const header = Buffer.alloc(XERIAL_HEADER_BYTES);
  XERIAL_MAGIC.copy(header);
  header.writeInt32BE(XERIAL_VERSION, XERIAL_MAGIC.length);
  header.writeInt32BE(XERIAL_VERSION, XERIAL_MAGIC.length + 4);
  const parts: Buffer[] = [header];
  for (let at = 0; at < body.length; at += BLOCK_BYTES) {
    const block = compressSync(body.subarray(at, at + BLOCK_BYTES));
    const length = Buffer.allocUnsafe(LENGTH_BYTES);
    length.writeInt32BE(block.length);
    parts.push(length, block);
  }
  return Buffer.concat(parts);
}

/** A block begins with its decoded length, so that a bomb is known before it is decoded. */
function decodeBlock(block: Buffer, bytesMax: number): Decompressed {
  const decodedBytes = readDecodedBytes(block);
  if (decodedBytes > bytesMax) return { kind: 'too-large' };
  try {
    const body = uncompressSync(block);
    return typeof body === 'string' ? corrupt('not bytes') : { kind: 'body', body };
  } catch (error) {
    return corrupt(error instanceof Error ? error.message : String(error));
  }
}

/** An unsigned varint of at most 32 bits; what the codec will refuse may come out as anything. */
function readDecodedBytes(block: Buffer): number {
  let bytes = 0;
  for (let index = 0; index < 5; index++) {
    const byte = block[index] ?? 0;
    bytes += (byte & 0x7f) * 2 ** (7 * index);
    if (byte < 0x80) break;
  }
  return bytes;
}
