/**
 * Samples of any declared message for one version, derived from its declaration. A field that the
 * version lacks holds its default, so that decoding gives back exactly what was encoded.
 */

import * as fc from 'fast-check';
import { defaultMaker } from '../../../../kafka/wire/defaults.ts';
import type { Message } from '../../../../kafka/wire/message.ts';
import type { Field, Fields, FixedType, RawTag, Spec } from '../../../../kafka/wire/schema.ts';

const ELEMENTS_MAX = 3;
const BYTES_MAX = 40;

/** Tags from here on are in no declaration; Kafka's encoder refuses the very last one. */
const UNKNOWN_TAG_FIRST = 900;
const UNKNOWN_TAG_LAST = 0x7fff_fffe;

const scalars: { readonly [K in FixedType]: fc.Arbitrary<unknown> } = {
  int8: fc.integer({ min: -0x80, max: 0x7f }),
  int16: fc.integer({ min: -0x8000, max: 0x7fff }),
  uint16: fc.integer({ min: 0, max: 0xffff }),
  int32: fc.integer({ min: -0x8000_0000, max: 0x7fff_ffff }),
  uint32: fc.integer({ min: 0, max: 0xffff_ffff }),
  int64: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  float64: fc.double({ noNaN: true }),
  bool: fc.boolean(),
  uuid: fc.uint8Array({ minLength: 16, maxLength: 16 }).map((raw) => base64url(raw)),
};

/**
 * @param message the declaration
 * @param version one that it supports
 * @param flexible whether that version has tagged fields
 */
export function sampleOf<Value>(
  message: Message<Value>,
  version: number,
  flexible: boolean,
): fc.Arbitrary<Value> {
  // The declaration from which the samples come is the one that gives the static type.
  return ofSpec(message.spec, version, flexible) as fc.Arbitrary<Value>;
}

function ofSpec(spec: Spec, version: number, flexible: boolean): fc.Arbitrary<unknown> {
  if (spec.type === 'string') return fc.string({ maxLength: 12, unit: 'binary' });
  if (spec.type === 'bytes')
    return fc.uint8Array({ maxLength: BYTES_MAX }).map((raw) => Buffer.from(raw));
  if (spec.type === 'array') {
    return fc.array(ofSpec(spec.of, version, flexible), { maxLength: ELEMENTS_MAX });
  }
  if (spec.type === 'nullable') {
    const inner = ofSpec(spec.of, version, flexible);
    return version < spec.since ? inner : fc.option(inner, { nil: null });
  }
  if (spec.type === 'struct') return ofStruct(spec.fields, version, flexible);
  return scalars[spec.type];
}

function ofStruct(fields: Fields, version: number, flexible: boolean): fc.Arbitrary<unknown> {
  const known: Record<string, fc.Arbitrary<unknown>> = Object.fromEntries(
    Object.entries(fields).map(([name, field]) => [name, ofField(field, version, flexible)]),
  );
  if (!flexible) return fc.record(known);
  return fc.oneof(fc.record(known), fc.record({ ...known, unknownTags }));
}

function ofField(field: Field, version: number, flexible: boolean): fc.Arbitrary<unknown> {
  if (version < field.since || version > field.until) {
    const make = defaultMaker(field);
    return fc.constant(null).map(make);
  }
  return ofSpec(field.spec, version, flexible);
}

const unknownTags: fc.Arbitrary<RawTag[]> = fc
  .uniqueArray(
    fc.record({
      tag: fc.integer({ min: UNKNOWN_TAG_FIRST, max: UNKNOWN_TAG_LAST }),
      bytes: fc.uint8Array({ maxLength: BYTES_MAX }).map((raw) => Buffer.from(raw)),
    }),
    { minLength: 1, maxLength: 2, selector: ({ tag }) => tag },
  )
  .map((tags) => tags.toSorted((left, right) => left.tag - right.tag));

function base64url(raw: Uint8Array): string {
  return Buffer.from(raw).toString('base64url');
}
