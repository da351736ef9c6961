/**
 * The SDK's client as this project wants it: one attempt per call (retries are `retry.ts`'s), a
 * bounded pool of kept-alive connections, no checksums of its own.
 *
 * Every put carries a CRC32C that was computed natively. The SDK would hash the body once more for
 * the signature (SHA-256); unless asked to, it signs `UNSIGNED-PAYLOAD` instead, which is safe only
 * together with that CRC32C: a store that is told neither may keep a body that was cut short.
 */
import assert from 'node:assert/strict';
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { S3Client } from '@aws-sdk/client-s3';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import type { Logger } from 'pino';

export interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string | undefined;
}

export interface S3StoreOptions {
  readonly bucket: string;
  /** Put before every key: empty, or segments each ending in a slash. */
  readonly prefix: string;
  readonly region: string;
  /** URL of an S3 server other than AWS. */
  readonly endpoint?: string | undefined;
  /** `endpoint/bucket/key` instead of `bucket.endpoint/key`. */
  readonly forcePathStyle: boolean;
  /** Without them the SDK looks in its usual places: environment, files, instance metadata. */
  readonly credentials?: S3Credentials | undefined;
  /** Attempts per call, at least 1. */
  readonly attemptsMax: number;
  /** For one attempt, the bytes of its answer included. */
  readonly requestTimeoutMs: number;
  readonly connectTimeoutMs: number;
  readonly connectionsMax: number;
  /** Hash bodies with SHA-256 for the signature: for stores that refuse unsigned payloads. */
  readonly signPayload: boolean;
}

/** @param logger is told when the pool of connections is too small */
export function createS3Client(options: S3StoreOptions, logger: Logger): S3Client {
  const { credentials } = options;
  const agentOptions = { keepAlive: true, maxSockets: options.connectionsMax };
  const client = new S3Client({
    region: options.region,
    ...(options.endpoint === undefined ? {} : { endpoint: options.endpoint }),
    forcePathStyle: options.forcePathStyle,
    ...(credentials === undefined ? {} : { credentials: credentialsOf(credentials) }),
    maxAttempts: 1,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    // It would cost a round trip per put and, in this SDK, a connection of its own.
    expectContinueHeader: false,
    // The timeout of a request is the caller's signal: the handler's own would end with the
    // headers.
    requestHandler: new NodeHttpHandler({
      httpAgent: new HttpAgent(agentOptions),
      httpsAgent: new HttpsAgent(agentOptions),
      connectionTimeout: options.connectTimeoutMs,
      logger,
    }),
  });
  if (!options.signPayload) leavePayloadUnsigned(client);
  return client;
}

function credentialsOf({ accessKeyId, secretAccessKey, sessionToken }: S3Credentials) {
  return {
    accessKeyId,
    secretAccessKey,
    ...(sessionToken === undefined ? {} : { sessionToken }),
  };
}

/** The signer takes the hash of the body from this header, if it is there already. */
function leavePayloadUnsigned(client: S3Client): void {
  client.middlewareStack.add(
    (next, { commandName }) =>
      async (args) => {
        if (commandName === 'PutObjectCommand') {
          assert(hasHeaders(args.request), 'a request without headers');
          args.request.headers['x-amz-content-sha256'] = 'UNSIGNED-PAYLOAD';
        }
        return await next(args);
      },
    { step: 'build', name: 'leavePayloadUnsigned' },
  );
}

function hasHeaders(request: unknown): request is { headers: Record<string, string> } {
  return typeof request === 'object' && request !== null && 'headers' in request;
}
