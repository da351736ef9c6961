/**
 * Compiles a declaration for one version into a decoder and an encoder. It promises that malformed
 * bytes end in KAFKA_FRAME_MALFORMED with the path of the field, that nothing is allocated for more
 * elements than the remaining bytes can hold, and that what was decoded encodes to the same bytes.
 * Values are unknown in here: the casts rest on the static types that `schema.ts` computes from the
 * same declaration.
 */

import type { Codec, Wire } from './codec-types.ts';
import { defaultMaker } from './defaults.ts';
import type { Reader } from './reader.ts';
import type { BytesInput, Field, Fields, FixedType, Scalars, Spec } from './schema.ts';
import { TagSection, knownTag } from './tag-section.ts';
import type { KnownTag, Struct } from './tag-section.ts';
import { invalidValue, malformed, within } from './wire-error.ts';
import type { Writer } from './writer.ts';

/** How a length or a count that may be null (-1) is written. */
interface Length {
  readonly bytesMin: number;
  readonly read: (reader: Reader) => number;
  readonly write: (writer: Writer, length: number) => void;
}

const COMPACT: Length = {
  bytesMin: 1,
  read: (reader) => reader.uvarint() - 1,
  write: (writer, length) => writer.uvarint(length + 1),
};

const INT16: Length = {
  bytesMin: 2,
  read: (reader) => reader.int16(),
  write: (writer, length) => writer.int16(length),
};

const INT32: Length = {
  bytesMin: 4,
  read: (reader) => reader.int32(),
  write: (writer, length) => writer.int32(length),
};

const FIXED: { readonly [K in FixedType]: Codec<Scalars[K], Scalars[K]> } = {
  int8: { bytesMin: 1, decode: (r) => r.int8(), encode: (w, v) => w.int8(v) },
  int16: { bytesMin: 2, decode: (r) => r.int16(), encode: (w, v) => w.int16(v) },
  uint16: { bytesMin: 2, decode: (r) => r.uint16(), encode: (w, v) => w.uint16(v) },
  int32: { bytesMin: 4, decode: (r) => r.int32(), encode: (w, v) => w.int32(v) },
  uint32: { bytesMin: 4, decode: (r) => r.uint32(), encode: (w, v) => w.uint32(v) },
  int64: { bytesMin: 8, decode: (r) => r.int64(), encode: (w, v) => w.int64(v) },
  float64: { bytesMin: 8, decode: (r) => r.float64(), encode: (w, v) => w.float64(v) },
  bool: { bytesMin: 1, decode: (r) => r.bool(), encode: (w, v) => w.bool(v) },
  uuid: { bytesMin: 16, decode: (r) => r.uuid(), encode: (w, v) => w.uuid(v) },
};

/**
 * @param spec what is read and written
 * @param wire the version
 * @returns the codec; the caller gives it the static types of the declaration
 */
export function compile(spec: Spec, wire: Wire): Codec {
  if (spec.type === 'struct') return structCodec(spec.fields, wire);
  if (spec.type === 'nullable') {
    return wire.version < spec.since ? compile(spec.of, wire) : nullableCodec(spec.of, wire);
  }
  if (isSized(spec)) return refusingNull(sizedCodec(spec, wire));
  return FIXED[spec.type];
}

function nullableCodec(spec: Spec, wire: Wire): Codec {
  if (isSized(spec)) return sizedCodec(spec, wire);
  return markedCodec(compile(spec, wire));
}

type SizedSpec = { readonly type: 'string' | 'bytes' } | Extract<Spec, { type: 'array' }>;

function isSized(spec: Spec): spec is SizedSpec {
  return spec.type === 'string' || spec.type === 'bytes' || spec.type === 'array';
}

/** What starts with its length, -1 for null. */
function sizedCodec(spec: SizedSpec, wire: Wire): Codec {
  if (spec.type === 'array') {
    return arrayCodec(compile(spec.of, wire), wire.flexible ? COMPACT : INT32);
  }
  if (spec.type === 'string') return stringCodec(wire.flexible ? COMPACT : INT16);
  return bytesCodec(wire.flexible ? COMPACT : INT32);
}

function stringCodec(length: Length): Codec {
  return {
    bytesMin: length.bytesMin,
    decode: (reader) => {
      const count = readLength(reader, length);
      return count === null ? null : reader.utf8(count);
    },
    encode: (writer, value) => {
      if (value === null) length.write(writer, -1);
      else writer.utf8(value as string, length.write);
    },
  };
}

