/** The error of all that reads merged files. It owns nothing else. */
import { storageError } from './errors.ts';

/**
 * @param reason what is wrong, without anything of the content
 * @throws `STORAGE_MERGED_CORRUPT` always
 */
export function mergedCorrupt(reason: string): never {
  throw storageError('STORAGE_MERGED_CORRUPT', `A merged file is damaged: ${reason}.`);
}
