/**
 * One worker's way to a shared bucket: calls fail or lose their answers on demand, listings may be
 * old, and the worker may fall asleep at any call, before it or after it took effect, while others
 * go on.
 */
import { storageError } from '../../../../storage/index.ts';
import type {
  GetOutcome,
  HeadOutcome,
  ListedObject,
  ListOptions,
  ObjectBody,
  ObjectStore,
  PutIfAbsentOutcome,
  StorageErrorCode,
} from '../../../../storage/index.ts';
import type { StoreOperation } from '../../../support/slow-store.ts';

interface Fault {
  readonly operation: StoreOperation;
  readonly code: StorageErrorCode;
  /** Whether the call takes effect all the same. */
  readonly isLost: boolean;
}

interface Nap {
  /** Calls until then. */
  calls: number;
  readonly isAfter: boolean;
  readonly onAsleep: () => void;
  readonly over: Promise<void>;
}

export class TroubledStore implements ObjectStore {
  readonly #inner: ObjectStore;
  #faults: Fault[] = [];
  #nap: Nap | undefined;
  #wake: () => void = () => undefined;
  /** What listings show; undefined: all that there is. */
  listed: readonly ListedObject[] | undefined;

  constructor(inner: ObjectStore) {
    this.#inner = inner;
  }

  get location(): string {
    return this.#inner.location;
  }

  failNext(operation: StoreOperation, code: StorageErrorCode, isLost = false): void {
    this.#faults.push({ operation, code, isLost });
  }

  /** Failures that did not come to pass will not. */
  calm(): void {
    this.#faults = [];
    this.listed = undefined;
  }

  /**
   * Falls asleep at the call that so many others come before.
   *
   * @returns once it sleeps
   */
  async sleepAt(calls: number, isAfter: boolean): Promise<void> {
    const over = new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    await new Promise<void>((onAsleep) => {
      this.#nap = { calls, isAfter, onAsleep, over };
    });
  }

  wake(): void {
    this.#nap = undefined;
    this.listed = undefined;
    this.#wake();
  }

  async put(key: string, body: ObjectBody): Promise<void> {
    await this.#through('put', async () => this.#inner.put(key, body));
  }

  async putIfAbsent(key: string, body: ObjectBody): Promise<PutIfAbsentOutcome> {
    return await this.#through('putIfAbsent', async () => this.#inner.putIfAbsent(key, body));
  }

  async get(key: string): Promise<GetOutcome> {
    return await this.#through('get', async () => this.#inner.get(key));
  }

  async getRange(key: string, position: number, length: number): Promise<GetOutcome> {
    return await this.#through('getRange', async () => this.#inner.getRange(key, position, length));
  }

  async head(key: string): Promise<HeadOutcome> {
    return await this.#through('head', async () => this.#inner.head(key));
  }

  async delete(keys: readonly string[]): Promise<void> {
    await this.#through('delete', async () => this.#inner.delete(keys));
  }

  async *list(prefix: string, options: ListOptions = {}): AsyncIterable<ListedObject> {
    const { startAfter = '' } = options;
    const listed = await this.#through('list', async () => this.listed ?? allOf(this.#inner));
    yield* listed.filter(({ key }) => key.startsWith(prefix) && key > startAfter);
  }

  async close(): Promise<void> {
    await this.#inner.close();
  }

  async #through<Result>(operation: StoreOperation, call: () => Promise<Result>): Promise<Result> {
    const index = this.#faults.findIndex((fault) => fault.operation === operation);
    const fault = index === -1 ? undefined : this.#faults.splice(index, 1)[0];
    const nap = this.#napNow();
    if (nap?.isAfter === false) await nap.over;
    if (fault?.isLost === false) throw this.#error(fault);
    const result = await call();
    if (nap?.isAfter === true) await nap.over;
    if (fault !== undefined) throw this.#error(fault);
    return result;
  }

  #napNow(): Nap | undefined {
    const nap = this.#nap;
    if (nap === undefined || nap.calls-- > 0) return undefined;
    this.#nap = undefined;
    nap.onAsleep();
    return nap;
  }

  #error({ operation, code, isLost }: Fault): Error {
    return storageError(code, `${operation} was made to fail.`, {
      retriable: code !== 'STORAGE_DENIED',
      details: { ambiguous: isLost },
    });
  }
}

/** @returns what a listing of everything shows now */
export async function allOf(store: ObjectStore): Promise<readonly ListedObject[]> {
  const listed: ListedObject[] = [];
  for await (const object of store.list('')) listed.push(object);
  return listed;
}
