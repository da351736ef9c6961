/**
 * The words in which a message is declared. A declaration is plain data: `codec.ts` compiles it for
 * one version, tests derive samples from it, and its static types are computed from it. It must not
 * read or write a byte.
 *
 * A field is optional in the input of an encoder when Kafka's declaration gives it a default, when
 * it may be null, or when some version lacks it. A decoded value always has every field: what the
 * version lacks has its default.
 */

/** What a scalar looks like in memory, by its name in Kafka's message files. */
export interface Scalars {
  readonly int8: number;
  readonly int16: number;
  readonly uint16: number;
  readonly int32: number;
  readonly uint32: number;
  readonly int64: bigint;
  readonly float64: number;
  readonly bool: boolean;
  readonly uuid: string;
  readonly string: string;
  readonly bytes: Buffer;
}

export type ScalarType = keyof Scalars;

/** Scalars that take the same bytes in every version, and those that start with their length. */
export type FixedType = Exclude<ScalarType, 'string' | 'bytes'>;

export type Spec =
  | { readonly type: FixedType }
  | { readonly type: 'string' | 'bytes' }
  | { readonly type: 'array'; readonly of: Spec }
  | { readonly type: 'nullable'; readonly of: Spec; readonly since: number }
  | { readonly type: 'struct'; readonly fields: Fields };

/** A field: what it holds, and the versions in which it is there. */
export interface Field<Value = unknown, Input = unknown, Optional extends boolean = boolean> {
  readonly spec: Spec;
  /** The default. Undefined: what the spec implies (zero, empty, null, a struct of defaults). */
  readonly absent: unknown;
  readonly since: number;
  readonly until: number;
  /** Number of a tagged field (KIP-482), or null. */
  readonly tag: number | null;
  /** Never set: carries the static types. */
  readonly types?: { readonly value: Value; readonly input: Input; readonly optional: Optional };
}

export type Fields = Readonly<Record<string, Field>>;

/** A tagged field that the declaration does not know. */
export interface RawTag {
  readonly tag: number;
  readonly bytes: Buffer;
}

/** Bytes to write: one buffer, or several that are written one behind the other. */
export type BytesInput = Buffer | readonly Buffer[];

export type ValueOf<F> = F extends { readonly types?: { readonly value: infer Value } }
  ? Value
  : never;

export type InputOf<F> = F extends { readonly types?: { readonly input: infer Input } }
  ? Input
  : never;

type OptionalKeys<F extends Fields> = {
  [K in keyof F]: F[K] extends { readonly types?: { readonly optional: true } } ? K : never;
}[keyof F];

/** What decoding gives. `unknownTags` is there only when the peer sent some. */
export type StructValue<F extends Fields> = { -readonly [K in keyof F]: ValueOf<F[K]> } & {
  unknownTags?: RawTag[];
};

/** What encoding takes: a decoded value always fits. */
export type StructInput<F extends Fields> = {
  readonly [K in Exclude<keyof F, OptionalKeys<F>>]: InputOf<F[K]>;
} & { readonly [K in OptionalKeys<F>]?: InputOf<F[K]> | undefined } & {
  readonly unknownTags?: readonly RawTag[] | undefined;
};

const ALWAYS = { since: 0, until: Number.POSITIVE_INFINITY, tag: null } as const;

/** Without an argument the field is required in input; with one, that is its default. */
interface ScalarField<T, Input = T> {
  (): Field<T, Input, false>;
  (absent: T): Field<T, Input, true>;
}

function scalar<K extends ScalarType, Input = Scalars[K]>(type: K): ScalarField<Scalars[K], Input> {
  return (absent?: Scalars[K]) => ({ spec: { type }, absent, ...ALWAYS });
}

export const int8 = scalar('int8');
export const int16 = scalar('int16');
export const uint16 = scalar('uint16');
export const int32 = scalar('int32');
export const uint32 = scalar('uint32');
export const int64 = scalar('int64');
export const float64 = scalar('float64');
export const bool = scalar('bool');
export const uuid = scalar('uuid');
export const string = scalar('string');
export const bytes = scalar<'bytes', BytesInput>('bytes');

/** @returns record batches, opaque to this package's codecs, or null. */
export function records(): Field<Buffer | null, BytesInput | null, true> {
  return nullable(bytes());
}

/** @param of what each element is; the versions and default of that field mean nothing here */
export function array<Value, Input>(
  of: Field<Value, Input>,
): Field<Value[], readonly Input[], false> {
  return { spec: { type: 'array', of: of.spec }, absent: undefined, ...ALWAYS };
}

/**
 * @param of what the field holds when it is not null
 * @param since the first version in which it may be null; the default is null in any case
 */
export function nullable<Value, Input>(
  of: Field<Value, Input>,
  since = 0,
): Field<Value | null, Input | null, true> {
  return { spec: { type: 'nullable', of: of.spec, since }, absent: null, ...ALWAYS };
}

/** @param fields in the order of the wire, tagged ones anywhere */
export function struct<F extends Fields>(fields: F): Field<StructValue<F>, StructInput<F>, false> {
  return { spec: { type: 'struct', fields }, absent: undefined, ...ALWAYS };
}

/** The field is there from this version on. */
export function since<Value, Input>(
  version: number,
  field: Field<Value, Input>,
): Field<Value, Input, true> {
  return between(version, field.until, field);
}

/** The field is there up to and including this version. */
export function until<Value, Input>(
  version: number,
  field: Field<Value, Input>,
): Field<Value, Input, true> {
  return between(field.since, version, field);
}

/** The field is there in these versions, both included. */
export function between<Value, Input>(
  first: number,
  last: number,
  { spec, absent, tag }: Field<Value, Input>,
): Field<Value, Input, true> {
  return { spec, absent, tag, since: first, until: last };
}

/** A tagged field (KIP-482): written only when it differs from its default. */
export function tagged<Value, Input>(
  tag: number,
  version: number,
  { spec, absent, until }: Field<Value, Input>,
): Field<Value, Input, true> {
  return { spec, absent, until, since: version, tag };
}
