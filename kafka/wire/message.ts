/**
 * A declared message: one declaration gives decoder, encoder and static type for every version.
 */

import { apiKeyName, isFlexible } from '../api-keys.ts';
import { kafkaError } from '../errors.ts';
import { compile } from './codec.ts';
import type { Codec } from './codec-types.ts';
import { Reader } from './reader.ts';
import { struct } from './schema.ts';
import type { Fields, Spec, StructInput, StructValue } from './schema.ts';
import { malformed, within } from './wire-error.ts';
import { Writer } from './writer.ts';

export interface MessageHead {
  readonly apiKey: number;
  readonly kind: 'request' | 'response';
  /** First and last version that can be read and written, both included. */
  readonly versions: readonly [first: number, last: number];
}

export interface Message<Value = unknown, Input = unknown> extends MessageHead {
  /** Kafka's name, such as `FetchRequest`. */
  readonly name: string;
  readonly spec: Spec;

  /** @returns whether the version can be read and written */
  supports(version: number): boolean;

  /** @throws KAFKA_VERSION_UNSUPPORTED */
  codec(version: number): Codec<Value, Input>;

  /**
   * @param buffer bytes that end where the message ends
   * @param offset where the message starts, behind the header
   * @returns the value; its byte fields are views of the buffer
   * @throws KAFKA_FRAME_MALFORMED, KAFKA_VERSION_UNSUPPORTED
   */
  decode(buffer: Buffer, version: number, offset?: number): Value;

  /**
   * @returns the bytes of the message, without header; large byte fields are taken by reference
   * @throws KAFKA_VALUE_INVALID, KAFKA_VERSION_UNSUPPORTED
   */
  encode(value: Input, version: number): Buffer[];
}

/** What decoding a message gives. */
export type MessageOf<M> = M extends Message<infer Value> ? Value : never;

/** What encoding a message takes: fields that have a default may be left out. */
export type MessageInput<M> = M extends { encode(value: infer Input, version: number): unknown }
  ? Input
  : never;

/**
 * @param head API and versions; `api-keys.ts` knows which versions are flexible
 * @param fields in the order of the wire
 */
export function message<const H extends MessageHead, F extends Fields>(
  head: H,
  fields: F,
): Message<StructValue<F>, StructInput<F>> & H {
  type Value = StructValue<F>;
  type Input = StructInput<F>;
  const { spec } = struct(fields);
  const [first, last] = head.versions;
  const name = `${apiKeyName(head.apiKey)}${head.kind === 'request' ? 'Request' : 'Response'}`;
  const codecs = new Map<number, Codec<Value, Input>>();

  function supports(version: number): boolean {
    return Number.isInteger(version) && version >= first && version <= last;
  }

  function codec(version: number): Codec<Value, Input> {
    const known = codecs.get(version);
    if (known !== undefined) return known;
    if (!supports(version)) {
      const range = `${first} to ${last}`;
      throw kafkaError(
        'KAFKA_VERSION_UNSUPPORTED',
        `${name} v${version} is not among the versions ${range}`,
        { details: { message: name, version } },
      );
    }
    const flexible = isFlexible(head.apiKey, version);
    // The declaration is the same from which the static types are computed.
    const compiled = compile(spec, { version, flexible }) as Codec<Value, Input>;
    codecs.set(version, compiled);
    return compiled;
  }

  function decode(buffer: Buffer, version: number, offset = 0): Value {
    const { decode: read } = codec(version);
    const reader = new Reader(buffer, offset);
    try {
      const value = read(reader);
      if (reader.remaining > 0) {
        throw malformed(`${reader.remaining} bytes after the end`, reader.position);
      }
      return value;
    } catch (error) {
      throw within(error, `${name} v${version}`);
    }
  }

  function encode(value: Input, version: number): Buffer[] {
    const { encode: write } = codec(version);
    const writer = new Writer();
    try {
      write(writer, value);
    } catch (error) {
      throw within(error, `${name} v${version}`);
    }
    return writer.chunks();
  }

  return { ...head, name, spec, supports, codec, decode, encode };
}
