/** The one error of segments: bytes, or an order of batches, that no segment can have. */
import type { OutriggerError } from '../../kafka/index.ts';
import { storageError } from '../errors.ts';
import type { StorageErrorCode } from '../errors.ts';

/**
 * @param what the file or field, as in "an offset index"
 * @param reason what is wrong with it
 * @param details facts for the log line, never payload
 */
export function segmentCorrupt(
  what: string,
  reason: string,
  details: Readonly<Record<string, unknown>> = {},
): OutriggerError<StorageErrorCode> {
  return storageError('STORAGE_SEGMENT_CORRUPT', `${what} is damaged: ${reason}.`, { details });
}
