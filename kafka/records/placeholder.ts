/**
 * Placeholder batches (DESIGN §5): the hollow v2 batch that stands in the broker's log for a real
 * one. Builds them from validated batches and knows them again in whatever form a broker returns
 * them. Knows nothing of object storage. Reading costs next to nothing on real batches, because it
 * runs on every batch of every fetch.
 */

import { strict as assert } from 'node:assert';
import { constants, zstdCompressSync } from 'node:zlib';
import { LRUCache } from 'lru-cache';
import { hasCode } from '../outrigger-error.ts';
import { decompressPrefix } from './compression.ts';
import type { KeyRing, Pointer, UnknownPointer } from './pointer.ts';
import { POINTER_BYTES, POINTER_MARKER } from './pointer.ts';
import {
  ATTRIBUTE,
  BATCH_FIELD,
  BATCH_HEADER_BYTES,
  BATCH_LENGTH_OVERHEAD_BYTES,
  CODEC,
  MAGIC_V2,
  baseTimestamp,
  batchAttributes,
  batchBytes,
  batchCrc,
  batchMagic,
  codecOf,
  computeBatchCrc,
  isControl,
  recordCount,
} from './record-batch.ts';
import { VarintCursor, varintBytes, varlongBytes, writeVarint, writeVarlong } from './varint.ts';

export interface PlaceholderInput {
  /** Exactly one batch, valid as `validateBatch` says. */
  readonly realBatch: Buffer;
  /** The object that the batch is in. */
  readonly fileId: bigint;
  /** Where in it the batch begins, in bytes. */
  readonly position: number;
  /** The largest timestamp of the real batch's records, as `validateBatch` found it. */
  readonly maxTimestamp: bigint;
  readonly topic: string;
  readonly partition: number;
  readonly keyRing: KeyRing;
  /** Whether the broker takes zstd, which it does from Produce v7 on. */
  readonly zstd: boolean;
}

/** What a batch in a broker's log is. */
export type PlaceholderReading =
  /** A batch that a client or the broker itself wrote: passed on as it is. */
  | { readonly kind: 'real' }
  | { readonly kind: 'placeholder'; readonly pointer: Pointer }
  | UnknownPointer;

export interface ReadPlaceholderInput {
  /** Buffer with the batch, of any message format. */
  readonly buf: Buffer;
  /** Where the batch, all of which is there, begins. */
  readonly at: number;
  /** Null if its name is not known: what looks like a placeholder is then `unknown`. */
  readonly topic: string | null;
  readonly partition: number;
  readonly keyRing: KeyRing;
  /** Whether to look into bodies that the broker may have compressed anew. */
  readonly deep: boolean;
}

/** Up to here the plain body is about as small as the three frames. */
const PLAIN_RECORDS_MAX = 24;
/** The key of all records but the first: not null, so that compacted topics take them. */
const MARKER_KEY = Buffer.from('o');
/** A record with varints of the largest size: length, attributes, timestamp, offset, key, rest. */
const HOLLOW_RECORD_BYTES_MAX = 5 + 1 + 10 + 5 + 2 + 2;
const POINTER_RECORD_BYTES_MAX = HOLLOW_RECORD_BYTES_MAX + POINTER_BYTES;
/** Records between the first and the last have timestamp delta 0. */
const MIDDLE_RECORD_BYTES_MAX = HOLLOW_RECORD_BYTES_MAX - 9;

/** A frame of one segment, its size in one byte, holding one raw block (RFC 8878). */
const RAW_FRAME_HEADER_BYTES = 9;
const ZSTD_MAGIC = 0xfd2fb528;
const RAW_FRAME_DESCRIPTOR = 0x20;
const LAST_RAW_BLOCK = 1;
/** Levels 1 to 9 differ by 2 % in size here and by 5 times in CPU. */
const ZSTD_LEVEL = 1;
const ZSTD_PARAMS = { [constants.ZSTD_c_compressionLevel]: ZSTD_LEVEL };
const MIDDLE_FRAMES_BYTES_MAX = 8 * 1024 * 1024;
const CACHE_ENTRY_BYTES = 200;

/** Frames of the records between the first and the last, by the batch's record count. */
const middleFrames = new LRUCache<number, Buffer>({
  maxSize: MIDDLE_FRAMES_BYTES_MAX,
  sizeCalculation: (frame) => frame.length + CACHE_ENTRY_BYTES,
});

const REAL: PlaceholderReading = { kind: 'real' };

/**
 * @param input the real batch, where it was put and where its placeholder goes
 * @returns the placeholder batch, with base offset and leader epoch as the real one has them
 */
