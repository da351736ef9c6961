/**
 * The codes of every error that the coordinator raises on purpose; `docs/errors.md` explains each.
 */
import { OutriggerError, type ErrorContext } from '../kafka/index.ts';

export const COORDINATOR_ERROR_CODES = [
  /** The namespace in Redis belongs to another Kafka cluster. */
  'COORDINATOR_FOREIGN_REDIS',
  /** A member id is outside 0 to 2045. */
  'COORDINATOR_MEMBER_ID_INVALID',
  /** Too many members claim settled ranges in the bucket at once, or it holds objects of others. */
  'COORDINATOR_RANGES_EXHAUSTED',
  /** A value in Redis, or an answer of a script, does not have the form that this version knows. */
  'COORDINATOR_RECORD_MALFORMED',
  /** Redis does not take the password, or the user may not do what is needed. */
  'COORDINATOR_REDIS_DENIED',
  /** `maxmemory-policy` is not `noeviction`. */
  'COORDINATOR_REDIS_POLICY',
  /** Redis cannot be reached, or broke off, or refused a command. */
  'COORDINATOR_REDIS_UNAVAILABLE',
  /** Redis is older than 7.0. */
  'COORDINATOR_REDIS_VERSION',
  /** Redis did not answer in time. */
  'COORDINATOR_TIMED_OUT',
] as const;

export type CoordinatorErrorCode = (typeof COORDINATOR_ERROR_CODES)[number];

/** @returns an error with one of the coordinator's own codes */
export function coordinatorError(
  code: CoordinatorErrorCode,
  message: string,
  context: ErrorContext = {},
): OutriggerError<CoordinatorErrorCode> {
  return new OutriggerError(code, message, context);
}
