/**
 * Larger records in the bucket: JSON behind a schema, compressed, under a checksum. People can read
 * it with `zstd -d`, and a repeated field name costs next to nothing. It owns the envelope
 * `CRC32C u32 · JSON bytes u32 · zstd`; what is in it is its caller's, and so is the error.
 */
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { z } from 'zod';
import { crc32c } from '../kafka/index.ts';

/** What is claimed beyond it is not decompressed. */
export const PACKED_JSON_BYTES_MAX = 256 * 1024 * 1024;

const ENVELOPE_BYTES = 4 + 4;
const ISSUES_MAX = 5;
const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;

/** A 64-bit integer: a number where that is exact, else its digits. */
export const int64 = z.codec(
  z.union([z.int(), z.string().regex(/^-?\d{16,19}$/)]),
  z.bigint().min(INT64_MIN).max(INT64_MAX),
  {
    decode: (written) => BigInt(written),
    encode: (value) => {
      const near = Number(value);
      return Number.isSafeInteger(near) ? near : value.toString();
    },
  },
);

/** An offset of a log, or the one behind its last. */
export const offset = int64.refine((value) => value >= 0n);

/**
 * @param value fits the schema
 * @returns the bytes to store
 */
export function packJson<Schema extends z.ZodType>(
  schema: Schema,
  value: z.output<Schema>,
): Buffer {
  const json = Buffer.from(JSON.stringify(z.encode(schema, value)));
  const envelope = Buffer.allocUnsafe(ENVELOPE_BYTES);
  envelope.writeUInt32BE(json.length, 4);
  const packed = Buffer.concat([envelope, zstdCompressSync(json)]);
  packed.writeUInt32BE(crc32c(packed.subarray(4)), 0);
  return packed;
}

/**
 * @param packed all bytes that `packJson` returned, and no others
 * @param fail throws the caller's error, for a reason that holds nothing of the content
 */
export function unpackJson<Schema extends z.ZodType>(
  packed: Buffer,
  schema: Schema,
  fail: (reason: string) => never,
): z.output<Schema> {
  if (packed.length < ENVELOPE_BYTES) return fail('a packed record is cut short');
  if (crc32c(packed.subarray(4)) !== packed.readUInt32BE(0)) fail('CRC32C mismatch');
  const jsonBytes = packed.readUInt32BE(4);
  if (jsonBytes > PACKED_JSON_BYTES_MAX) fail(`a packed record claims ${jsonBytes} bytes`);
  const value = parse(packed.subarray(ENVELOPE_BYTES), jsonBytes, fail);
  const parsed = z.safeDecode(schema, value);
  if (parsed.success) return parsed.data;
  const fields = parsed.error.issues.slice(0, ISSUES_MAX).map(({ path }) => path.join('.') || 'it');
  return fail(`wrong: ${fields.join(', ')}`);
}

function parse(
  compressed: Buffer,
  jsonBytes: number,
  fail: (reason: string) => never,
  // What comes out is the schema's to judge.
): z.input<z.ZodType<never, never>> {
  let json: Buffer;
  try {
    json = zstdDecompressSync(compressed, { maxOutputLength: Math.max(jsonBytes, 1) });
  } catch {
    return fail('a packed record does not decompress to the bytes that it claims');
  }
  if (json.length !== jsonBytes) fail('a packed record is shorter than it claims');
  try {
    return JSON.parse(json.toString('utf8')) as never;
  } catch {
    return fail('a packed record is not JSON');
  }
}
