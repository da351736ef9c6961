/**
 * The error codes of the storage package. It owns what can go wrong with an object store and with
 * the files kept in it. Messages are for operators: which store, which key, what to do. Details
 * never hold payload, credentials or tag keys.
 */
import { OutriggerError } from '../kafka/index.ts';
import type { ErrorContext } from '../kafka/index.ts';

export const STORAGE_ERROR_CODES = [
  /** The caller's AbortSignal fired. */
  'STORAGE_ABORTED',
  /** A put-if-absent whose answer was lost, and now something is there. */
  'STORAGE_AMBIGUOUS',
  /** The bucket or directory itself is not there. */
  'STORAGE_BUCKET_MISSING',
  /** The store does not honour put-if-absent. */
  'STORAGE_CONDITIONAL_WRITES_UNSUPPORTED',
  /** A setting of the store makes no sense. */
  'STORAGE_CONFIG_INVALID',
  /** Bytes were damaged or cut short on their way. */
  'STORAGE_CORRUPT',
  /** Credentials or permissions do not allow the call. */
  'STORAGE_DENIED',
  /** The bucket belongs to another Kafka cluster. */
  'STORAGE_FOREIGN_BUCKET',
  /** The bucket was written by a newer version. */
  'STORAGE_FORMAT_UNKNOWN',
  /** The store is out of space. */
  'STORAGE_FULL',
  /** The store does not return what was just written, or returns the wrong range. */
  'STORAGE_INCONSISTENT',
  /**
   * An entry or snapshot of a journal is damaged, missing, or may not follow on those before it.
   */
  'STORAGE_JOURNAL_CORRUPT',
  /** A journal entry may or may not have been written. */
  'STORAGE_JOURNAL_UNRESOLVED',
  /** A key that no store could hold under this project's rules. */
  'STORAGE_KEY_INVALID',
  /** A merged file, an index or a batch in it is damaged. */
  'STORAGE_MERGED_CORRUPT',
  /** A small JSON object (identity, tag key, topic record) cannot be understood. */
  'STORAGE_RECORD_CORRUPT',
  /** The store understood the request and will not do it. */
  'STORAGE_REFUSED',
  /** A file of a consolidated segment is damaged, or batches cannot make one. */
  'STORAGE_SEGMENT_CORRUPT',
  /** No answer in time. */
  'STORAGE_TIMEOUT',
  /** The store cannot be reached or answers with a server error. */
  'STORAGE_UNAVAILABLE',
  /** A WAL file or one of its frames is damaged or is not what the pointer says. */
  'STORAGE_WAL_CORRUPT',
] as const;

export type StorageErrorCode = (typeof STORAGE_ERROR_CODES)[number];

/**
 * @param code one of this package's codes
 * @param message a full sentence for an operator
 * @param context `details.ambiguous` is true when a write may have taken effect all the same
 */
export function storageError(
  code: StorageErrorCode,
  message: string,
  context?: ErrorContext,
): OutriggerError<StorageErrorCode> {
  return new OutriggerError(code, message, context);
}
