/**
 * What a field holds when a version or a caller leaves it out. Defaults are made anew for every
 * value, never shared, because handlers change what they decoded.
 */

import type { Field, Fields, ScalarType, Scalars, Spec } from './schema.ts';

/** Kafka's zero UUID, which stands for "none". */
export const ZERO_UUID = 'A'.repeat(22);

const ZEROS: { readonly [K in ScalarType]: Scalars[K] } = {
  int8: 0,
  int16: 0,
  uint16: 0,
  int32: 0,
  uint32: 0,
  int64: 0n,
  float64: 0,
  bool: false,
  uuid: ZERO_UUID,
  string: '',
  bytes: Buffer.alloc(0),
};

/** @returns a maker of the field's default */
export function defaultMaker({ spec, absent }: Field): () => unknown {
  if (absent !== undefined) return () => absent;
  if (spec.type === 'array') return () => [];
  if (spec.type === 'struct') return structMaker(spec.fields);
  if (spec.type === 'nullable') return () => null;
  const zero = ZEROS[spec.type];
  return () => zero;
}

function structMaker(fields: Fields): () => unknown {
  const makers = Object.entries(fields).map(([name, field]) => {
    return { name, make: defaultMaker(field) };
  });
  return () => {
    const struct: Record<string, unknown> = {};
    for (const { name, make } of makers) struct[name] = make();
    return struct;
  };
}

/**
 * @param field the declaration of a tagged field
 * @returns whether a value is left out, as Kafka's own encoder leaves out what is the default
 */
export function defaultTest({ spec, absent }: Field): (value: unknown) => boolean {
  const isImplied = absent === undefined ? impliedDefaultTest(spec) : equalTo(absent);
  return (value) => value === undefined || isImplied(value);
}

function impliedDefaultTest(spec: Spec): (value: unknown) => boolean {
  if (spec.type === 'array') return (value) => Array.isArray(value) && value.length === 0;
  if (spec.type === 'struct') return structTest(spec.fields);
  if (spec.type === 'nullable') return equalTo(null);
  if (spec.type === 'bytes') return (value) => Buffer.isBuffer(value) && value.length === 0;
  return equalTo(ZEROS[spec.type]);
}

function equalTo(absent: unknown): (value: unknown) => boolean {
  return (value) => value === absent;
}

function structTest(fields: Fields): (value: unknown) => boolean {
  const tests = Object.entries(fields).map(([name, field]) => {
    return { name, isDefault: defaultTest(field) };
  });
  return (value) => {
    // The static types of the declaration say that this is an object with these fields.
    const struct = value as Readonly<Record<string, unknown>>;
    const unknownTags = struct['unknownTags'];
    if (Array.isArray(unknownTags) && unknownTags.length > 0) return false;
    return tests.every(({ name, isDefault }) => isDefault(struct[name]));
  };
}
