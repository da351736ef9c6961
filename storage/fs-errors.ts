/**
 * What a filesystem's refusals mean to an operator: one table from errno to code, and the messages.
 */
import { OutriggerError } from '../kafka/index.ts';
import { storageError, type StorageErrorCode } from './errors.ts';

interface Meaning {
  readonly code: StorageErrorCode;
  readonly retriable: boolean;
  readonly advice: string;
}

const FULL: Meaning = {
  code: 'STORAGE_FULL',
  retriable: true,
  advice: 'the disk or quota is full; free space or enlarge the volume',
};
const DENIED: Meaning = {
  code: 'STORAGE_DENIED',
  retriable: false,
  advice: 'permission denied; the folder must be writable for the user that runs this process',
};
const ROOT_MISSING: Meaning = {
  code: 'STORAGE_BUCKET_MISSING',
  retriable: true,
  advice: 'the folder is not there; is its volume mounted?',
};
const REFUSED: Meaning = {
  code: 'STORAGE_REFUSED',
  retriable: false,
  advice: 'the filesystem does not accept that name, or a part of it is in use as another key',
};
const OTHER: Meaning = {
  code: 'STORAGE_UNAVAILABLE',
  retriable: true,
  advice: 'the filesystem failed; see the cause, and the system log for errors of the disk',
};

const MEANINGS: ReadonlyMap<string, Meaning> = new Map([
  ['ENOSPC', FULL],
  ['EDQUOT', FULL],
  ['EFBIG', FULL],
  ['EACCES', DENIED],
  ['EPERM', DENIED],
  ['EROFS', DENIED],
  ['ENOENT', ROOT_MISSING],
  ['ENAMETOOLONG', REFUSED],
  ['ENOTDIR', REFUSED],
  ['EISDIR', REFUSED],
  ['ENOTEMPTY', REFUSED],
]);

/** What `link` answers on filesystems that have no hard links. */
const NO_HARD_LINKS = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK']);

/** @returns the errno name of a failed file operation, undefined for any other error */
export function errno(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/**
 * @param error what a file operation threw; this package's own errors are returned as they are
 * @param action a verb for the message
 * @param ambiguous whether a write may have taken effect
 */
export function fsError(
  error: unknown,
  action: string,
  location: string,
  key?: string,
  ambiguous = false,
): OutriggerError {
  if (error instanceof OutriggerError) return error;
  const name = errno(error);
  const { code, retriable, advice } = MEANINGS.get(name ?? '') ?? OTHER;
  const object = key === undefined ? location : `${key} in ${location}`;
  return storageError(code, `Cannot ${action} ${object}: ${advice} (${name ?? 'unknown'}).`, {
    retriable,
    details: { location, ...(key === undefined ? {} : { key }), ambiguous },
    cause: error,
  });
}

/** @returns the error itself, unless it says that the filesystem has no hard links */
export function linkError(error: unknown, location: string): unknown {
  if (!NO_HARD_LINKS.has(errno(error) ?? '')) return error;
  return storageError(
    'STORAGE_CONDITIONAL_WRITES_UNSUPPORTED',
    `The filesystem of ${location} has no hard links, which put-if-absent needs. Use another ` +
      'filesystem (ext4, xfs, btrfs, zfs, NFS) or an S3 bucket.',
    { details: { location }, cause: error },
  );
}
