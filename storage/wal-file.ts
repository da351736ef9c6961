/**
 * The WAL file: batches of many partitions in one object, written by one member in one go.
 *
 *     header  magic u64 · version u16 · member i32 · created ms i64 · cluster id (u16 + UTF-8)
 *     frames  magic u32 · topic (u16 + UTF-8) · partition i32 · length u32 · batch bytes
 *     footer  partition count u32, then per partition: topic (u16 + UTF-8) · partition i32 ·
 *             frame count u32 · per frame: position u32 · length u32
 *     end     CRC32C of all before it u32 · footer bytes u32 (this end included) · magic u64
 *
 * All integers are big-endian. Frames are grouped by partition, in the order given within one.
 * A frame's position is that of its magic, its length that of the batch bytes alone; both are what
 * a placeholder's pointer holds. Everything here is a pure function of its arguments.
 */
import assert from 'node:assert/strict';
import { crc32c } from '@node-rs/crc32';
import { storageError } from './errors.ts';
import { WalReader } from './wal-reader.ts';

/** Positions are u32 and readers fetch a file whole: far above any sensible `wal.max.bytes`. */
export const WAL_FILE_BYTES_MAX = 1024 * 1024 * 1024;
export const WAL_FILE_VERSION = 1;

const FILE_MAGIC = Buffer.from('OUTRGWAL', 'latin1');
const END_MAGIC = Buffer.from('OUTRGEND', 'latin1');
const FRAME_MAGIC = 0x4f524652;
const HEADER_FIXED_BYTES = 8 + 2 + 4 + 8 + 2;
const FRAME_FIXED_BYTES = 4 + 2 + 4 + 4;
const GROUP_FIXED_BYTES = 2 + 4 + 4;
const GROUP_FRAME_BYTES = 4 + 4;
const END_BYTES = 4 + 4 + 8;

/** One partition's batch on its way into a WAL file; the bytes are copied. */
export interface WalBatch {
  readonly topic: string;
  readonly partition: number;
  readonly bytes: Buffer;
}

export interface WalFileInput {
  readonly clusterId: string;
  readonly memberId: number;
  readonly createdMs: number;
  readonly batches: readonly WalBatch[];
}

export interface BuiltWalFile {
  readonly file: Buffer;
  /** Of the whole file, end included: the checksum to send along with the upload. */
  readonly crc32c: number;
  /** `positions[i]` is the position of the frame of `batches[i]`. */
  readonly positions: readonly number[];
}

/** Where a frame begins, and the bytes of the batch in it. */
export interface WalFrame {
  readonly position: number;
  readonly length: number;
}

export interface WalPartition {
  readonly topic: string;
  readonly partition: number;
  readonly frames: readonly WalFrame[];
}

export interface ParsedWalFile {
  readonly version: number;
  readonly clusterId: string;
  readonly memberId: number;
  readonly createdMs: number;
  readonly partitions: readonly WalPartition[];
}

/** A batch being placed: which one of the input it is, and where its frame went. */
interface Placed {
  readonly index: number;
  readonly bytes: Buffer;
  position: number;
}

interface Group {
  readonly topic: string;
  readonly topicBytes: number;
  readonly partition: number;
  readonly placed: Placed[];
}

/**
 * @param topic the topic's name
 * @param length bytes of the batch
 * @returns bytes of the whole frame, so that a ranged read can fetch exactly one
 */
export function walFrameBytes(topic: string, length: number): number {
  return FRAME_FIXED_BYTES + Buffer.byteLength(topic) + length;
}

/**
 * Lays out a file with one allocation and one copy of each batch.
 *
 * @param input at least one batch; all of them together below `WAL_FILE_BYTES_MAX`
 */
export function buildWalFile(input: WalFileInput): BuiltWalFile {
  const { batches } = input;
  assert(batches.length > 0, 'a WAL file holds at least one batch');
  const groups = groupByPartition(batches);
  const clusterIdBytes = Buffer.byteLength(input.clusterId);
  let framesBytes = 0;
  let footerBytes = 4 + END_BYTES;
  for (const group of groups) {
    footerBytes += GROUP_FIXED_BYTES + group.topicBytes;
    footerBytes += group.placed.length * GROUP_FRAME_BYTES;
    framesBytes += group.placed.length * (FRAME_FIXED_BYTES + group.topicBytes);
  }
  for (const { bytes } of batches) framesBytes += bytes.length;
  const fileBytes = HEADER_FIXED_BYTES + clusterIdBytes + framesBytes + footerBytes;
  assert(fileBytes <= WAL_FILE_BYTES_MAX, `a WAL file of ${fileBytes} bytes is too large`);

  const file = Buffer.allocUnsafeSlow(fileBytes);
  let at = writeHeader(file, input, clusterIdBytes);
  for (const group of groups) at = writeFrames(file, at, group);
  at = writeIndex(file, at, groups);
  assert.equal(at, fileBytes - END_BYTES, 'the layout was computed wrongly');

  const inner = crc32c(file.subarray(0, at));
  file.writeUInt32BE(inner, at);
  file.writeUInt32BE(footerBytes, at + 4);
  END_MAGIC.copy(file, at + 8);
  const positions = Array.from(batches, () => 0);
  for (const { placed } of groups) {
    for (const { index, position } of placed) positions[index] = position;
  }
  return { file, crc32c: crc32c(file.subarray(at), inner), positions };
}

/**
 * One batch, checked against what the pointer to it says. The batch's own CRC is the caller's to
 * check.
 *
 * @param file a whole file, or the bytes of a ranged read
 * @param position of the frame within `file`
 * @param length bytes of the batch
 * @returns a view into `file`
 * @throws `STORAGE_WAL_CORRUPT` unless that very frame is there, whole
 */