function bytesCodec(length: Length): Codec {
  return {
    bytesMin: length.bytesMin,
    decode: (reader) => {
      const count = readLength(reader, length);
      return count === null ? null : reader.bytes(count);
    },
    encode: (writer, value) => {
      if (value === null) {
        length.write(writer, -1);
        return;
      }
      const input = value as BytesInput;
      const parts = Buffer.isBuffer(input) ? [input] : input;
      length.write(
        writer,
        parts.reduce((total, part) => total + part.length, 0),
      );
      for (const part of parts) writer.bytes(part);
    },
  };
}

function arrayCodec(element: Codec, length: Length): Codec {
  // No element is written in no bytes at all, so a count can never outgrow the frame.
  const elementBytesMin = Math.max(1, element.bytesMin);
  return {
    bytesMin: length.bytesMin,
    decode: (reader) => {
      const start = reader.position;
      const count = readLength(reader, length);
      if (count === null) return null;
      if (count * elementBytesMin > reader.remaining) {
        throw malformed(`${count} elements in ${reader.remaining} bytes`, start);
      }
      const values: unknown[] = [];
      try {
        while (values.length < count) values.push(element.decode(reader));
      } catch (error) {
        throw within(error, values.length);
      }
      return values;
    },
    encode: (writer, value) => {
      if (value === null) {
        length.write(writer, -1);
        return;
      }
      const values = value as readonly unknown[];
      length.write(writer, values.length);
      let index = 0;
      try {
        for (; index < values.length; index++) element.encode(writer, values[index]);
      } catch (error) {
        throw within(error, index);
      }
    },
  };
}

/** @returns null for -1; nothing below that is a length */
function readLength(reader: Reader, length: Length): number | null {
  const start = reader.position;
  const count = length.read(reader);
  if (count < -1) throw malformed(`length ${count}`, start);
  return count === -1 ? null : count;
}

function refusingNull(codec: Codec): Codec {
  return {
    bytesMin: codec.bytesMin,
    decode: (reader) => {
      const start = reader.position;
      const value = codec.decode(reader);
      if (value === null) throw malformed('null where the version has none', start);
      return value;
    },
    encode: (writer, value) => {
      if (value === null) throw invalidValue('null where the version has none');
      codec.encode(writer, value);
    },
  };
}

/** A nullable struct has a byte in front: -1 for null, 1 for a value. */
function markedCodec(codec: Codec): Codec {
  return {
    bytesMin: 1,
    decode: (reader) => (reader.int8() < 0 ? null : codec.decode(reader)),
    encode: (writer, value) => {
      writer.int8(value === null ? -1 : 1);
      if (value !== null) codec.encode(writer, value);
    },
  };
}

interface PlannedField {
  readonly name: string;
  /** Null when the version lacks the field, or has it among the tags. */
  readonly codec: Codec | null;
  readonly makeDefault: () => unknown;
}

function structCodec(fields: Fields, wire: Wire): Codec {
  const plan = Object.entries(fields).map(([name, field]): PlannedField => {
    const untagged = isPresent(field, wire) && field.tag === null;
    const codec = untagged ? compile(field.spec, wire) : null;
    return { name, codec, makeDefault: defaultMaker(field) };
  });
  const written = plan.flatMap(({ codec, ...rest }) =>
    codec === null ? [] : [{ codec, ...rest }],
  );
  const tags = wire.flexible ? new TagSection(knownTags(fields, wire)) : null;
  const bytesMin = written.reduce((total, { codec }) => total + codec.bytesMin, 0);
  return {
    bytesMin: bytesMin + (tags === null ? 0 : 1),
    decode: (reader) => {
      const struct: Struct = {};
      let current = '';
      try {
        for (const { name, codec, makeDefault } of plan) {
          current = name;
          struct[name] = codec === null ? makeDefault() : codec.decode(reader);
        }
      } catch (error) {
        throw within(error, current);
      }
      tags?.decode(reader, struct);
      return struct;
    },
    encode: (writer, value) => {
      const struct = value as Readonly<Struct>;
      let current = '';
      try {
        for (const { name, codec, makeDefault } of written) {
          current = name;
          const held = struct[name];
          codec.encode(writer, held === undefined ? makeDefault() : held);
        }
      } catch (error) {
        throw within(error, current);
      }
      tags?.encode(writer, struct);
    },
  };
}

function isPresent(field: Field, wire: Wire): boolean {
  return wire.version >= field.since && wire.version <= field.until;
}

function knownTags(fields: Fields, wire: Wire): KnownTag[] {
  return Object.entries(fields).flatMap(([name, field]) => {
    if (field.tag === null || !isPresent(field, wire)) return [];
    return [knownTag(name, field, field.tag, compile(field.spec, wire))];
  });
}
