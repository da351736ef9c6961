/**
 * LZ4 frames as Kafka reads them (`Lz4BlockInputStream`): one frame of independent blocks, header
 * and block checksums verified, the content checksum not. The frame is walked here, because the
 * package decodes frames only whole and without a bound; it does decode the blocks. Old formats
 * (v0, v1) had a wrong header checksum: they are not read here.
 */

import { xxh32 } from '@node-rs/xxhash';
import { compressFrameSync, uncompressSync } from 'lz4-napi';
import { BLOCKS_MAX, corrupt, joined } from './decompressed.ts';
import type { Decompressed, DecompressOptions } from './decompressed.ts';

const FRAME_MAGIC = 0x184d2204;
const FLAG = { blockIndependence: 0x20, blockChecksum: 0x10, contentSize: 0x08 } as const;
/** The version's two bits and the reserved ones, and what they must be. */
const FIXED_FLAGS_MASK = 0xc3;
const FIXED_FLAGS = 0x40;
const BLOCK_BYTES_BY_CODE = [0, 0, 0, 0, 64 * 1024, 256 * 1024, 1024 * 1024, 4 * 1024 * 1024];
const WORD_BYTES = 4;
const UNCOMPRESSED_BIT = 0x80000000;
/** One byte of a block decodes to at most 255, give or take the last literals. */
const RATIO_MAX = 255;

interface FrameHeader {
  readonly blocksAt: number;
  readonly blockBytesMax: number;
  readonly hasBlockChecksums: boolean;
}

/**
 * @param body the batch's bytes after its header
 * @param bytesMax what the result may take; one block (up to 4 MiB) more while it decodes
 * @param options how much of it is wanted
 * @returns the records, or why there are none
 */
export function decompressLz4(
  body: Buffer,
  bytesMax: number,
  options: DecompressOptions = {},
): Decompressed {
  const header = readFrameHeader(body);
  if (header === undefined) return corrupt('not an LZ4 frame that Kafka reads');
  const parts: Buffer[] = [];
  let bytesLeft = bytesMax;
  let at = header.blocksAt;
  for (let blocks = 0; at + WORD_BYTES <= body.length; blocks++) {
    if (blocks === BLOCKS_MAX) return { kind: 'too-large' };
    const word = body.readUInt32LE(at);
    if (word === 0) return joined(parts);
    at += WORD_BYTES;
    const blockBytes = word % UNCOMPRESSED_BIT;
    if (blockBytes > header.blockBytesMax) return corrupt('LZ4 block too long');
    const end = at + blockBytes;
    const nextAt = end + (header.hasBlockChecksums ? WORD_BYTES : 0);
    if (nextAt > body.length) return corrupt('LZ4 frame ends in a block');
    const block = body.subarray(at, end);
    if (header.hasBlockChecksums && xxh32(block) !== body.readUInt32LE(end)) {
      return corrupt('LZ4 block checksum');
    }
    const decoded = word >= UNCOMPRESSED_BIT ? block : decodeBlock(block, header.blockBytesMax);
    if (decoded === undefined) return corrupt('LZ4 block');
    bytesLeft -= decoded.length;
    if (bytesLeft < 0) return { kind: 'too-large' };
    parts.push(decoded);
    if (options.firstBlockOnly === true) return joined(parts);
    at = nextAt;
  }
  return corrupt('LZ4 frame without an end');
}

/** @returns the body as one LZ4 frame of independent blocks */
export function compressLz4(body: Buffer): Buffer {
  return compressFrameSync(body);
}

/**
 * magic · FLG · BD · [content size] · header checksum, as `Lz4BlockInputStream.readHeader` takes
 * it.
 */
function readFrameHeader(body: Buffer): FrameHeader | undefined {
  if (body.length < 7 || body.readUInt32LE(0) !== FRAME_MAGIC) return undefined;
  const flags = body.readUInt8(4);
  const isIndependent = (flags & FLAG.blockIndependence) !== 0;
  if (!isIndependent || (flags & FIXED_FLAGS_MASK) !== FIXED_FLAGS) return undefined;
  const blockBytesMax = BLOCK_BYTES_BY_CODE[(body.readUInt8(5) >> 4) & 0x07] ?? 0;
  if (blockBytesMax === 0) return undefined;
  const checksumAt = 6 + ((flags & FLAG.contentSize) === 0 ? 0 : 8);
  if (checksumAt >= body.length) return undefined;
  const checksum = (xxh32(body.subarray(4, checksumAt)) >>> 8) & 0xff;
  if (checksum !== body[checksumAt]) return undefined;
  const hasBlockChecksums = (flags & FLAG.blockChecksum) !== 0;
  return { blocksAt: checksumAt + 1, blockBytesMax, hasBlockChecksums };
}

/** The package wants the room that the result may need in front of the block. */
function decodeBlock(block: Buffer, blockBytesMax: number): Buffer | undefined {
  const sized = Buffer.allocUnsafe(WORD_BYTES + block.length);
  sized.writeUInt32LE(Math.min(blockBytesMax, (block.length + 1) * RATIO_MAX));
  block.copy(sized, WORD_BYTES);
  try {
    return uncompressSync(sized);
  } catch {
    // The codec tells only that the block is malformed, which is all that the caller needs.
    return undefined;
  }
}
