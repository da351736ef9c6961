/**
 * Where a segment's three objects lie, as the tiered-storage plugin of Aiven names them
 * (`ObjectKeyFactory`), so that its readers find them.
 */
import { storageError } from '../errors.ts';
import { KEY_SEGMENT_BYTES_MAX, checkKey } from '../object-key.ts';

/** 16 bytes in base64url, as Kafka prints a `Uuid`. */
export const KAFKA_UUID = /^[A-Za-z0-9_-]{22}$/;
/** Below which a bucket has its segments. */
export const SEGMENT_PREFIX = 'segments/';
const UUID_BYTES = 16;
const UUID_CHARACTERS = 22;
/** A folder is `<topic>-<topic id>`. */
export const TOPIC_BYTES_MAX = KEY_SEGMENT_BYTES_MAX - UUID_CHARACTERS - 1;

/** Which segment; `Uuid`s are in base64url. */
export interface SegmentId {
  readonly topic: string;
  readonly topicId: string;
  readonly partition: number;
  readonly segmentId: string;
}

export interface SegmentKeys {
  /** The batches, as they are. */
  readonly log: string;
  /** The indexes, one after the other: `joinIndexes`. */
  readonly indexes: string;
  /** To be written last: the segment is there once this one is. */
  readonly manifest: string;
}

/**
 * @param prefix what all keys begin with; a folder if it ends in "/"
 * @param startOffset the segment's base offset
 * @throws `STORAGE_KEY_INVALID` for a topic whose name is too long for a folder of a store, or a
 *   prefix that no key may have
 */
export function segmentKeys(prefix: string, id: SegmentId, startOffset: bigint): SegmentKeys {
  if (Buffer.byteLength(id.topic) > TOPIC_BYTES_MAX) {
    throw storageError(
      'STORAGE_KEY_INVALID',
      `The topic "${id.topic}" cannot have segments: its name has ${id.topic.length} characters, ` +
        `and with a topic id no more than ${TOPIC_BYTES_MAX} fit into a key of an object store.`,
      { details: { topic: id.topic } },
    );
  }
  const start = startOffset.toString().padStart(20, '0');
  const main = `${id.topic}-${id.topicId}/${id.partition}/${start}-${id.segmentId}`;
  const key = (suffix: string): string => {
    const whole = `${prefix}${main}.${suffix}`;
    checkKey(whole);
    return whole;
  };
  return { log: key('log'), indexes: key('indexes'), manifest: key('rsm-manifest') };
}

/**
 * @param randomBytes makes that many random bytes
 * @returns an id as `Uuid.randomUuid` makes them: of version 4, and never with a leading "-"
 */
export function newSegmentId(randomBytes: (count: number) => Buffer): string {
  const bytes = Buffer.from(randomBytes(UUID_BYTES));
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x40, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  const id = bytes.toString('base64url');
  // One value in 64; any other first character is as random.
  return id.startsWith('-') ? `A${id.slice(1)}` : id;
}
