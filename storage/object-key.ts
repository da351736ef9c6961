/**
 * What an object key may look like, so that every store can hold it: a relative path of plain
 * segments. It keeps user input (topic names) from leaving the store's folder or its prefix.
 */
import { storageError } from './errors.ts';

/** S3 allows 1,024 bytes including the store's prefix. */
export const KEY_BYTES_MAX = 900;

/**
 * The longest file name of the common filesystems; gateways that keep keys as paths have it too.
 */
export const KEY_SEGMENT_BYTES_MAX = 255;

/** ASCII only, so that the order of strings is the order of bytes. */
const SEGMENT = /^[A-Za-z0-9._-]+$/;

/** @returns whether a path segment is legal in a key */
export function isKeySegment(segment: string): boolean {
  return (
    SEGMENT.test(segment) &&
    segment.length <= KEY_SEGMENT_BYTES_MAX &&
    segment !== '.' &&
    segment !== '..'
  );
}

/** @returns whether it is a relative path of plain segments */
export function isKey(key: string): boolean {
  return key.length <= KEY_BYTES_MAX && key.split('/').every(isKeySegment);
}

/**
 * @param key an object key
 * @throws `STORAGE_KEY_INVALID` unless it is a relative path of plain segments
 */
export function checkKey(key: string): void {
  if (isKey(key)) return;
  throw storageError(
    'STORAGE_KEY_INVALID',
    `"${key}" is no object key: segments of letters, digits, ".", "_" and "-" of up to ` +
      `${KEY_SEGMENT_BYTES_MAX} bytes, joined by "/", ${KEY_BYTES_MAX} bytes in all.`,
    { details: { key } },
  );
}
