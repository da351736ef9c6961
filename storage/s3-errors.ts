/**
 * What the refusals of S3 servers, and of the network before them, mean to an operator: one table
 * from names and statuses to codes, and the messages. Nothing of the SDK's error objects is passed
 * on but name and message: they also carry requests, signatures and key ids.
 */
import { OutriggerError } from '../kafka/index.ts';
import { storageError, type StorageErrorCode } from './errors.ts';
import { DeadlineError } from './retry.ts';

/** What was being done when an error was caught. */
export interface S3Call {
  readonly location: string;
  /** A verb for the message. */
  readonly action: string;
  readonly key?: string | undefined;
  /** Whether the call changes anything, so that a lost answer leaves doubt. */
  readonly writes: boolean;
  /** The caller's own signal, not the attempt's. */
  readonly signal?: AbortSignal | undefined;
}

/** What an S3 server said, as far as anyone can tell from the SDK's error. */
export interface S3Answer {
  readonly status: number | undefined;
  readonly name: string;
}

interface Meaning {
  readonly code: StorageErrorCode;
  readonly retriable: boolean;
  /** Whether a write may have taken effect all the same. */
  readonly ambiguous: boolean;
  readonly advice: string;
}

const MESSAGE_LENGTH_MAX = 300;

const refused = (code: StorageErrorCode, advice: string): Meaning => ({
  code,
  retriable: false,
  ambiguous: false,
  advice,
});
const passing = (code: StorageErrorCode, advice: string, ambiguous: boolean): Meaning => ({
  code,
  retriable: true,
  ambiguous,
  advice,
});

const BUCKET_MISSING = refused(
  'STORAGE_BUCKET_MISSING',
  'the bucket does not exist; create it or correct its name',
);
const DENIED = refused(
  'STORAGE_DENIED',
  'access denied; check the credentials and that they may get, put, delete and list there',
);
const REGION = refused(
  'STORAGE_CONFIG_INVALID',
  'the bucket is in another region or behind another endpoint; correct the region or endpoint',
);
const CLOCK = passing('STORAGE_DENIED', "this host's clock is wrong; synchronise it", false);
const DAMAGED = passing('STORAGE_CORRUPT', 'the bytes were damaged on their way', false);
const FULL = passing('STORAGE_FULL', 'the store is out of space or over its quota', false);
const CONFLICT = passing('STORAGE_UNAVAILABLE', 'another write was under way', false);
const SERVER = passing('STORAGE_UNAVAILABLE', 'the store answered with an error of its own', true);
const UNREACHABLE = passing(
  'STORAGE_UNAVAILABLE',
  'cannot connect; check the endpoint and that the store is running',
  false,
);
const BROKEN = passing('STORAGE_UNAVAILABLE', 'the connection broke', true);
const TLS = passing(
  'STORAGE_UNAVAILABLE',
  "TLS failed; check the scheme of the endpoint and the store's certificate",
  false,
);
const NOT_DONE = refused('STORAGE_REFUSED', 'the store refused the request');
const CREDENTIALS = passing(
  'STORAGE_DENIED',
  'no credentials were found in the configuration, environment or instance metadata',
  false,
);

