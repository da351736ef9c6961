/** The error of all that reads journals. It owns nothing else. */
import { storageError } from '../errors.ts';

/**
 * @param where key and store
 * @param reason what is wrong, without anything of the content
 * @throws `STORAGE_JOURNAL_CORRUPT` always
 */
export function journalCorrupt(where: string, reason: string): never {
  throw storageError(
    'STORAGE_JOURNAL_CORRUPT',
    `${where} cannot be used: ${reason}. Restore it from a backup or an older version of the object.`,
    { details: { where, reason } },
  );
}
