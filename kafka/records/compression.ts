/**
 * Kafka's compression codecs over whole bodies. What comes in was written by strangers: nothing
 * here takes memory or time beyond named bounds, and bytes that do not decode are an outcome, not
 * an error. LZ4 and Snappy are in their own files, because Kafka frames them in its own ways.
 */

import { constants, gunzipSync, gzipSync, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { joined } from './decompressed.ts';
import type { Decompressed } from './decompressed.ts';
import { compressLz4, decompressLz4 } from './lz4.ts';
import { CODEC } from './record-batch.ts';
import type { CompressionCodec } from './record-batch.ts';
import { compressSnappy, decompressSnappy } from './snappy.ts';

/** What the body of one batch may take when it is looked into: enough for 1 MiB at 32 to 1. */
export const BODY_BYTES_MAX = 32 * 1024 * 1024;
/** A placeholder has three zstd frames; one cost of decoding each is fixed, about 30 µs. */
const ZSTD_FRAMES_MAX = 64;
/** Deflate begins to give bytes out after its code tables, which take a few hundred at most. */
const GZIP_PREFIX_INPUT_BYTES = 1024;
/** The largest block of any codec, which is LZ4's; Kafka's own encoders stay at 128 KiB. */
const PREFIX_OUTPUT_BYTES_MAX = 4 * 1024 * 1024;

const ENCODERS: Readonly<Record<CompressionCodec, (body: Buffer) => Buffer>> = {
  [CODEC.none]: (body) => body,
  [CODEC.gzip]: (body) => gzipSync(body),
  [CODEC.snappy]: compressSnappy,
  [CODEC.lz4]: compressLz4,
  [CODEC.zstd]: (body) => zstdCompressSync(body),
};

/**
 * @param codec number from the batch's attributes
 * @param body the batch's bytes after its header
 * @param bytesMax what the result may take; LZ4 may take one block more while it decodes
 * @returns the records, or why there are none; with `CODEC.none` the very buffer that came in
 */
export function decompress(codec: number, body: Buffer, bytesMax: number): Decompressed {
  switch (codec) {
    case CODEC.none:
      return body.length > bytesMax ? { kind: 'too-large' } : { kind: 'body', body };
    case CODEC.gzip:
      return zlibOutcome(() => gunzipSync(body, { maxOutputLength: bytesMax }));
    case CODEC.snappy:
      return decompressSnappy(body, bytesMax);
    case CODEC.lz4:
      return decompressLz4(body, bytesMax);
    case CODEC.zstd:
      return decompressZstd(body, bytesMax);
    default:
      return { kind: 'corrupt', reason: `codec ${codec} is not assigned` };
  }
}

/**
 * Decodes only the first block of a body (of gzip, its first bytes): enough for a short first
 * record.
 *
 * @param codec number from the batch's attributes
 * @param body the batch's bytes after its header
 * @returns the beginning of the records, of no certain length, or why there is none
 */
export function decompressPrefix(codec: number, body: Buffer): Decompressed {
  switch (codec) {
    case CODEC.none:
      return { kind: 'body', body };
    case CODEC.gzip: {
      const input = body.subarray(0, GZIP_PREFIX_INPUT_BYTES);
      const finishFlush = constants.Z_SYNC_FLUSH;
      const maxOutputLength = PREFIX_OUTPUT_BYTES_MAX;
      return zlibOutcome(() => gunzipSync(input, { finishFlush, maxOutputLength }));
    }
    case CODEC.snappy:
      return decompressSnappy(body, PREFIX_OUTPUT_BYTES_MAX, { firstBlockOnly: true });
    case CODEC.lz4:
      return decompressLz4(body, PREFIX_OUTPUT_BYTES_MAX, { firstBlockOnly: true });
    case CODEC.zstd: {
      const input = body.subarray(0, zstdFirstBlockEnd(body));
      const finishFlush = constants.ZSTD_e_flush;
      const maxOutputLength = PREFIX_OUTPUT_BYTES_MAX;
      return zlibOutcome(() => zstdDecompressSync(input, { finishFlush, maxOutputLength }));
    }
    default:
      return { kind: 'corrupt', reason: `codec ${codec} is not assigned` };
  }
}

/** @returns the body as a Kafka client would send it; with `CODEC.none` the very same buffer */
export function compress(codec: CompressionCodec, body: Buffer): Buffer {
  return ENCODERS[codec](body);
}

/** Node's decoder stops at the end of a frame, while Kafka's readers go on with the next. */
function decompressZstd(body: Buffer, bytesMax: number): Decompressed {
  const parts: Buffer[] = [];
  let bytesLeft = bytesMax;
  let rest = body;
  for (let frames = 0; frames < ZSTD_FRAMES_MAX; frames++) {
    let consumed = 0;
    const outcome = zlibOutcome(() => {
      const options = { info: true, maxOutputLength: Math.max(bytesLeft, 1) };
      // The types do not know that `info` changes the result, which Node documents.
      const result = zstdDecompressSync(rest, options) as unknown as ZstdInfo;
      consumed = result.engine.bytesWritten;
      return result.buffer;
    });
    if (outcome.kind !== 'body') return outcome;
    bytesLeft -= outcome.body.length;
    if (bytesLeft < 0) return { kind: 'too-large' };
    parts.push(outcome.body);
    rest = rest.subarray(consumed);
    if (rest.length === 0) return joined(parts);
  }
  return { kind: 'too-large' };
}

interface ZstdInfo {
  readonly buffer: Buffer;
  readonly engine: { readonly bytesWritten: number };
}

/** Where the first block of the first frame ends (RFC 8878, 3.1.1), as far as it can be told. */
function zstdFirstBlockEnd(body: Buffer): number {
  const descriptor = body[4] ?? 0;
  const singleSegment = (descriptor & 0x20) !== 0;
  const dictionaryIdBytes = [0, 1, 2, 4][descriptor & 0x03] ?? 0;
  const contentSizeBytes = [singleSegment ? 1 : 0, 2, 4, 8][descriptor >> 6] ?? 0;
  const blockAt = 5 + (singleSegment ? 0 : 1) + dictionaryIdBytes + contentSizeBytes;
  if (blockAt + 3 > body.length) return body.length;
  const blockHeader = body.readUIntLE(blockAt, 3);
  const isRunLength = ((blockHeader >> 1) & 0x03) === 1;
  return blockAt + 3 + (isRunLength ? 1 : blockHeader >> 3);
}

/** Turns what zlib throws into an outcome: the bytes are a stranger's, so failing is expected. */
function zlibOutcome(decode: () => Buffer): Decompressed {
  try {
    return { kind: 'body', body: decode() };
  } catch (error) {
    if (!(error instanceof Error) || !('code' in error)) throw error;
    if (error.code === 'ERR_BUFFER_TOO_LARGE') return { kind: 'too-large' };
    return { kind: 'corrupt', reason: error.message };
  }
}