export function readWalFrame(
  file: Buffer,
  position: number,
  length: number,
  topic: string,
  partition: number,
): Buffer {
  const reader = new WalReader(file, position, file.length);
  if (reader.u32('frame magic') !== FRAME_MAGIC) reader.fail('no frame begins here');
  if (reader.text('topic') !== topic) reader.fail(`the frame is not of topic ${topic}`);
  if (reader.i32('partition') !== partition) reader.fail(`the frame is not of ${partition}`);
  if (reader.u32('length') !== length) reader.fail(`the frame does not hold ${length} bytes`);
  return reader.bytes(length, 'batch');
}

/**
 * What a file says of itself: header and index, after checking its CRC32C and that each frame
 * named by the index is there.
 *
 * @throws `STORAGE_WAL_CORRUPT` for anything but a whole, undamaged file
 * @throws `STORAGE_FORMAT_UNKNOWN` for a version that is not known
 */
export function parseWalFile(file: Buffer): ParsedWalFile {
  const end = new WalReader(file, file.length - END_BYTES, file.length);
  const expected = end.u32('CRC32C');
  const footerBytes = end.u32('footer length');
  if (!end.bytes(END_MAGIC.length, 'end magic').equals(END_MAGIC)) {
    end.fail('the end magic is missing: the file is cut short or is no WAL file');
  }
  const endPosition = file.length - END_BYTES;
  if (crc32c(file.subarray(0, endPosition)) !== expected) end.fail('CRC32C mismatch');

  const reader = new WalReader(file, 0, endPosition);
  if (!reader.bytes(FILE_MAGIC.length, 'magic').equals(FILE_MAGIC)) reader.fail('no WAL file');
  const version = reader.u16('version');
  if (version !== WAL_FILE_VERSION) {
    throw storageError(
      'STORAGE_FORMAT_UNKNOWN',
      `A WAL file has format version ${version}; this version of Outrigger knows ` +
        `${WAL_FILE_VERSION}. Upgrade this process.`,
      { details: { version } },
    );
  }
  const memberId = reader.i32('member');
  const createdMs = reader.i64('creation time');
  const clusterId = reader.text('cluster id');
  const footer = new WalReader(file, file.length - footerBytes, endPosition);
  const partitions = readIndex(file, footer);
  return { version, clusterId, memberId, createdMs, partitions };
}

function groupByPartition(batches: readonly WalBatch[]): Group[] {
  const groups = new Map<string, Group>();
  for (const [index, { topic, partition, bytes }] of batches.entries()) {
    const name = `${partition}/${topic}`;
    let group = groups.get(name);
    if (group === undefined) {
      group = { topic, topicBytes: Buffer.byteLength(topic), partition, placed: [] };
      groups.set(name, group);
    }
    group.placed.push({ index, bytes, position: 0 });
  }
  return [...groups.values()];
}

function writeText(file: Buffer, at: number, text: string, byteCount: number): number {
  file.writeUInt16BE(byteCount, at);
  file.write(text, at + 2);
  return at + 2 + byteCount;
}

function writeHeader(file: Buffer, input: WalFileInput, clusterIdBytes: number): number {
  FILE_MAGIC.copy(file, 0);
  file.writeUInt16BE(WAL_FILE_VERSION, 8);
  file.writeInt32BE(input.memberId, 10);
  file.writeBigInt64BE(BigInt(input.createdMs), 14);
  return writeText(file, 22, input.clusterId, clusterIdBytes);
}

function writeFrames(file: Buffer, start: number, group: Group): number {
  let at = start;
  for (const placed of group.placed) {
    placed.position = at;
    file.writeUInt32BE(FRAME_MAGIC, at);
    at = writeText(file, at + 4, group.topic, group.topicBytes);
    file.writeInt32BE(group.partition, at);
    file.writeUInt32BE(placed.bytes.length, at + 4);
    placed.bytes.copy(file, at + 8);
    at += 8 + placed.bytes.length;
  }
  return at;
}

function writeIndex(file: Buffer, start: number, groups: readonly Group[]): number {
  file.writeUInt32BE(groups.length, start);
  let at = start + 4;
  for (const group of groups) {
    at = writeText(file, at, group.topic, group.topicBytes);
    file.writeInt32BE(group.partition, at);
    file.writeUInt32BE(group.placed.length, at + 4);
    at += 8;
    for (const { position, bytes } of group.placed) {
      file.writeUInt32BE(position, at);
      file.writeUInt32BE(bytes.length, at + 4);
      at += GROUP_FRAME_BYTES;
    }
  }
  return at;
}

function readIndex(file: Buffer, reader: WalReader): WalPartition[] {
  const partitions: WalPartition[] = [];
  const partitionCount = reader.count(GROUP_FIXED_BYTES, 'partition count');
  for (let i = 0; i < partitionCount; i++) {
    const topic = reader.text('topic');
    const partition = reader.i32('partition');
    const frameCount = reader.count(GROUP_FRAME_BYTES, 'frame count');
    const frames: WalFrame[] = [];
    for (let j = 0; j < frameCount; j++) {
      const frame = { position: reader.u32('position'), length: reader.u32('length') };
      readWalFrame(file, frame.position, frame.length, topic, partition);
      frames.push(frame);
    }
    partitions.push({ topic, partition, frames });
  }
  if (reader.remaining !== 0) reader.fail('the index is longer than it says');
  return partitions;
}
