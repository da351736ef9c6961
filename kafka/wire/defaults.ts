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
  const makers = Object.entries(fields).map(
    ([name, field]) => [name, defaultMaker(field)] as const,
  );
  return () => Object.fromEntries(makers.map(([name, make]) => [name, make()]));
}

/**
 * @param field the declaration
 * @param value what is about to be written
 * @returns whether a tagged field with this value is left out, as Kafka's own encoder does
 */
export function isDefault({ spec, absent }: Field, value: unknown): boolean {
  if (value === undefined) return true;
  if (absent !== undefined) return value === absent;
  return isImpliedDefault(spec, value);
}

function isImpliedDefault(spec: Spec, value: unknown): boolean {
  if (spec.type === 'array') return Array.isArray(value) && value.length === 0;
  if (spec.type === 'struct') return isDefaultStruct(spec.fields, value);
  if (spec.type === 'nullable') return value === null;
  if (spec.type === 'bytes') return Buffer.isBuffer(value) && value.length === 0;
  return value === ZEROS[spec.type];
}

function isDefaultStruct(fields: Fields, value: unknown): boolean {
  // The static types of the declaration say that this is an object with these fields.
  const struct = value as Readonly<Record<string, unknown>>;
  const tags = struct['unknownTags'];
  if (Array.isArray(tags) && tags.length > 0) return false;
  return Object.entries(fields).every(([name, field]) => isDefault(field, struct[name]));
}
