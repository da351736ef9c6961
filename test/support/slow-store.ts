/**
 * An object store with the troubles of a real one, on demand: latency, failures, outages, answers
 * that get lost, and calls held back until a test lets them go. It changes nothing else about the
 * store that it wraps.
 */
import { storageError } from '../../storage/index.ts';
import type {
  CallOptions,
  GetOutcome,
  HeadOutcome,
  ListedObject,
  ListOptions,
  ObjectBody,
  ObjectStore,
  PutIfAbsentOutcome,
  PutOptions,
  StorageErrorCode,
} from '../../storage/index.ts';

export type StoreOperation =
  | 'put'
  | 'putIfAbsent'
  | 'get'
  | 'getRange'
  | 'head'
  | 'delete'
  | 'list';

export interface SlowStoreOptions {
  /** Milliseconds that a call waits before it reaches the store; none by default. */
  readonly latencyMs?: (operation: StoreOperation) => number;
  readonly pause?: (ms: number) => Promise<void>;
}

interface Fault {
  readonly operation: StoreOperation;
  readonly code: StorageErrorCode;
  /** Whether the store does what it was asked before the error is thrown. */
  readonly afterwards: boolean;
}

export class SlowStore implements ObjectStore {
  readonly #inner: ObjectStore;
  readonly #latencyMs: (operation: StoreOperation) => number;
  readonly #pause: (ms: number) => Promise<void>;
  readonly #faults: Fault[] = [];
  readonly #held = new Map<StoreOperation, Promise<void>>();
  readonly #calls = new Map<StoreOperation, number>();
  /** While true every call fails as if the store could not be reached. */
  outage = false;

  constructor(inner: ObjectStore, options: SlowStoreOptions = {}) {
    this.#inner = inner;
    this.#latencyMs = options.latencyMs ?? (() => 0);
    this.#pause =
      options.pause ?? (async (ms) => await new Promise((done) => setTimeout(done, ms)));
  }

  get location(): string {
    return this.#inner.location;
  }

  /** @returns how many calls of that kind were made, failed ones included */
  calls(operation: StoreOperation): number {
    return this.#calls.get(operation) ?? 0;
  }

  /** The next calls of that kind fail without reaching the store. */
  failNext(
    operation: StoreOperation,
    count = 1,
    code: StorageErrorCode = 'STORAGE_UNAVAILABLE',
  ): void {
    for (let i = 0; i < count; i++) this.#faults.push({ operation, code, afterwards: false });
  }

  /** The next call of that kind takes effect, and then fails as if its answer were lost. */
  loseNextAnswer(operation: StoreOperation): void {
    this.#faults.push({ operation, code: 'STORAGE_TIMEOUT', afterwards: true });
  }

  /** Calls of that kind wait until the function returned is called. */
  hold(operation: StoreOperation): () => void {
    const { promise, resolve } = deferred();
    this.#held.set(operation, promise);
    return () => {
      this.#held.delete(operation);
      resolve();
    };
  }

  async put(key: string, body: ObjectBody, options?: PutOptions): Promise<void> {
    await this.#through('put', async () => await this.#inner.put(key, body, options));
  }

  async putIfAbsent(
    key: string,
    body: ObjectBody,
    options?: PutOptions,
  ): Promise<PutIfAbsentOutcome> {
    const call = async () => await this.#inner.putIfAbsent(key, body, options);
    return await this.#through('putIfAbsent', call);
  }

  async get(key: string, options?: CallOptions): Promise<GetOutcome> {
    return await this.#through('get', async () => await this.#inner.get(key, options));
  }

  async getRange(
    key: string,
    position: number,
    length: number,
    options?: CallOptions,
  ): Promise<GetOutcome> {
    const call = async () => await this.#inner.getRange(key, position, length, options);
    return await this.#through('getRange', call);
  }

  async head(key: string, options?: CallOptions): Promise<HeadOutcome> {
    return await this.#through('head', async () => await this.#inner.head(key, options));
  }

  async delete(keys: readonly string[], options?: CallOptions): Promise<void> {
    await this.#through('delete', async () => await this.#inner.delete(keys, options));
  }

  async *list(prefix: string, options?: ListOptions): AsyncIterable<ListedObject> {
    yield* await this.#through('list', async () => this.#inner.list(prefix, options));
  }

  async close(): Promise<void> {
    await this.#inner.close();
  }

  async #through<Result>(operation: StoreOperation, call: () => Promise<Result>): Promise<Result> {
    this.#calls.set(operation, this.calls(operation) + 1);
    const index = this.#faults.findIndex((fault) => fault.operation === operation);
    const fault = index === -1 ? undefined : this.#faults.splice(index, 1)[0];
    const latencyMs = this.#latencyMs(operation);
    if (latencyMs > 0) await this.#pause(latencyMs);
    await this.#held.get(operation);
    if (this.outage) throw this.#error(operation, 'STORAGE_UNAVAILABLE', false);
    if (fault?.afterwards === false) throw this.#error(operation, fault.code, false);
    const result = await call();
    if (fault?.afterwards === true) throw this.#error(operation, fault.code, true);
    return result;
  }

  #error(operation: StoreOperation, code: StorageErrorCode, ambiguous: boolean): Error {
    return storageError(code, `${operation} on ${this.location} was made to fail.`, {
      retriable: true,
      details: { location: this.location, ambiguous },
    });
  }
}

function deferred(): { promise: Promise<void>; resolve: () => void } {
  let resolve: () => void = () => undefined;
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
