/**
 * How configuration keys are declared, as Kafka's `ConfigDef` does it: a name, a type with its
 * bounds, a default and a sentence for the operator. One declaration gives the parser, the static
 * type, the error message and the row in `docs/config.md`. Knows no key itself.
 */

/** Why a value was refused; the caller names the key. */
export interface Refused {
  readonly refused: string;
}

export type Parsed<T> = { readonly value: T } | Refused;

/** One key: what it takes, in words (`allowed`) and in code (`parse`). */
export interface ConfigKey<T> {
  readonly doc: string;
  readonly allowed: string;
  /** As it would be written in the file; undefined when the key has to be set. */
  readonly defaultText: string | undefined;
  /** Never shown: not in logs, errors or docs. */
  readonly secret: boolean;
  readonly parse: (text: string) => Parsed<T>;
}

interface Declaration {
  readonly doc: string;
  /** As it would be written in the file. Without one the key has to be set. */
  readonly default?: string;
}

function key<T>(
  { doc, default: defaultText }: Declaration,
  allowed: string,
  parse: (text: string) => T | undefined,
): ConfigKey<T> {
  const parsed = (text: string): Parsed<T> => {
    const value = parse(text);
    return value === undefined ? { refused: allowed } : { value };
  };
  return { doc, allowed, defaultText, secret: false, parse: parsed };
}

/** A whole number from `min` to `max`. */
export function integer(
  declaration: Declaration & { readonly min: number; readonly max: number },
): ConfigKey<number> {
  const { min, max } = declaration;
  return key(declaration, `a whole number from ${min} to ${max}`, (text) => {
    const value = /^-?\d+$/.test(text) ? Number(text) : Number.NaN;
    return value >= min && value <= max ? value : undefined;
  });
}

/** A number from `min` to `max`, with or without a fraction. */
export function decimal(
  declaration: Declaration & { readonly min: number; readonly max: number },
): ConfigKey<number> {
  const { min, max } = declaration;
  return key(declaration, `a number from ${min} to ${max}`, (text) => {
    const value = text === '' ? Number.NaN : Number(text);
    return value >= min && value <= max ? value : undefined;
  });
}

/** As another key, or `auto` for what fits the rest of the configuration. */
export function orAuto<T>(other: ConfigKey<T>): ConfigKey<T | 'auto'> {
  return {
    ...other,
    allowed: `${other.allowed}, or auto`,
    defaultText: 'auto',
    parse: (text) => (text === 'auto' ? { value: 'auto' } : other.parse(text)),
  };
}

/** One of a few words. */
export function oneOf<const T extends string>(
  words: readonly T[],
  declaration: Declaration,
): ConfigKey<T> {
  return key(declaration, `one of ${words.join(', ')}`, (text) =>
    words.find((word) => word === text),
  );
}

export function boolean(declaration: Declaration): ConfigKey<boolean> {
  return key(declaration, 'true or false', (text) =>
    text === 'true' ? true : text === 'false' ? false : undefined,
  );
}

/** Any text; what has to be set must not be empty. */
export function text(declaration: Declaration): ConfigKey<string> {
  const required = declaration.default === undefined;
  return key(declaration, required ? 'a text that is not empty' : 'a text', (value) =>
    required && value === '' ? undefined : value,
  );
}

/** A text that is never shown. */
export function secret(declaration: Declaration): ConfigKey<string> {
  return { ...text(declaration), secret: true };
}

/** Several texts with commas between them. */
export function list(declaration: Declaration): ConfigKey<readonly string[]> {
  const required = declaration.default === undefined;
  const allowed = required ? 'a comma-separated list, not empty' : 'a comma-separated list';
  return key(declaration, allowed, (value) => {
    const items = value
      .split(',')
      .map((item) => item.trim())
      .filter((item) => item !== '');
    return required && items.length === 0 ? undefined : items;
  });
}

/** `HOST:PORT` pairs with commas between them. */
export function addresses(declaration: Declaration): ConfigKey<readonly string[]> {
  const { parse } = list(declaration);
  return key(declaration, 'a comma-separated list of HOST:PORT', (value) => {
    const parsed = parse(value);
    if ('refused' in parsed) return undefined;
    return parsed.value.every(isAddress) ? parsed.value : undefined;
  });
}

function isAddress(address: string): boolean {
  const match = /^(?:[^\s:]+|\[[^\]\s]+\]):(\d{1,5})$/.exec(address);
  const port = Number(match?.[1] ?? 0);
  return port > 0 && port < 65_536;
}

/** First and last port of a range, both included. */
export interface PortRange {
  readonly first: number;
  readonly last: number;
}

/** `FIRST-LAST`, both included. */
export function portRange(declaration: Declaration): ConfigKey<PortRange> {
  return key(declaration, 'a range of ports, FIRST-LAST, from 1 to 65535', (value) => {
    const match = /^(\d{1,5})-(\d{1,5})$/.exec(value);
    const first = Number(match?.[1] ?? 0);
    const last = Number(match?.[2] ?? 0);
    return first > 0 && last >= first && last < 65_536 ? { first, last } : undefined;
  });
}

/** All keys of a program by name. */
export type ConfigDef = Readonly<Record<string, ConfigKey<unknown>>>;

/** The values of all keys, by name. */
export type ConfigValues<Def extends ConfigDef> = {
  readonly [Name in keyof Def]: Def[Name] extends ConfigKey<infer T> ? T : never;
};
