/**
 * The codes of the errors that the record format throws on purpose. Each has a row in
 * `docs/errors.md`. What a client can cause in ordinary use is a union, not one of these.
 */

import { OutriggerError } from '../outrigger-error.ts';
import type { ErrorContext } from '../outrigger-error.ts';

export const RECORDS_ERROR_CODES = [
  /** Bytes do not follow the layout of a record batch or of its records. */
  'KAFKA_BATCH_CORRUPT',
  /** Bytes that were fetched for a pointer are not the batch that it points to. */
  'KAFKA_BATCH_MISMATCH',
  /** A batch would decompress to more than may be held in memory. */
  'KAFKA_BATCH_TOO_LARGE',
] as const;

export type RecordsErrorCode = (typeof RECORDS_ERROR_CODES)[number];

/**
 * @param code one of this folder's codes
 * @param message what is wrong, for a person
 * @param context facts for the log, the cause
 * @returns the error to throw
 */
export function recordsError(
  code: RecordsErrorCode,
  message: string,
  context: ErrorContext = {},
): OutriggerError<RecordsErrorCode> {
  return new OutriggerError<RecordsErrorCode>(code, message, context);
}
