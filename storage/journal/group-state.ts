/**
 * What the entries of a journal add up to: immutable values, shared between one state and the next.
 * It owns the types with their schemas, and the lookups; changes are `apply-entry.ts`'s.
 */
import { z } from 'zod';
import { extentShape, partitionShape } from '../merged-file.ts';
import { offset } from '../packed-json.ts';
import { entryNumber, segmentSchema } from './entry.ts';

const CHANGE_KINDS = [
  'merge',
  're-merge',
  'consolidate',
  'backfill',
  'compact',
  'trim',
  'start-moved',
  'quarantine',
  'sweep',
] as const;

/**
 * Live data of a partition in the merged file that came with entry `file`. After a cut, offsets
 * say what part of it is live, while position and bytes still are those of the whole.
 */
const extentSchema = z.object({ file: entryNumber, ...extentShape }).readonly();

/** What an entry cut off: another history, kept until somebody gives it up. */
const quarantineSchema = z
  .object({
    /** The entry that cut. */
    by: entryNumber,
    extents: z.array(extentSchema).readonly(),
    segments: z.array(segmentSchema).readonly(),
  })
  .readonly();

export const partitionSchema = z
  .object({
    ...partitionShape,
    /** Everything below it is in extents or segments, or was deleted. */
    cursor: offset,
    /** See the sweep rule in the design: null when the cursor proves nothing. */
    asOf: z.int().min(0).nullable(),
    /** Of the last merged batch: what to send as `last_fetched_epoch` (KIP-320); -1 for unknown. */
    leaderEpoch: z.int().min(-1),
    /** Null while it is the broker's. */
    logicalStart: offset.nullable(),
    /** Up to where the broker may have been asked to delete; null if never. */
    trimIntent: offset.nullable(),
    /**
     * Where the next segment begins. What lies between it and the first extent, or the cursor if
     * there is none, only the broker has: it is to be backfilled.
     */
    consolidatedTo: offset,
    /**
     * Every record was compared with all newer ones below it, by key (Kafka's cleaner checkpoint):
     * a batch below it may be gone. Absent until the first compaction.
     */
    cleanedTo: offset.optional(),
    /** Ascending, without gaps, up to the cursor. */
    extents: z.array(extentSchema).readonly(),
    /** Ascending, without gaps, up to `consolidatedTo`. */
    segments: z.array(segmentSchema).readonly(),
    quarantined: z.array(quarantineSchema).readonly(),
  })
  .readonly();

const deathSchema = z
  .object({
    /** The entry's time, by its writer's clock. */
    sinceMs: z.int().min(0),
    by: z.enum(CHANGE_KINDS),
    /** Whether others than Outrigger have deleted it from the broker's log. */
    isForeign: z.literal(true).optional(),
  })
  .readonly();

export const fileSchema = z
  .object({
    /** The entry's number. */
    file: entryNumber,
    /** The entry's time, by its writer's clock. */
    createdMs: z.int().min(0),
    /** Of its extents and their indexes. */
    bytes: z.int().min(0),
    /** Extents, live or in quarantine, that are in it. */
    references: z.int().min(0),
    /** Set when the last reference went; final. */
    death: deathSchema.nullable(),
  })
  .readonly();

export const deadSegmentSchema = z
  .object({ ...partitionShape, segment: segmentSchema, death: deathSchema })
  .readonly();

export type Extent = z.output<typeof extentSchema>;
export type Quarantine = z.output<typeof quarantineSchema>;
export type PartitionState = z.output<typeof partitionSchema>;
export type Death = z.output<typeof deathSchema>;
export type FileState = z.output<typeof fileSchema>;
export type DeadSegment = z.output<typeof deadSegmentSchema>;

export interface GroupState {
  /** Of the last entry that is applied, 0 for none. */
  readonly number: number;
  /** By `partitionKey`. */
  readonly partitions: ReadonlyMap<string, PartitionState>;
  /** Merged files that were not swept, by the number of their entry. */
  readonly files: ReadonlyMap<number, FileState>;
  /** Segments that nobody refers to and that were not swept, by id. */
  readonly deadSegments: ReadonlyMap<string, DeadSegment>;
}

export const EMPTY_STATE: GroupState = {
  number: 0,
  partitions: new Map(),
  files: new Map(),
  deadSegments: new Map(),
};

export interface PartitionId {
  readonly topicId: string;
  readonly partition: number;
}

/** @returns the key of a partition's state */
export function partitionKey({ topicId, partition }: PartitionId): string {
  return `${topicId}/${partition}`;
}
