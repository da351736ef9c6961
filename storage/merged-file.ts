/**
 * The merged file: batches of many partitions of one partition group, contiguous per partition, as
 * consumers get them: with their real offsets, real and control batches among them.
 *
 *     header   magic u64 · version u16 · group u32 · footer position u32 ·
 *              cluster id (u16 + UTF-8)
 *     extents  per extent: its batches, its index (`extent-index.ts`)
 *     footer   directory (u32 + packed JSON) · entry (u32 + bytes, 0 bytes for none)
 *     end      CRC32C of header and footer u32 · footer bytes u32 (this end included) · magic u64
 *
 * All integers are big-endian. The footer alone tells what is in the file; the header says where it
 * is, so that neither length nor end of the object need be known. What lies between is covered by
 * checksums of its own: each index's in the directory, each batch's in itself. A file whose extents
 * died may be hollowed out: header and footer stay, and with them the entry. The entry is bytes to
 * this module; `journal/` knows what it means.
 */
import { z } from 'zod';
import { crc32c, crc32cOfChunks } from '../kafka/index.ts';
import { storageError } from './errors.ts';
import { INDEX_ROW_BYTES } from './extent-index.ts';
import { mergedCorrupt } from './merged-corrupt.ts';
import type { CallOptions, ObjectStore } from './object-store.ts';
import { int64, offset, packJson, unpackJson } from './packed-json.ts';

/** One object, one PUT, one buffer of its writer. */
export const MERGED_FILE_BYTES_MAX = 1024 * 1024 * 1024;
export const MERGED_FILE_VERSION = 1;
/** Far above the footer of a file with extents of 100,000 partitions. */
export const MERGED_FOOTER_BYTES_MAX = 64 * 1024 * 1024;

const FILE_MAGIC = Buffer.from('OUTRGMRG', 'latin1');
const END_MAGIC = Buffer.from('OUTRGMND', 'latin1');
const HEADER_FIXED_BYTES = 8 + 2 + 4 + 4 + 2;
const LENGTH_BYTES = 4;
const END_BYTES = 4 + 4 + 8;
/** Read at once: header and, of most files without extents, everything. */
const HEAD_BYTES = 64 * 1024;

const uint32 = z
  .int()
  .min(0)
  .max(2 ** 32 - 1);

/** A partition of a topic that is told from others of the same name by its id. */
export const partitionShape = {
  /** 16 bytes in base64url, as Kafka prints it. */
  topicId: z.string().regex(/^[A-Za-z0-9_-]{22}$/),
  topic: z.string().regex(/^[A-Za-z0-9._-]{1,249}$/),
  partition: z
    .int()
    .min(0)
    .max(2 ** 31 - 1),
};

/** Where an extent is in its file, and what it covers. */
export const extentShape = {
  /** The first offset covered; the first batch may begin before it. */
  startOffset: offset,
  /** Exclusive. All offsets below it that are missing were missing in the log. */
  endOffset: offset,
  /** Of the first batch. */
  position: uint32,
  /** Of all batches; the index follows them. */
  bytes: uint32,
  indexBytes: uint32,
  indexCrc: uint32,
  /** Of the last batch. */
  leaderEpoch: z.int().min(-1),
  /** The largest of the batches', milliseconds since the epoch, -1 if none has any. */
  maxTimestampMs: int64,
};

const directoryExtentSchema = z.object({ ...partitionShape, ...extentShape }).readonly();
const directorySchema = z.array(directoryExtentSchema).readonly();

export type MergedExtent = z.output<typeof directoryExtentSchema>;

export interface MergedFileHead {
  readonly clusterId: string;
  /** The partition group's number. */
  readonly group: number;
}

export interface MergedFooter extends MergedFileHead {
  readonly extents: readonly MergedExtent[];
  readonly entry: Buffer | undefined;
  /** Whether the extents' bytes are gone. */
  readonly isHollow: boolean;
  readonly fileBytes: number;
}

/** Header and footer of a file, to be put around its extents. */
export interface MergedFileFrame {
  readonly header: Buffer;
  readonly footer: Buffer;
}

/** @returns bytes of a header, with which every file begins */
export function mergedHeaderBytes(clusterId: string): number {
  return HEADER_FIXED_BYTES + Buffer.byteLength(clusterId);
}

/**
 * @param footerPosition bytes before the footer, header included
 * @param extents as they are in the file
 */
export function frameMergedFile(
  head: MergedFileHead,
  footerPosition: number,
  extents: readonly MergedExtent[],
  entry: Buffer = Buffer.alloc(0),
): MergedFileFrame {
  const header = Buffer.alloc(mergedHeaderBytes(head.clusterId));
  FILE_MAGIC.copy(header, 0);
  header.writeUInt16BE(MERGED_FILE_VERSION, 8);
  header.writeUInt32BE(head.group, 10);
  header.writeUInt32BE(footerPosition, 14);
  header.writeUInt16BE(header.length - HEADER_FIXED_BYTES, 18);
  header.write(head.clusterId, HEADER_FIXED_BYTES);

  const directory = packJson(directorySchema, extents);
  const footer = Buffer.alloc(2 * LENGTH_BYTES + directory.length + entry.length + END_BYTES);
  let at = footer.writeUInt32BE(directory.length, 0);
  at += directory.copy(footer, at);
  at = footer.writeUInt32BE(entry.length, at);
  at += entry.copy(footer, at);
  const inner = crc32cOfChunks([header, footer.subarray(0, at)]);
  at = footer.writeUInt32BE(inner, at);
  at = footer.writeUInt32BE(footer.length, at);
  END_MAGIC.copy(footer, at);
  return { header, footer };
}

