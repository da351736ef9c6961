/**
 * The shape of a compiled declaration. It owns no code.
 */

import type { Reader } from './reader.ts';
import type { Writer } from './writer.ts';

/** What a field needs to know about the version that is read or written. */
export interface Wire {
  readonly version: number;
  /** Whether the version has compact lengths and tagged fields (KIP-482). */
  readonly flexible: boolean;
}

export interface Codec<Value = unknown, Input = unknown> {
  /** The fewest bytes that any value takes: bounds the counts that a frame may announce. */
  readonly bytesMin: number;
  decode(this: void, reader: Reader): Value;
  encode(this: void, writer: Writer, value: Input): void;
}
