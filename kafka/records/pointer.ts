/**
 * The pointer that a placeholder carries as its first record's key (DESIGN §5): where the real
 * batch is, what it must look like, and a tag that proves that one of us wrote it, for this
 * partition of this topic. Owns the pointer's 37 bytes and the keys of the tags; knows nothing of
 * batches.
 */

import { timingSafeEqual } from 'node:crypto';
import { ShortHmac } from './short-hmac.ts';

/** Where a real batch is, and what it must look like. */
export interface Pointer {
  /** The object that holds the batch; unsigned 64 bits. */
  readonly fileId: bigint;
  /** Where the batch begins in the object, in bytes. */
  readonly position: number;
  /** The batch's bytes. */
  readonly length: number;
  /** The batch's attributes, all 16 bits, as it was produced. */
  readonly attributes: number;
  /** The checksum that the batch carries. */
  readonly crc: number;
}

/** A key of the tags, as `outrigger init` makes them. */
export interface TagKey {
  /** 0 to 255. */
  readonly id: number;
  /** 16 bytes or more, random. */
  readonly secret: Buffer;
}

/** What a record's key is: any user's key, a pointer, or something that only we would write. */
export type PointerReading =
  | { readonly kind: 'none' }
  | { readonly kind: 'pointer'; readonly pointer: Pointer }
  | UnknownPointer;

/**
 * Ours, it seems, but of a newer version, or signed with a key that is not held here or for a topic
 * whose name is not known here.
 */
export type UnknownPointer =
  | { readonly kind: 'unknown'; readonly version: number }
  | { readonly kind: 'unknown'; readonly keyId: number };

export const POINTER_MARKER = Buffer.from('⊘or');
export const POINTER_VERSION = 1;
export const POINTER_BYTES = 37;

const FIELD = {
  version: 5,
  keyId: 6,
  fileId: 7,
  position: 15,
  length: 19,
  attributes: 23,
  crc: 25,
  tag: 29,
} as const;
const TAG_BYTES = 8;
const SECRET_BYTES_MIN = 16;
const KEY_ID_MAX = 255;
const NO_POINTER: PointerReading = { kind: 'none' };

/**
 * The keys by which pointers are signed and known. The tag is the first 64 bits of HMAC-SHA256 over
 * the pointer without its tag, the partition and the topic's name.
 */
export class KeyRing {
  readonly #keys = new Map<number, ShortHmac>();
  readonly #currentId: number;

  /**
   * @param current signs what is written from now on
   * @param older still known when read
   */
  constructor(current: TagKey, older: readonly TagKey[] = []) {
    for (const { id, secret } of [current, ...older]) {
      const valid = Number.isInteger(id) && id >= 0 && id <= KEY_ID_MAX;
      if (!valid || secret.length < SECRET_BYTES_MIN) {
        throw new RangeError(`tag key ${id}: ids are 0 to 255, secrets 16 bytes or more`);
      }
      this.#keys.set(id, new ShortHmac(secret));
    }
    this.#currentId = current.id;
  }

  /**
   * @param pointer what to point to
   * @param topic name of the topic that the placeholder goes to
   * @param partition its partition
   * @returns the pointer's 37 bytes, signed with the current key
   */
  encodePointer(pointer: Pointer, topic: string, partition: number): Buffer {
    const bytes = Buffer.allocUnsafe(POINTER_BYTES);
    POINTER_MARKER.copy(bytes);
    bytes.writeUInt8(POINTER_VERSION, FIELD.version);
    bytes.writeUInt8(this.#currentId, FIELD.keyId);
    bytes.writeBigUInt64BE(pointer.fileId, FIELD.fileId);
    bytes.writeUInt32BE(pointer.position, FIELD.position);
    bytes.writeUInt32BE(pointer.length, FIELD.length);
    bytes.writeUInt16BE(pointer.attributes, FIELD.attributes);
    bytes.writeUInt32BE(pointer.crc, FIELD.crc);
    const tag = this.#tagOf(this.#currentId, bytes, topic, partition);
    if (tag !== undefined) bytes.write(tag, FIELD.tag, TAG_BYTES, 'latin1');
    return bytes;
  }

  /**
   * @param key the key of a batch's first record
   * @param topic name of the topic that the batch was read from; null if it is not known, then no
   *   tag can be checked
   * @param partition its partition
   * @returns the pointer if its tag is right, `none` if the key is any other user's key, or what
   *   about it is not known here
   */
  decodePointer(key: Buffer, topic: string | null, partition: number): PointerReading {
    if (key.length < FIELD.fileId) return NO_POINTER;
    if (POINTER_MARKER.compare(key, 0, POINTER_MARKER.length) !== 0) return NO_POINTER;
    const version = key.readUInt8(FIELD.version);
    if (version !== POINTER_VERSION) return { kind: 'unknown', version };
    if (key.length !== POINTER_BYTES) return NO_POINTER;
    const keyId = key.readUInt8(FIELD.keyId);
    if (topic === null) return { kind: 'unknown', keyId };
    const tag = this.#tagOf(keyId, key, topic, partition);
    if (tag === undefined) return { kind: 'unknown', keyId };
    const expected = Buffer.allocUnsafe(TAG_BYTES);
    expected.write(tag, 0, TAG_BYTES, 'latin1');
    if (!timingSafeEqual(expected, key.subarray(FIELD.tag))) return NO_POINTER;
    const pointer = {
      fileId: key.readBigUInt64BE(FIELD.fileId),
      position: key.readUInt32BE(FIELD.position),
      length: key.readUInt32BE(FIELD.length),
      attributes: key.readUInt16BE(FIELD.attributes),
      crc: key.readUInt32BE(FIELD.crc),
    };
    return { kind: 'pointer', pointer };
  }

  /**
   * The fields before the name have a fixed size, so no two inputs give the same message.
   *
   * @returns the tag and what the sum has behind it, a character for each byte
   */
  #tagOf(keyId: number, pointer: Buffer, topic: string, partition: number): string | undefined {
    const key = this.#keys.get(keyId);
    if (key === undefined) return undefined;
    const message = Buffer.allocUnsafe(FIELD.tag + 4 + Buffer.byteLength(topic));
    pointer.copy(message, 0, 0, FIELD.tag);
    message.writeInt32BE(partition, FIELD.tag);
    message.write(topic, FIELD.tag + 4);
    return key.sum(message);
  }
}