const BY_NAME: ReadonlyMap<string, Meaning> = new Map([
  ['NoSuchBucket', BUCKET_MISSING],
  ['AccessDenied', DENIED],
  ['PermanentRedirect', REGION],
  ['AuthorizationHeaderMalformed', REGION],
  ['IllegalLocationConstraintException', REGION],
  ['RequestTimeTooSkewed', CLOCK],
  ['BadDigest', DAMAGED],
  ['InvalidDigest', DAMAGED],
  ['IncompleteBody', DAMAGED],
  ['XAmzContentChecksumMismatch', DAMAGED],
  ['XAmzContentSHA256Mismatch', DAMAGED],
  ['ConditionalRequestConflict', CONFLICT],
  ['OperationAborted', CONFLICT],
  ['NotImplemented', NOT_DONE],
  ['QuotaExceeded', FULL],
  ['XMinioStorageFull', FULL],
  ['RequestTimeout', passing('STORAGE_TIMEOUT', 'the store gave up waiting for the bytes', true)],
  ['CredentialsProviderError', CREDENTIALS],
  ['ECONNREFUSED', UNREACHABLE],
  ['ENOTFOUND', UNREACHABLE],
  ['EAI_AGAIN', UNREACHABLE],
  ['EHOSTUNREACH', UNREACHABLE],
  ['ENETUNREACH', UNREACHABLE],
  // The SDK's word for a connection that was not made in time; others come with an errno name.
  ['TimeoutError', UNREACHABLE],
  ['ETIMEDOUT', passing('STORAGE_TIMEOUT', 'the connection timed out', true)],
  ['EPROTO', TLS],
  ['CERT_HAS_EXPIRED', TLS],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', TLS],
  ['SELF_SIGNED_CERT_IN_CHAIN', TLS],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', TLS],
  ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', TLS],
  ['ERR_TLS_CERT_ALTNAME_INVALID', TLS],
]);

const BY_STATUS: ReadonlyMap<number, Meaning> = new Map([
  [301, REGION],
  [307, REGION],
  [401, DENIED],
  [403, DENIED],
  [404, refused('STORAGE_REFUSED', 'the endpoint does not answer as an S3 store does')],
  [429, passing('STORAGE_UNAVAILABLE', 'too many requests', false)],
  [507, FULL],
]);

/** @returns status and name, which is the S3 error code or, below HTTP, the errno name */
export function s3Answer(error: unknown): S3Answer {
  if (!(error instanceof Error)) return { status: undefined, name: 'unknown' };
  const metadata = '$metadata' in error ? error.$metadata : undefined;
  const status =
    typeof metadata === 'object' && metadata !== null && 'httpStatusCode' in metadata
      ? metadata.httpStatusCode
      : undefined;
  if (typeof status === 'number') return { status, name: error.name };
  const name = 'code' in error && typeof error.code === 'string' ? error.code : error.name;
  return { status: undefined, name };
}

/**
 * @param error whatever an attempt threw; this package's own errors are returned as they are
 * @param inDoubt whether an earlier attempt may have taken effect
 * @returns the error to throw; `details.ambiguous` says whether any attempt may have
 */
export function s3Error(error: unknown, call: S3Call, inDoubt: boolean): OutriggerError {
  if (error instanceof OutriggerError) return error;
  const answer = s3Answer(error);
  const { code, retriable, ambiguous, advice } = meaningOf(error, answer, call);
  const object = call.key === undefined ? call.location : `${call.key} in ${call.location}`;
  const status = answer.status === undefined ? '' : `HTTP ${answer.status}, `;
  const text = error instanceof Error ? error.message.slice(0, MESSAGE_LENGTH_MAX) : '';
  const message = `Cannot ${call.action} ${object}: ${advice} (${status}${answer.name}: ${text}).`;
  return storageError(code, message, {
    retriable,
    details: {
      location: call.location,
      ...(call.key === undefined ? {} : { key: call.key }),
      ...answer,
      ambiguous: inDoubt || (ambiguous && call.writes),
    },
  });
}

function meaningOf(error: unknown, { status, name }: S3Answer, call: S3Call): Meaning {
  if (call.signal?.aborted === true) {
    return { ...refused('STORAGE_ABORTED', 'the caller gave up'), ambiguous: true };
  }
  if (error instanceof DeadlineError) {
    return passing('STORAGE_TIMEOUT', 'the store did not answer in time', true);
  }
  const byName = BY_NAME.get(name);
  if (byName !== undefined) return byName;
  if (status === undefined) return BROKEN;
  const byStatus = BY_STATUS.get(status);
  if (byStatus !== undefined) return byStatus;
  return status >= 500 || status < 300 ? SERVER : NOT_DONE;
}