export function buildPlaceholder(input: PlaceholderInput): Buffer {
  const { realBatch } = input;
  const count = recordCount(realBatch);
  assert(count > 0 && batchBytes(realBatch) === realBatch.length);
  const framed = input.zstd && count > PLAIN_RECORDS_MAX;
  const pointer = input.keyRing.encodePointer(
    pointerTo(realBatch, input.fileId, input.position),
    input.topic,
    input.partition,
  );
  const lastDelta = BigInt.asIntN(64, input.maxTimestamp - baseTimestamp(realBatch));
  const body = framed
    ? framedBody(pointer, count, lastDelta)
    : plainBody(pointer, count, lastDelta);
  return withHeader(body, realBatch, input.maxTimestamp, framed ? CODEC.zstd : CODEC.none);
}

/**
 * @param realBatch exactly one batch
 * @param fileId the object that it is in
 * @param position where in it the batch begins, in bytes
 */
export function pointerTo(realBatch: Buffer, fileId: bigint, position: number): Pointer {
  return {
    fileId,
    position,
    length: realBatch.length,
    attributes: batchAttributes(realBatch),
    crc: batchCrc(realBatch),
  };
}

/**
 * @param count records of the real batch
 * @param zstd whether the broker takes zstd
 * @returns about the bytes that the placeholder will have, for the choice whether it is worth one
 */
export function estimatePlaceholderBytes(count: number, zstd: boolean): number {
  const first = BATCH_HEADER_BYTES + 8 + POINTER_BYTES;
  if (!zstd || count <= PLAIN_RECORDS_MAX) return first + (count - 1) * hollowBytes(count);
  const frames = 2 * RAW_FRAME_HEADER_BYTES + hollowBytes(count);
  // Measured: 209 bytes for 25 records, 357 for 150, 4,422 for 5,000.
  return first + frames + 50 + Math.ceil(count * 0.9);
}

/**
 * Knows a placeholder that the broker has patched, compressed anew or compacted. A batch whose
 * records are malformed is `real`: it is not ours, and whoever reads it will say so.
 *
 * @param input the batch, where it was read from, the keys, how hard to look
 */
export function readPlaceholder(input: ReadPlaceholderInput): PlaceholderReading {
  const { buf, at } = input;
  if (batchMagic(buf, at) !== MAGIC_V2) return REAL;
  const attributes = batchAttributes(buf, at);
  if (isControl(attributes) || recordCount(buf, at) === 0) return REAL;
  const key = firstKey(buf, at, codecOf(attributes), input.deep);
  if (key === undefined) return REAL;
  const reading = input.keyRing.decodePointer(key, input.topic, input.partition);
  if (reading.kind === 'none') return REAL;
  return reading.kind === 'unknown' ? reading : { kind: 'placeholder', pointer: reading.pointer };
}

/** @returns the first record's key if it begins as a pointer does, wherever it can be seen */
function firstKey(buf: Buffer, at: number, codec: number, deep: boolean): Buffer | undefined {
  const end = at + batchBytes(buf, at);
  const bodyAt = at + BATCH_HEADER_BYTES;
  if (codec === CODEC.none) return markedKey(buf, bodyAt, end);
  if (codec === CODEC.zstd && isRawFrame(buf, bodyAt, end)) {
    return markedKey(buf, bodyAt + RAW_FRAME_HEADER_BYTES, end);
  }
  if (!deep || end - at > hollowBatchBytesMax(recordCount(buf, at))) return undefined;
  const prefix = decompressPrefix(codec, buf.subarray(bodyAt, end));
  return prefix.kind === 'body' ? markedKey(prefix.body, 0, prefix.body.length) : undefined;
}

/**
 * What `count` hollow records may take in the worst codec, whose frames grow what they cannot
 * shrink.
 */
function hollowBatchBytesMax(count: number): number {
  return 512 + 16 * count;
}

function isRawFrame(buf: Buffer, at: number, end: number): boolean {
  return (
    end - at > RAW_FRAME_HEADER_BYTES &&
    buf.readUInt32LE(at) === ZSTD_MAGIC &&
    buf[at + 4] === RAW_FRAME_DESCRIPTOR &&
    (buf.readUInt8(at + 6) & 0x07) === LAST_RAW_BLOCK
  );
}

/** @returns a view of the key of the record at `at` if it begins with the marker */
function markedKey(body: Buffer, at: number, end: number): Buffer | undefined {
  const cursor = new VarintCursor(body, at, end);
  try {
    cursor.readVarint(); // the record's length
    cursor.at += 1; // its attributes
    cursor.readVarlong(); // timestamp delta
    cursor.readVarint(); // offset delta
    const keyBytes = cursor.readVarint();
    if (body[cursor.at] !== POINTER_MARKER[0]) return undefined;
    if (keyBytes < POINTER_MARKER.length || keyBytes > end - cursor.at) return undefined;
    return body.subarray(cursor.at, cursor.at + keyBytes);
  } catch (error) {
    if (hasCode(error, 'KAFKA_BATCH_CORRUPT')) return undefined;
    throw error;
  }
}

