/**
 * What Outrigger asks of object storage, and all it may ask: the only way to the bytes for every
 * other package. It promises read-after-write per key and atomic put-if-absent; a listing may lag
 * behind, so nothing may rest on one. A missing object is an outcome, a store that cannot answer is
 * an error (`STORAGE_…`), and the two are never confused.
 *
 * Keys are relative (`wal/0000019a…`), see `object-key.ts`; a key must not be the folder of another
 * one (`a` beside `a/b`), because some stores keep keys as paths.
 */

/** One piece costs no copy; several are joined by stores that cannot send them as they are. */
export type ObjectBody = Buffer | readonly Buffer[];

export interface CallOptions {
  /** Ends the call with `STORAGE_ABORTED`; a write may have taken effect all the same. */
  readonly signal?: AbortSignal | undefined;
}

export interface RangeOptions extends CallOptions {
  /** Makes the memory for the bytes, of that size, once for each attempt; new memory otherwise. */
  readonly allocate?: ((byteCount: number) => Buffer) | undefined;
}

export interface PutOptions extends CallOptions {
  /** CRC32C of the whole body, when the caller has it already; computed otherwise. */
  readonly crc32c?: number | undefined;
}

export interface ListOptions extends CallOptions {
  /** Only keys after this one, in byte order. */
  readonly startAfter?: string | undefined;
}

/** `exists`: another write was first, and its bytes stay. */
export type PutIfAbsentOutcome = { readonly kind: 'stored' } | { readonly kind: 'exists' };

/** `bytes` belong to the caller. */
export type GetOutcome =
  | { readonly kind: 'found'; readonly bytes: Buffer }
  | { readonly kind: 'missing' };

export type HeadOutcome =
  | { readonly kind: 'found'; readonly byteCount: number; readonly modifiedMs: number }
  | { readonly kind: 'missing' };

export interface ListedObject {
  readonly key: string;
  readonly byteCount: number;
  /** By the store's clock. */
  readonly modifiedMs: number;
}

/** A `get` of a larger object is refused: larger ones are read by ranges. */
export const GET_BYTES_MAX = 256 * 1024 * 1024;

export interface ObjectStore {
  /** Where it is, for messages: `s3://bucket/prefix at http://…`, never with credentials. */
  readonly location: string;

  /**
   * Stores the body under the key, replacing what was there. All of it or nothing becomes visible,
   * and it is durable once the call returns.
   *
   * @throws `STORAGE_CORRUPT` if the body does not have the given CRC32C; nothing is stored then
   */
  put(key: string, body: ObjectBody, options?: PutOptions): Promise<void>;

  /**
   * As `put`, but only if nothing is there: of any number of concurrent calls one stores. An error
   * with `details.ambiguous` says that the body may have been stored: the caller repeats under
   * another key or reads back, and never takes what it finds for its own.
   */
  putIfAbsent(key: string, body: ObjectBody, options?: PutOptions): Promise<PutIfAbsentOutcome>;

  /** The whole object, up to `GET_BYTES_MAX`. */
  get(key: string, options?: CallOptions): Promise<GetOutcome>;

  /**
   * `length` bytes from `position`; fewer only where the object ends, none at or past its end.
   *
   * @param position first byte, from 0
   * @param length bytes, at least 1
   */
  getRange(
    key: string,
    position: number,
    length: number,
    options?: RangeOptions,
  ): Promise<GetOutcome>;

  head(key: string, options?: CallOptions): Promise<HeadOutcome>;

  /** Deletes all of them; one that is not there counts as deleted. Not atomic. */
  delete(keys: readonly string[], options?: CallOptions): Promise<void>;

  /**
   * The objects whose key begins with the prefix, in byte order of their keys, read page by page.
   *
   * @param prefix any beginning of a key, or empty for all
   */
  list(prefix: string, options?: ListOptions): AsyncIterable<ListedObject>;

  /** Gives back connections. Calls under way may fail. */
  close(): Promise<void>;
}
