/**
 * Larger records in the bucket: JSON behind a schema, compressed, under a checksum. People can read
 * it with `zstd -d`, and a repeated field name costs next to nothing. It owns the envelope
 * `CRC32C u32 · JSON bytes u32 · zstd`; what is in it is its caller's, and so is the error.
 */
import { promisify } from 'node:util';
import { zstdCompress, zstdCompressSync, zstdDecompress, zstdDecompressSync } from 'node:zlib';
import { z } from 'zod';
import { crc32c } from '../kafka/index.ts';

/** What is claimed beyond it is not decompressed. */
export const PACKED_JSON_BYTES_MAX = 256 * 1024 * 1024;

const ENVELOPE_BYTES = 4 + 4;
const ISSUES_MAX = 5;
const NOT_AS_CLAIMED = 'a packed record does not decompress to the bytes that it claims';
const SHORTER_THAN_CLAIMED = 'a packed record is shorter than it claims';
const compressAside = promisify(zstdCompress);
const decompressAside = promisify(zstdDecompress);
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
  return sealed(json.length, zstdCompressSync(json));
}

/**
 * As `packJson`, for much of it, which is compressed in the background.
 *
 * @param json the text
 */
export async function packText(json: Buffer): Promise<Buffer> {
  return sealed(json.length, await compressAside(json));
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
  const jsonBytes = unsealed(packed, PACKED_JSON_BYTES_MAX, fail);
  let json: Buffer;
  try {
    json = zstdDecompressSync(packed.subarray(ENVELOPE_BYTES), limitOf(jsonBytes));
  } catch {
    return fail(NOT_AS_CLAIMED);
  }
  if (json.length !== jsonBytes) fail(SHORTER_THAN_CLAIMED);
  return parseAs(schema, json.toString('utf8'), fail);
}

/**
 * As `unpackJson`, decompressed in the background; to be parsed by the caller, piece by piece.
 *
 * @param packed what `packText` or `packJson` returned
 * @param bytesMax of the text
 */
export async function unpackText(
  packed: Buffer,
  bytesMax: number,
  fail: (reason: string) => never,
): Promise<Buffer> {
  const jsonBytes = unsealed(packed, bytesMax, fail);
  let json: Buffer;
  try {
    json = await decompressAside(packed.subarray(ENVELOPE_BYTES), limitOf(jsonBytes));
  } catch {
    return fail(NOT_AS_CLAIMED);
  }
  return json.length === jsonBytes ? json : fail(SHORTER_THAN_CLAIMED);
}

/** @param json text that the schema is to judge */
export function parseAs<Schema extends z.ZodType>(
  schema: Schema,
  json: string,
  fail: (reason: string) => never,
): z.output<Schema> {
  let value: z.input<Schema>;
  try {
    // What comes out is the schema's to judge.
    value = JSON.parse(json) as never;
  } catch {
    return fail('a packed record is not JSON');
  }
  const parsed = z.safeDecode(schema, value);
  if (parsed.success) return parsed.data;
  const fields = parsed.error.issues.slice(0, ISSUES_MAX).map(({ path }) => path.join('.') || 'it');
  return fail(`wrong: ${fields.join(', ')}`);
}

function sealed(jsonBytes: number, compressed: Buffer): Buffer {
  const envelope = Buffer.allocUnsafe(ENVELOPE_BYTES);
  envelope.writeUInt32BE(jsonBytes, 4);
  const packed = Buffer.concat([envelope, compressed]);
  packed.writeUInt32BE(crc32c(packed.subarray(4)), 0);
  return packed;
}

/** @returns how long the text claims to be */
function unsealed(packed: Buffer, bytesMax: number, fail: (reason: string) => never): number {
  if (packed.length < ENVELOPE_BYTES) return fail('a packed record is cut short');
  if (crc32c(packed.subarray(4)) !== packed.readUInt32BE(0)) fail('CRC32C mismatch');
  const jsonBytes = packed.readUInt32BE(4);
  return jsonBytes > bytesMax ? fail(`a packed record claims ${jsonBytes} bytes`) : jsonBytes;
}

function limitOf(jsonBytes: number): { readonly maxOutputLength: number } {
  return { maxOutputLength: Math.max(jsonBytes, 1) };
}
