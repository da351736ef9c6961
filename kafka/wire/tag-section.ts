/**
 * The tagged fields at the end of a flexible struct (KIP-482). Known ones become fields of the
 * struct; unknown ones are kept as raw bytes in `unknownTags` and written back in their place, so
 * that a field which only the two peers know survives the way through this program.
 */

import type { Codec } from './codec-types.ts';
import { defaultTest } from './defaults.ts';
import type { Reader } from './reader.ts';
import type { Field, RawTag } from './schema.ts';
import { invalidValue, malformed, within } from './wire-error.ts';
import { Writer } from './writer.ts';

/** More tagged fields than this in one struct are taken for an attack. */
export const TAGGED_FIELDS_MAX = 10_000;

/** A struct while it is read or written: the declaration gives it its static type. */
export type Struct = Record<string, unknown>;

export interface KnownTag {
  readonly tag: number;
  readonly name: string;
  readonly codec: Codec;
  /** Whether a value is left out. */
  readonly isDefault: (value: unknown) => boolean;
}

/** @returns how a tagged field is read and written */
export function knownTag(name: string, field: Field, tag: number, codec: Codec): KnownTag {
  return { tag, name, codec, isDefault: defaultTest(field) };
}

interface PresentTag {
  readonly tag: number;
  readonly byteLength: number;
  readonly chunks: readonly Buffer[];
}

const NONE: readonly PresentTag[] = [];

export class TagSection {
  readonly #known: readonly KnownTag[];
  readonly #byTag: ReadonlyMap<number, KnownTag>;

  /** @param known the tagged fields that the version has */
  constructor(known: readonly KnownTag[]) {
    this.#known = known;
    this.#byTag = new Map(known.map((field) => [field.tag, field]));
  }

  /** Reads the section and sets what it holds on the struct. */
  decode(reader: Reader, struct: Struct): void {
    const start = reader.position;
    const count = reader.uvarint();
    if (count === 0) return;
    if (count > TAGGED_FIELDS_MAX) throw malformed(`${count} tagged fields`, start);
    const unknownTags: RawTag[] = [];
    let previous = -1;
    for (let index = 0; index < count; index++) {
      const tag = reader.uvarint();
      if (tag <= previous) throw malformed(`tag ${tag} after tag ${previous}`, reader.position);
      previous = tag;
      const size = reader.uvarint();
      const known = this.#byTag.get(tag);
      if (known === undefined) unknownTags.push({ tag, bytes: reader.bytes(size) });
      else struct[known.name] = decodeKnown(reader, known, size);
    }
    if (unknownTags.length > 0) struct['unknownTags'] = unknownTags;
  }

  /** Writes known fields that differ from their defaults, and all unknown ones, in order of tag. */
  encode(writer: Writer, struct: Readonly<Struct>): void {
    const present = this.#present(struct);
    writer.uvarint(present.length);
    let previous = -1;
    for (const { tag, byteLength, chunks } of present) {
      if (tag <= previous) throw invalidValue(`tag ${tag} twice`);
      previous = tag;
      writer.uvarint(tag);
      writer.uvarint(byteLength);
      for (const chunk of chunks) writer.bytes(chunk);
    }
  }

  #present(struct: Readonly<Struct>): readonly PresentTag[] {
    const unknownTags = struct['unknownTags'] as readonly RawTag[] | undefined;
    let present: PresentTag[] | null =
      unknownTags === undefined ? null : unknownTags.map(encodeUnknown);
    for (const known of this.#known) {
      const value = struct[known.name];
      if (!known.isDefault(value)) (present ??= []).push(encodeKnown(known, value));
    }
    if (present === null) return NONE;
    return present.sort((left, right) => left.tag - right.tag);
  }
}

function encodeUnknown({ tag, bytes }: RawTag): PresentTag {
  return { tag, byteLength: bytes.length, chunks: [bytes] };
}

function decodeKnown(reader: Reader, { name, codec }: KnownTag, size: number): unknown {
  const start = reader.position;
  try {
    if (size > reader.remaining) throw malformed(`tagged field of ${size} bytes`, start);
    const value = codec.decode(reader);
    const read = reader.position - start;
    if (read !== size) throw malformed(`tagged field of ${size} bytes, read ${read}`, start);
    return value;
  } catch (error) {
    throw within(error, name);
  }
}

function encodeKnown({ tag, name, codec }: KnownTag, value: unknown): PresentTag {
  const writer = new Writer();
  try {
    codec.encode(writer, value);
  } catch (error) {
    throw within(error, name);
  }
  return { tag, byteLength: writer.byteLength, chunks: writer.chunks() };
}
