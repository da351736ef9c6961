/**
 * What decompressing bytes of a stranger can come to, and the bounds that LZ4 and Snappy share.
 */

export type Decompressed =
  | { readonly kind: 'body'; readonly body: Buffer }
  /** It would take more than the bound, or more pieces than any encoder makes. */
  | { readonly kind: 'too-large' }
  | { readonly kind: 'corrupt'; readonly reason: string };

export interface DecompressOptions {
  /** Stop after the first block that holds anything. */
  readonly firstBlockOnly?: boolean;
}

/** Blocks of one body. Kafka's encoders make blocks of 32 or 64 KiB: room for half a gigabyte. */
export const BLOCKS_MAX = 16_384;

export function corrupt(reason: string): Decompressed {
  return { kind: 'corrupt', reason };
}

/** @returns the parts as one body, without copying if there is only one */
export function joined(parts: readonly Buffer[]): Decompressed {
  const [first] = parts;
  const body = parts.length === 1 && first !== undefined ? first : Buffer.concat(parts);
  return { kind: 'body', body };
}