/** @returns the file without the bytes of its extents: what is put in its place when they died */
export function hollowMergedFile(footer: MergedFooter): Buffer {
  const position = mergedHeaderBytes(footer.clusterId);
  const frame = frameMergedFile(footer, position, footer.extents, footer.entry);
  return Buffer.concat([frame.header, frame.footer]);
}

interface ParsedHeader extends MergedFileHead {
  readonly bytes: Buffer;
  readonly footerPosition: number;
}

/**
 * @param head the file's first bytes, at least the whole header
 * @throws `STORAGE_MERGED_CORRUPT`, or `STORAGE_FORMAT_UNKNOWN` for a version that is not known;
 *   that the header is undamaged is known only with the footer
 */
function parseHeader(head: Buffer): ParsedHeader {
  if (head.length < HEADER_FIXED_BYTES) mergedCorrupt('the header is cut short');
  if (!head.subarray(0, FILE_MAGIC.length).equals(FILE_MAGIC)) mergedCorrupt('it is none');
  const version = head.readUInt16BE(8);
  if (version !== MERGED_FILE_VERSION) {
    throw storageError(
      'STORAGE_FORMAT_UNKNOWN',
      `A merged file has format version ${version}; this version of Outrigger knows ` +
        `${MERGED_FILE_VERSION}. Upgrade this process.`,
      { details: { version } },
    );
  }
  const headerBytes = HEADER_FIXED_BYTES + head.readUInt16BE(18);
  if (head.length < headerBytes) mergedCorrupt('the header is cut short');
  const footerPosition = head.readUInt32BE(14);
  if (footerPosition < headerBytes) mergedCorrupt('the footer lies within the header');
  return {
    bytes: head.subarray(0, headerBytes),
    clusterId: head.toString('utf8', HEADER_FIXED_BYTES, headerBytes),
    group: head.readUInt32BE(10),
    footerPosition,
  };
}

/**
 * @param footer the bytes from the footer's position to the end of the file
 * @throws `STORAGE_MERGED_CORRUPT` unless header and footer are whole, undamaged and make sense
 */
function parseFooter(header: ParsedHeader, footer: Buffer): MergedFooter {
  const contentBytes = footer.length - END_BYTES;
  if (contentBytes < 2 * LENGTH_BYTES) mergedCorrupt('the footer is cut short');
  if (!footer.subarray(-END_MAGIC.length).equals(END_MAGIC)) mergedCorrupt('it is cut short');
  if (footer.readUInt32BE(contentBytes + 4) !== footer.length) mergedCorrupt('footer length');
  const content = footer.subarray(0, contentBytes);
  const sum = crc32c(content, crc32c(header.bytes));
  if (sum !== footer.readUInt32BE(contentBytes)) mergedCorrupt('CRC32C mismatch');

  const directoryEnd = LENGTH_BYTES + content.readUInt32BE(0);
  if (directoryEnd + LENGTH_BYTES > contentBytes) mergedCorrupt('the directory is cut short');
  const entryAt = directoryEnd + LENGTH_BYTES;
  const entryBytes = content.readUInt32BE(directoryEnd);
  if (entryAt + entryBytes !== contentBytes) mergedCorrupt('the entry is cut short');
  const directory = content.subarray(LENGTH_BYTES, directoryEnd);
  const extents = unpackJson(directory, directorySchema, mergedCorrupt);
  const isHollow = extents.length > 0 && header.footerPosition === header.bytes.length;
  const dataEnd = isHollow ? MERGED_FILE_BYTES_MAX : header.footerPosition;
  for (const extent of extents) checkExtent(extent, header.bytes.length, dataEnd);
  return {
    clusterId: header.clusterId,
    group: header.group,
    extents,
    entry: entryBytes === 0 ? undefined : content.subarray(entryAt),
    isHollow,
    fileBytes: header.footerPosition + footer.length,
  };
}

function checkExtent(extent: MergedExtent, start: number, end: number): void {
  const { position, bytes, indexBytes } = extent;
  if (extent.startOffset >= extent.endOffset) mergedCorrupt('an extent covers nothing');
  if (position < start || position + bytes + indexBytes > end) {
    mergedCorrupt('an extent lies outside of the file');
  }
  if (indexBytes === 0 || indexBytes % INDEX_ROW_BYTES !== 0) mergedCorrupt('size of an index');
}

/**
 * @param file a whole file
 * @returns what it says of itself; the extents' own bytes are not looked at
 * @throws as `readMergedFooter`
 */
export function parseMergedFile(file: Buffer): MergedFooter {
  const header = parseHeader(file);
  return parseFooter(header, file.subarray(header.footerPosition));
}

/**
 * Reads the footer of a file of unknown size, in one or two ranged reads.
 *
 * @returns undefined if there is no such object
 * @throws `STORAGE_MERGED_CORRUPT`, `STORAGE_FORMAT_UNKNOWN`, or what the store throws
 */
export async function readMergedFooter(
  store: ObjectStore,
  key: string,
  options?: CallOptions,
): Promise<MergedFooter | undefined> {
  const head = await store.getRange(key, 0, HEAD_BYTES, options);
  if (head.kind === 'missing') return undefined;
  if (head.bytes.length < HEAD_BYTES) return parseMergedFile(head.bytes);
  const header = parseHeader(head.bytes);
  const lengthMax = MERGED_FOOTER_BYTES_MAX;
  const footer = await store.getRange(key, header.footerPosition, lengthMax, options);
  if (footer.kind === 'missing') return undefined;
  return parseFooter(header, footer.bytes);
}
