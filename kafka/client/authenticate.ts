/**
 * Logs in on a connection with SASL PLAIN or SCRAM (KIP-43, KIP-84, KIP-152).
 */

import { randomBytes } from 'node:crypto';
import { KafkaErrorCode, kafkaErrorName } from '../error-codes.ts';
import { kafkaError } from '../errors.ts';
import { apis } from '../messages/index.ts';
import { finalMessage, firstMessage, verifyServer } from './scram.ts';
import type { ScramCredentials } from './scram.ts';
import type { Requester } from './requester.ts';

export interface PlainCredentials {
  readonly mechanism: 'PLAIN';
  readonly username: string;
  readonly password: string;
}

export type SaslCredentials = PlainCredentials | ScramCredentials;

const NONCE_BYTES = 24;

/**
 * @param connection open, not logged in yet
 * @param timeoutMs for each request
 * @returns for how many milliseconds the broker accepts the session, 0 for ever (KIP-368)
 * @throws KAFKA_AUTHENTICATION_FAILED, and what a request throws
 */
export async function authenticate(
  connection: Requester,
  credentials: SaslCredentials,
  timeoutMs: number,
): Promise<number> {
  const { mechanism } = credentials;
  // After version 0 the tokens would travel without frames.
  const options = { version: 1, timeoutMs };
  const handshake = await connection.request(apis.SaslHandshake, { mechanism }, options);
  if (handshake.errorCode !== KafkaErrorCode.NONE) {
    throw refused(`the broker has no ${mechanism}, only ${handshake.mechanisms.join(', ')}`);
  }
  const exchange: Exchange = (token) => authenticateOnce(connection, token, timeoutMs);
  if (credentials.mechanism === 'PLAIN') return logInPlain(exchange, credentials);
  return logInScram(exchange, credentials);
}

/** Sends one token. */
type Exchange = (token: string) => Promise<{ answer: string; sessionLifetimeMs: number }>;

async function logInPlain(
  exchange: Exchange,
  { username, password }: PlainCredentials,
): Promise<number> {
  const { sessionLifetimeMs } = await exchange(`\0${username}\0${password}`);
  return sessionLifetimeMs;
}

async function logInScram(exchange: Exchange, credentials: ScramCredentials): Promise<number> {
  const nonce = randomBytes(NONCE_BYTES).toString('base64url');
  const first = await exchange(firstMessage(credentials.username, nonce));
  const proof = await finalMessage(credentials, nonce, first.answer);
  const final = await exchange(proof.message);
  verifyServer(final.answer, proof.serverSignature);
  return final.sessionLifetimeMs;
}

async function authenticateOnce(
  connection: Requester,
  token: string,
  timeoutMs: number,
): ReturnType<Exchange> {
  const authBytes = Buffer.from(token);
  const options = { timeoutMs };
  const response = await connection.request(apis.SaslAuthenticate, { authBytes }, options);
  if (response.errorCode !== KafkaErrorCode.NONE) {
    throw refused(response.errorMessage ?? kafkaErrorName(response.errorCode) ?? 'no reason given');
  }
  return {
    answer: response.authBytes.toString(),
    sessionLifetimeMs: Number(response.sessionLifetimeMs),
  };
}

function refused(reason: string): Error {
  return kafkaError('KAFKA_AUTHENTICATION_FAILED', `the broker refused the login: ${reason}`);
}
