/**
 * The bytes of an S3 answer. Lengths are the server's claims: what arrives must be as long as was
 * claimed, and what was claimed no longer than what was asked for, before any of it is believed.
 */
import { Readable } from 'node:stream';
import type { GetObjectCommandOutput } from '@aws-sdk/client-s3';
import { storageError } from './errors.ts';

/**
 * Reads the body with one allocation and one copy.
 *
 * @param byteCountMax the most that the caller takes
 * @param allocate makes the memory that the bytes are read into
 * @throws `STORAGE_REFUSED` if there is more than that, `STORAGE_CORRUPT` if the body is not as
 *   long as its header says
 */
export async function readBody(
  output: GetObjectCommandOutput,
  byteCountMax: number,
  where: string,
  allocate?: (byteCount: number) => Buffer,
): Promise<Buffer> {
  const { Body: body, ContentLength: byteCount } = output;
  if (!(body instanceof Readable) || byteCount === undefined) {
    throw storageError('STORAGE_CORRUPT', `${where} came without a body or its length.`, {
      retriable: true,
    });
  }
  if (byteCount > byteCountMax) {
    body.destroy();
    throw storageError(
      'STORAGE_REFUSED',
      `${where} has ${byteCount} bytes; no more than ${byteCountMax} are read at once.`,
      { details: { byteCount, byteCountMax } },
    );
  }
  const bytes = allocate?.(byteCount) ?? Buffer.allocUnsafeSlow(byteCount);
  let at = 0;
  for await (const chunk of body) {
    if (!Buffer.isBuffer(chunk) || chunk.length > byteCount - at) throw tornBody(where, byteCount);
    at += chunk.copy(bytes, at);
  }
  if (at !== byteCount) throw tornBody(where, byteCount);
  return bytes;
}

/**
 * @throws `STORAGE_INCONSISTENT` unless the answer is of the range that was asked for: some servers
 *   answer with the whole object
 */
export function checkRange(output: GetObjectCommandOutput, position: number, where: string): void {
  if (output.ContentRange?.startsWith(`bytes ${position}-`) === true) return;
  if (output.Body instanceof Readable) output.Body.destroy();
  throw storageError(
    'STORAGE_INCONSISTENT',
    `${where} was read from byte ${position}, and the store answered with ` +
      `${output.ContentRange ?? 'the whole object'}: it does not honour ranged reads.`,
    { details: { position } },
  );
}

function tornBody(where: string, byteCount: number): Error {
  return storageError(
    'STORAGE_CORRUPT',
    `${where} did not arrive with the ${byteCount} bytes that were announced.`,
    { retriable: true, details: { byteCount } },
  );
}
