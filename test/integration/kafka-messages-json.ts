/**
 * Kafka's JSON form of a message, as its generated JsonConverter classes read and write it: int64
 * as number, bytes as base64, and of tagged fields only those that differ from their defaults.
 * Unknown tagged fields and the content of record batches are not in it.
 */

import { defaultTest } from '../../kafka/wire/defaults.ts';
import type { Field, Fields, Spec } from '../../kafka/wire/schema.ts';

/** JSON with each number kept as its text, so that int64 loses nothing. */
export type ExactJson =
  | string
  | boolean
  | null
  | readonly ExactJson[]
  | { readonly [name: string]: ExactJson };

/** A number in its text form, told from a string by its mark. */
const NUMBER_MARK = '#';

/**
 * @param json as Kafka writes it
 * @returns the same with numbers as `#` and their text, and without the content of records
 */
export function parseKafkaJson(json: string): ExactJson {
  return JSON.parse(json, (name: string, value: unknown, context?: { source: string }) => {
    if (name === 'records' && value !== null) return '';
    return typeof value === 'number' ? NUMBER_MARK + String(context?.source) : value;
  }) as ExactJson;
}

/**
 * @param spec the declaration
 * @param value a sample of it
 * @returns the text that Kafka's JsonConverter reads
 */
export function toKafkaJson(spec: Spec, value: unknown, version: number): string {
  if (value === null) return 'null';
  if (spec.type === 'nullable') return toKafkaJson(spec.of, value, version);
  if (spec.type === 'array') {
    const elements = (value as readonly unknown[]).map((element) => {
      return toKafkaJson(spec.of, element, version);
    });
    return `[${elements.join(',')}]`;
  }
  if (spec.type === 'struct') return structToJson(spec.fields, value, version);
  if (Buffer.isBuffer(value)) return JSON.stringify(value.toString('base64'));
  return typeof value === 'bigint' ? String(value) : JSON.stringify(value);
}

function structToJson(fields: Fields, value: unknown, version: number): string {
  const struct = value as Readonly<Record<string, unknown>>;
  const members = Object.entries(fields)
    .filter(([name, field]) => isWritten(field, struct[name], version))
    .map(([name, field]) => `"${name}":${toKafkaJson(field.spec, struct[name], version)}`);
  return `{${members.join(',')}}`;
}

function isWritten(field: Field, value: unknown, version: number): boolean {
  if (version < field.since || version > field.until) return false;
  return field.tag === null || !defaultTest(field)(value);
}
