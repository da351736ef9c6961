/**
 * Reads the configuration: defaults, then a `.properties` file, then environment variables
 * (`wal.linger.ms` is `OUTRIGGER_WAL_LINGER_MS`), and refuses what it does not understand before
 * anything is started. Every complaint is collected, so that one start shows them all.
 */
import { parse as parseProperties } from 'dot-properties';
import { OutriggerError } from '../../kafka/index.ts';
import type { CliErrorCode } from '../errors.ts';
import type { ConfigDef, ConfigValues } from './config-def.ts';

const ENVIRONMENT_PREFIX = 'OUTRIGGER_';

/** Where a configuration comes from. */
export interface ConfigSources {
  /** The text of a `.properties` file, and its name for messages. */
  readonly file?: { readonly name: string; readonly text: string };
  readonly environment: Readonly<Record<string, string | undefined>>;
}

export interface LoadedConfig<Def extends ConfigDef> {
  readonly values: ConfigValues<Def>;
  /** Environment variables with our prefix that name no key: worth a warning, not a refusal. */
  readonly ignoredVariables: readonly string[];
}

/** @returns the environment variable that overrides a key */
export function variableOf(name: string): string {
  return ENVIRONMENT_PREFIX + name.toUpperCase().replaceAll('.', '_');
}

/**
 * @param def all keys there are
 * @throws CLI_CONFIG_INVALID, one line for each value that is not allowed and each unknown key
 */
export function loadConfig<Def extends ConfigDef>(
  def: Def,
  sources: ConfigSources,
): LoadedConfig<Def> {
  const complaints: string[] = [];
  const fromFile = readFile(def, sources, complaints);
  const values: Record<string, unknown> = {};
  for (const [name, key] of Object.entries(def)) {
    const variable = variableOf(name);
    const fromVariable = sources.environment[variable];
    const given = fromVariable ?? fromFile.get(name) ?? key.defaultText;
    const shownName = fromVariable === undefined ? name : `${name} (from ${variable})`;
    if (given === undefined) {
      complaints.push(`${name} is not set: it takes ${key.allowed}`);
      continue;
    }
    const parsed = key.parse(given.trim());
    if ('value' in parsed) values[name] = parsed.value;
    else
      complaints.push(`${shownName} = ${key.secret ? '(hidden)' : given}: takes ${parsed.refused}`);
  }
  if (complaints.length > 0) {
    const message = `the configuration is not valid:\n${complaints.map((line) => `  ${line}`).join('\n')}`;
    throw new OutriggerError<CliErrorCode>('CLI_CONFIG_INVALID', message);
  }
  // Each key was parsed by its own declaration, from which the static type is computed.
  return { values: values as ConfigValues<Def>, ignoredVariables: ignoredVariables(def, sources) };
}

function readFile(
  def: ConfigDef,
  { file }: ConfigSources,
  complaints: string[],
): ReadonlyMap<string, string> {
  if (file === undefined) return new Map();
  const entries = Object.entries(parseProperties(file.text));
  const known = new Map<string, string>();
  for (const [name, value] of entries) {
    if (def[name] !== undefined && typeof value === 'string') known.set(name, value);
    else complaints.push(`${name} in ${file.name} is no key of Outrigger${suggestion(def, name)}`);
  }
  return known;
}

function ignoredVariables(def: ConfigDef, { environment }: ConfigSources): string[] {
  const known = new Set(Object.keys(def).map(variableOf));
  return Object.keys(environment).filter(
    (variable) => variable.startsWith(ENVIRONMENT_PREFIX) && !known.has(variable),
  );
}

/** Names the key that was probably meant, if one is close. */
function suggestion(def: ConfigDef, name: string): string {
  let best: string | undefined;
  let bestDistance = Math.max(3, Math.floor(name.length / 4)) + 1;
  for (const candidate of Object.keys(def)) {
    const distance = editDistance(name, candidate);
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best === undefined ? '' : `; did you mean ${best}?`;
}

/** Levenshtein's distance: how many letters have to be put in, left out or changed. */
function editDistance(a: string, b: string): number {
  let above = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const changed = (above[column - 1] ?? 0) + (a[row - 1] === b[column - 1] ? 0 : 1);
      const shorter = Math.min(above[column] ?? 0, current[column - 1] ?? 0) + 1;
      current.push(Math.min(changed, shorter));
    }
    above = current;
  }
  return above.at(-1) ?? 0;
}
