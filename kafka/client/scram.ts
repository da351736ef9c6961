/**
 * The client's side of SCRAM (RFC 5802) as Kafka uses it: no channel binding, no authorisation id,
 * names and passwords taken as they are. It computes; it does not send.
 */

import { createHash, createHmac, pbkdf2, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { kafkaError } from '../errors.ts';

export type ScramMechanism = 'SCRAM-SHA-256' | 'SCRAM-SHA-512';

/** Kafka's smallest number of iterations, and the most that a server may make us compute. */
const ITERATIONS_MIN = 4096;
const ITERATIONS_MAX = 1_000_000;

const HASHES = { 'SCRAM-SHA-256': 'sha256', 'SCRAM-SHA-512': 'sha512' } as const;

/** No channel binding, no authorisation id. */
const GS2_HEADER = 'n,,';

const derive = promisify(pbkdf2);

export interface ScramCredentials {
  readonly mechanism: ScramMechanism;
  readonly username: string;
  readonly password: string;
}

/** The second message of the client, and what the server must answer to prove that it knows us. */
export interface ScramProof {
  readonly message: string;
  readonly serverSignature: Buffer;
}

/**
 * @param username plain
 * @param nonce unpredictable, printable, without commas
 */
export function firstMessage(username: string, nonce: string): string {
  return `${GS2_HEADER}${bareFirstMessage(username, nonce)}`;
}

/**
 * @param nonce the one of the first message
 * @param serverFirst the server's first message
 * @throws KAFKA_AUTHENTICATION_FAILED when the server's message is not to be trusted
 */
export async function finalMessage(
  { mechanism, username, password }: ScramCredentials,
  nonce: string,
  serverFirst: string,
): Promise<ScramProof> {
  const attributes = parseAttributes(serverFirst);
  const serverNonce = attributes.get('r') ?? '';
  const salt = Buffer.from(attributes.get('s') ?? '', 'base64');
  const iterations = Number(attributes.get('i'));
  if (!serverNonce.startsWith(nonce) || serverNonce === nonce || salt.length === 0) {
    throw refused(attributes.get('e') ?? 'nonce or salt of the server');
  }
  if (!(iterations >= ITERATIONS_MIN && iterations <= ITERATIONS_MAX)) {
    throw refused(`${iterations} iterations`);
  }
  const hash = HASHES[mechanism];
  const salted = await derive(password, salt, iterations, digest(hash, '').length, hash);
  const clientKey = hmac(hash, salted, 'Client Key');
  const binding = Buffer.from(GS2_HEADER).toString('base64');
  const withoutProof = `c=${binding},r=${serverNonce}`;
  const signed = `${bareFirstMessage(username, nonce)},${serverFirst},${withoutProof}`;
  const signature = hmac(hash, digest(hash, clientKey), signed);
  const proof = clientKey.map((byte, index) => byte ^ signature.readUInt8(index));
  return {
    message: `${withoutProof},p=${Buffer.from(proof).toString('base64')}`,
    serverSignature: hmac(hash, hmac(hash, salted, 'Server Key'), signed),
  };
}

/**
 * @param serverFinal the server's last message
 * @param expected the signature that only a server that knows the credentials can make
 * @throws KAFKA_AUTHENTICATION_FAILED
 */
export function verifyServer(serverFinal: string, expected: Buffer): void {
  const attributes = parseAttributes(serverFinal);
  const signature = Buffer.from(attributes.get('v') ?? '', 'base64');
  if (signature.length !== expected.length || !timingSafeEqual(signature, expected)) {
    throw refused(attributes.get('e') ?? 'signature of the server');
  }
}

function bareFirstMessage(username: string, nonce: string): string {
  return `n=${username.replaceAll('=', '=3D').replaceAll(',', '=2C')},r=${nonce}`;
}

function parseAttributes(message: string): ReadonlyMap<string, string> {
  return new Map(message.split(',').map((part) => [part.slice(0, 1), part.slice(2)]));
}

function hmac(hash: string, key: Buffer, data: string): Buffer {
  return createHmac(hash, key).update(data).digest();
}

function digest(hash: string, data: Buffer | string): Buffer {
  return createHash(hash).update(data).digest();
}

function refused(reason: string): Error {
  return kafkaError('KAFKA_AUTHENTICATION_FAILED', `SCRAM: ${reason}`);
}