/** The real batch's header, but for what DESIGN §5 leaves out, over a hollow body. */
function withHeader(body: Buffer, real: Buffer, maxTimestamp: bigint, codec: number): Buffer {
  const batch = Buffer.allocUnsafe(BATCH_HEADER_BYTES + body.length);
  real.copy(batch, 0, 0, BATCH_HEADER_BYTES);
  body.copy(batch, BATCH_HEADER_BYTES);
  const kept = batchAttributes(real) & (ATTRIBUTE.logAppendTime | ATTRIBUTE.transactional);
  batch.writeInt32BE(batch.length - BATCH_LENGTH_OVERHEAD_BYTES, BATCH_FIELD.length);
  batch.writeUInt16BE(kept | codec, BATCH_FIELD.attributes);
  batch.writeBigInt64BE(maxTimestamp, BATCH_FIELD.maxTimestamp);
  batch.writeUInt32BE(computeBatchCrc(batch, 0, batch.length), BATCH_FIELD.crc);
  return batch;
}

function plainBody(pointer: Buffer, count: number, lastDelta: bigint): Buffer {
  const bytesMax = POINTER_RECORD_BYTES_MAX + HOLLOW_RECORD_BYTES_MAX + middleBytesMax(count);
  const out = Buffer.allocUnsafe(bytesMax);
  let at = writeRecord(out, 0, 0, count === 1 ? lastDelta : 0n, pointer);
  at = writeMiddle(out, at, count);
  if (count > 1) at = writeRecord(out, at, count - 1, lastDelta, MARKER_KEY);
  return out.subarray(0, at);
}

/** Three frames: only the outer two differ between batches of one count. */
function framedBody(pointer: Buffer, count: number, lastDelta: bigint): Buffer {
  const middle = middleFrame(count);
  const outerBytesMax = POINTER_RECORD_BYTES_MAX + HOLLOW_RECORD_BYTES_MAX;
  const bytesMax = 2 * RAW_FRAME_HEADER_BYTES + outerBytesMax + middle.length;
  const out = Buffer.allocUnsafe(bytesMax);
  let at = writeRawFrame(out, 0, 0, 0n, pointer);
  at += middle.copy(out, at);
  at = writeRawFrame(out, at, count - 1, lastDelta, MARKER_KEY);
  return out.subarray(0, at);
}

function middleFrame(count: number): Buffer {
  const cached = middleFrames.get(count);
  if (cached !== undefined) return cached;
  const hollow = Buffer.allocUnsafe(middleBytesMax(count));
  const bytes = writeMiddle(hollow, 0, count);
  const frame = zstdCompressSync(hollow.subarray(0, bytes), { params: ZSTD_PARAMS });
  middleFrames.set(count, frame);
  return frame;
}

function middleBytesMax(count: number): number {
  return Math.max(count - 2, 0) * MIDDLE_RECORD_BYTES_MAX;
}

/** Writes the records between the first and the last of `count`. */
function writeMiddle(out: Buffer, at: number, count: number): number {
  for (let delta = 1; delta < count - 1; delta++) {
    at = writeVarint(out, at, 6 + varintBytes(delta));
    out[at++] = 0; // attributes
    out[at++] = 0; // timestamp delta
    at = writeVarint(out, at, delta);
    at = writeKeyAndEnd(out, at, MARKER_KEY);
  }
  return at;
}

function writeRecord(out: Buffer, at: number, delta: number, time: bigint, key: Buffer): number {
  const keyBytes = varintBytes(key.length) + key.length;
  at = writeVarint(out, at, 1 + varlongBytes(time) + varintBytes(delta) + keyBytes + 2);
  out[at++] = 0; // attributes
  at = writeVarlong(out, at, time);
  at = writeVarint(out, at, delta);
  return writeKeyAndEnd(out, at, key);
}

function writeKeyAndEnd(out: Buffer, at: number, key: Buffer): number {
  at = writeVarint(out, at, key.length);
  at += key.copy(out, at);
  out[at++] = 0; // an empty value: a null would read as a tombstone
  out[at++] = 0; // no headers
  return at;
}

function writeRawFrame(out: Buffer, at: number, delta: number, time: bigint, key: Buffer): number {
  const end = writeRecord(out, at + RAW_FRAME_HEADER_BYTES, delta, time, key);
  const bytes = end - at - RAW_FRAME_HEADER_BYTES;
  out.writeUInt32LE(ZSTD_MAGIC, at);
  out[at + 4] = RAW_FRAME_DESCRIPTOR;
  out[at + 5] = bytes;
  out.writeUIntLE(LAST_RAW_BLOCK | (bytes << 3), at + 6, 3);
  return end;
}

/** Bytes of the largest hollow record of `count`. */
function hollowBytes(count: number): number {
  return 7 + varintBytes(count - 1);
}
