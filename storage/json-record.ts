/**
 * Small JSON objects in the bucket: one way to write them and one to read them, checked against a
 * schema. What a record says is never repeated in an error, because some records are secrets.
 */
import type { z } from 'zod';
import { storageError } from './errors.ts';

/** None comes near; more is not read as JSON. */
const RECORD_BYTES_MAX = 1024 * 1024;
const ISSUES_MAX = 5;

/** @returns the bytes to store, readable for people */
export function jsonRecord(value: Readonly<Record<string, unknown>>): Buffer {
  return Buffer.from(`${JSON.stringify(value, undefined, 2)}\n`);
}

/**
 * @param where the record's key and store, for the message
 * @throws `STORAGE_RECORD_CORRUPT` naming the fields that are wrong, not their values
 */
export function parseJsonRecord<Schema extends z.ZodType>(
  bytes: Buffer,
  schema: Schema,
  where: string,
): z.infer<Schema> {
  if (bytes.length > RECORD_BYTES_MAX) throw corrupt(where, `it has ${bytes.length} bytes`);
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch {
    // The parser's own message quotes the text, which may be a secret.
    throw corrupt(where, 'it is not JSON');
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const fields = parsed.error.issues.slice(0, ISSUES_MAX).map(({ path }) => path.join('.') || 'it');
  throw corrupt(where, `wrong: ${fields.join(', ')}`);
}

function corrupt(where: string, reason: string): Error {
  return storageError(
    'STORAGE_RECORD_CORRUPT',
    `${where} cannot be understood: ${reason}. Restore it from a backup or an older version of ` +
      'the object.',
    { details: { where, reason } },
  );
}
