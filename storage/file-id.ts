/**
 * Ids and keys of WAL files. An id is 42 bits of milliseconds and 22 random bits, so that keys sort
 * by time and members need no agreement. Ids of one millisecond may collide: the upload is put-if-
 * absent and is repeated under a new id. The time in an id orders files; no deletion rests on it.
 */
import assert from 'node:assert/strict';

const RANDOM_BITS = 22;
const RANDOM_END = 2 ** RANDOM_BITS;
const CREATED_MS_END = 2 ** 42;
/** What the keys of all WAL files begin with. */
export const WAL_PREFIX = 'wal/';
const WAL_KEY = /^wal\/([0-9a-f]{16})$/;

/**
 * @param nowMs milliseconds since the epoch
 * @param random22 22 random bits
 * @returns an id of 64 bits
 */
export function newFileId(nowMs: number, random22: number): bigint {
  assert(Number.isInteger(nowMs) && nowMs >= 0 && nowMs < CREATED_MS_END, 'time out of range');
  assert(Number.isInteger(random22) && random22 >= 0 && random22 < RANDOM_END, 'not 22 bits');
  return (BigInt(nowMs) << BigInt(RANDOM_BITS)) | BigInt(random22);
}

/** @returns when the file's id was made, by its writer's clock, milliseconds since the epoch */
export function fileCreatedMs(fileId: bigint): number {
  return Number(fileId >> BigInt(RANDOM_BITS));
}

/** @returns the object key of a WAL file */
export function walKey(fileId: bigint): string {
  return WAL_PREFIX + fileId.toString(16).padStart(16, '0');
}

/** @returns the id in the key of a WAL file, undefined for any other key */
export function fileIdOf(key: string): bigint | undefined {
  const digits = WAL_KEY.exec(key)?.[1];
  return digits === undefined ? undefined : BigInt(`0x${digits}`);
}
