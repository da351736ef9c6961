/**
 * The codes of the errors that this package throws on purpose. Each has a row in `docs/errors.md`.
 */

import { OutriggerError } from './outrigger-error.ts';
import type { ErrorContext } from './outrigger-error.ts';

export const KAFKA_ERROR_CODES = [
  /** A frame from a peer does not follow Kafka's layout. `details.path` names the field. */
  'KAFKA_FRAME_MALFORMED',
  /** A frame announces, or would need, more bytes than the limit in force. */
  'KAFKA_FRAME_TOO_LARGE',
  /** A value cannot be written in the version asked for. `details.path` names the field. */
  'KAFKA_VALUE_INVALID',
  /** A message, or both ends of a connection, do not have the version asked for. */
  'KAFKA_VERSION_UNSUPPORTED',
  /** The connection could not be made, or ended before the answer came. */
  'KAFKA_CONNECTION_LOST',
  /** The answer did not come in time; the connection is closed, since its order is lost. */
  'KAFKA_REQUEST_TIMED_OUT',
  /** The broker refused the credentials or the mechanism, or could not prove its own. */
  'KAFKA_AUTHENTICATION_FAILED',
  /** More requests wait on one connection than its limit allows. */
  'KAFKA_IN_FLIGHT_EXCEEDED',
  /** The cluster does not name the broker asked for. */
  'KAFKA_BROKER_UNKNOWN',
  /** A PEM file for connections to brokers cannot be read. */
  'KAFKA_TLS_INVALID',
] as const;

export type KafkaErrorName = (typeof KAFKA_ERROR_CODES)[number];

/**
 * @param code one of this package's codes
 * @param message what happened, for a person
 * @param context whether a retry can help, facts for the log, the cause
 * @returns the error to throw
 */
export function kafkaError(
  code: KafkaErrorName,
  message: string,
  context: ErrorContext = {},
): OutriggerError<KafkaErrorName> {
  return new OutriggerError<KafkaErrorName>(code, message, context);
}
