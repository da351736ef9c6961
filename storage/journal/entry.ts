/**
 * The entries of a partition group's journal: all that can happen to extents, cursors, trims and
 * starts. It owns their types and their bytes. Whether an entry may follow on those before it is
 * `apply-entry.ts`'s to say. An entry travels in the footer of a merged file, whose directory is
 * the list of its extents, so extents are written once.
 */
import { z } from 'zod';
import { storageError } from '../errors.ts';
import type { MergedExtent } from '../merged-file.ts';
import { partitionShape } from '../merged-file.ts';
import { int64, offset, packJson, unpackJson } from '../packed-json.ts';

const ENTRY_VERSION = 1;
const REASON_CHARS_MAX = 200;

export const entryNumber = z.int().min(1);

/** Kafka's form of a segment's id: 16 bytes in base64url. */
const segmentId = z.string().regex(/^[A-Za-z0-9_-]{22}$/);

/** A partition's consolidated data, in an object of its own. */
export const segmentSchema = z
  .object({
    id: segmentId,
    /** Of its first batch, by which its object is named. */
    baseOffset: offset,
    startOffset: offset,
    /** Exclusive. */
    endOffset: offset,
    bytes: z.int().min(0),
    /** Milliseconds since the epoch, -1 if no record has a timestamp. */
    maxTimestampMs: int64,
    /** When it took the place of extents, by its writer's clock: older data may be trimmed. */
    createdMs: z.int().min(0),
  })
  .readonly();

export type Segment = z.output<typeof segmentSchema>;

/** `count` was "settled at n" before the log end was sampled that the cursor now has reached. */
const sampleSchema = z
  .object({
    ...partitionShape,
    count: z.int().min(0),
    /** Where a partition begins that nothing was merged of yet. */
    cursor: offset.optional(),
  })
  .readonly();

const mergeSchema = z
  .object({ kind: z.literal('merge'), samples: z.array(sampleSchema).readonly() })
  .readonly();

/** Extents take the place of others that together cover the same offsets. */
const reMergeSchema = z.object({ kind: z.literal('re-merge') }).readonly();

const consolidateSchema = z
  .object({
    kind: z.literal('consolidate'),
    segments: z
      .array(z.object({ ...partitionShape, segment: segmentSchema }).readonly())
      .readonly(),
  })
  .readonly();

/**
 * Segments take the place of a run of others whose records were thinned out by key. Without any,
 * only the mark moves: nothing was to be thinned out.
 */
const compactSchema = z
  .object({
    kind: z.literal('compact'),
    compacted: z
      .array(
        z
          .object({
            ...partitionShape,
            segments: z.array(segmentSchema).readonly(),
            /** Up to where all that is older was compared with: exclusive. */
            cleanedTo: offset,
          })
          .readonly(),
      )
      .readonly(),
  })
  .readonly();

const offsetsSchema = z
  .array(z.object({ ...partitionShape, offset }).readonly())
  .min(1)
  .readonly();

/**
 * What the broker has from the offset on, below the first extent, is to be in segments too. A
 * partition that nothing was merged of yet will be merged from `cursor` on.
 */
const backfillSchema = z
  .object({
    kind: z.literal('backfill'),
    offsets: z
      .array(z.object({ ...partitionShape, offset, cursor: offset }).readonly())
      .min(1)
      .readonly(),
  })
  .readonly();

/** The broker will be asked to delete what is below the offsets. */
const trimSchema = z.object({ kind: z.literal('trim'), offsets: offsetsSchema }).readonly();

/** Logical starts are now at the offsets. */
const startMovedSchema = z
  .object({
    kind: z.literal('start-moved'),
    offsets: offsetsSchema,
    /** Set if others than Outrigger deleted what is below: what dies of it is kept the longer. */
    isForeign: z.literal(true).optional(),
  })
  .readonly();

/** Another history begins at the offsets: what was kept from there on is set aside. */
const quarantineSchema = z
  .object({
    kind: z.literal('quarantine'),
    offsets: offsetsSchema,
    /** For people. */
    reason: z.string().max(REASON_CHARS_MAX),
  })
  .readonly();

/** What is dead was deleted, or something is given up that was kept until now. */
const sweepSchema = z
  .object({
    kind: z.literal('sweep'),
    /** Numbers of merged files that were hollowed out. */
    files: z.array(entryNumber).readonly(),
    /** Ids of segments that were deleted. */
    segments: z.array(segmentId).readonly(),
    /** Numbers of quarantine entries whose extents and segments are given up. */
    quarantines: z.array(entryNumber).readonly(),
    /** Ids of topics that are no more. */
    topics: z.array(partitionShape.topicId).readonly(),
  })
  .readonly();

const writtenChangeSchema = z.discriminatedUnion('kind', [
  mergeSchema,
  reMergeSchema,
  consolidateSchema,
  backfillSchema,
  compactSchema,
  trimSchema,
  startMovedSchema,
  quarantineSchema,
  sweepSchema,
]);

const versionSchema = z.object({ version: z.int().min(1) });
const entrySchema = z
  .object({
    version: z.literal(ENTRY_VERSION),
    number: entryNumber,
    nonce: z.string().regex(/^[0-9a-f]{32}$/),
    createdMs: z.int().min(0),
    change: writtenChangeSchema,
  })
  .readonly();

/** What a worker asks for. Extents of a merge or re-merge are in the file that comes with it. */
export type Change = z.output<typeof writtenChangeSchema>;
export type ChangeKind = Change['kind'];

export interface JournalEntry {
  /** From 1, without gaps. */
  readonly number: number;
  /** Random, by which a writer knows its own entry again. */
  readonly nonce: string;
  /** By the writer's clock, milliseconds since the epoch. */
  readonly createdMs: number;
  readonly change: Change;
  /** Of the file that the entry came with; only merges and re-merges have any. */
  readonly extents: readonly MergedExtent[];
  /** Of the same file, without its footer's own bytes. */
  readonly dataBytes: number;
}

/** @returns the bytes for the footer of the file that has the entry's extents */
export function encodeEntry(entry: JournalEntry): Buffer {
  const { number, nonce, createdMs, change } = entry;
  return packJson(entrySchema, { version: ENTRY_VERSION, number, nonce, createdMs, change });
}

/**
 * @param bytes from the footer of a file
 * @param extents the file's directory
 * @param fail throws the caller's error
 * @throws `STORAGE_FORMAT_UNKNOWN` for a version that is not known
 */
export function decodeEntry(
  bytes: Buffer,
  extents: readonly MergedExtent[],
  fail: (reason: string) => never,
): JournalEntry {
  const { version } = unpackJson(bytes, versionSchema, fail);
  if (version !== ENTRY_VERSION) {
    throw storageError(
      'STORAGE_FORMAT_UNKNOWN',
      `A journal entry has format version ${version}; this version of Outrigger knows ` +
        `${ENTRY_VERSION}. Upgrade this process.`,
      { details: { version } },
    );
  }
  const { number, nonce, createdMs, change } = unpackJson(bytes, entrySchema, fail);
  return { number, nonce, createdMs, change, extents, dataBytes: dataBytesOf(extents) };
}

/** @returns bytes of the extents with their indexes */
export function dataBytesOf(extents: readonly MergedExtent[]): number {
  return extents.reduce((sum, { bytes, indexBytes }) => sum + bytes + indexBytes, 0);
}
