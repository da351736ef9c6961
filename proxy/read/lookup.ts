/**
 * Lookups in what is in memory, made again after what they missed was loaded: so each search is
 * written once, without waiting, and serves both those who may not wait and those who can.
 */
import { proxyError } from '../errors.ts';

export interface Found<Value> {
  readonly kind: 'found';
  readonly value: Value;
}

export type Settled<Value> =
  | Found<Value>
  /** The object that was searched does not have it. */
  | { readonly kind: 'absent' }
  /** The object itself is not there. */
  | { readonly kind: 'gone' }
  /** Something else is in its place. */
  | Corrupt;

export interface Corrupt {
  readonly kind: 'corrupt';
  readonly cause: unknown;
  /** Drops the bytes from memory: they may have been damaged on their way. */
  readonly forget: () => void;
}

export type Lookup<Value> =
  | Settled<Value>
  | {
      readonly kind: 'unread';
      /**
       * @returns false if the object is not there
       * @throws `PROXY_FILL_UNAVAILABLE` (retriable) while it cannot be read
       */
      readonly load: () => Promise<boolean>;
    };

export const ABSENT = { kind: 'absent' } as const;

/** A view, an index, and as many blocks as a search or the largest batch spans. */
const LOADS_MAX = 256;

/**
 * Looks until nothing is missing. What is corrupt is read once more.
 *
 * @throws `PROXY_FILL_UNAVAILABLE` (retriable)
 */
export async function complete<Value>(look: () => Lookup<Value>): Promise<Settled<Value>> {
  let isReadAgain = false;
  for (let loads = 0; loads < LOADS_MAX; loads++) {
    const lookup = look();
    if (lookup.kind === 'unread') {
      if (!(await lookup.load())) return { kind: 'gone' };
    } else if (lookup.kind === 'corrupt' && !isReadAgain) {
      isReadAgain = true;
      lookup.forget();
    } else {
      return lookup;
    }
  }
  const message = 'The memory for consumers that lag is too small for all of them at once.';
  throw proxyError('PROXY_FILL_UNAVAILABLE', message, { retriable: true });
}

/**
 * @param key of the object that is searched
 * @returns what is found, undefined if the object does not have it
 * @throws `PROXY_FILL_UNAVAILABLE` (retriable), `PROXY_OBJECT_MISSING`, `PROXY_OBJECT_CORRUPT`
 */
export async function expectFound<Value>(
  key: string,
  look: () => Lookup<Value>,
): Promise<Value | undefined> {
  const lookup = look();
  if (lookup.kind === 'found') return lookup.value;
  const settled = await complete(look);
  if (settled.kind === 'found') return settled.value;
  if (settled.kind === 'absent') return undefined;
  const details = { key };
  if (settled.kind === 'gone') {
    const message = 'An object with a part of a log is gone from the object store.';
    throw proxyError('PROXY_OBJECT_MISSING', message, { details });
  }
  const message = 'An object with a part of a log cannot be read back.';
  throw proxyError('PROXY_OBJECT_CORRUPT', message, { details, cause: settled.cause });
}
