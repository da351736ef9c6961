/**
 * An object store as a job sees it: its requests are counted under the job's name, its bytes wait
 * for the bandwidth that is allowed, and its calls end when the job is to end. What comes back and
 * what is thrown is the store's own.
 */
import type { Bandwidth } from '../../runtime/index.ts';
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
  RangeOptions,
} from '../../storage/index.ts';
import type { JobFigures, StoreRequest } from './job-figures.ts';

/** Stores list so many objects with one request. */
const LISTED_PER_REQUEST = 1_000;

export interface MeteredStoreOptions {
  readonly store: ObjectStore;
  readonly bandwidth: Bandwidth;
  /** Under which to count, asked at each request. */
  readonly figures: () => JobFigures;
  /** Ends calls that have no signal of their own. */
  readonly signal?: AbortSignal;
}

export class MeteredStore implements ObjectStore {
  readonly #options: MeteredStoreOptions;

  constructor(options: MeteredStoreOptions) {
    this.#options = options;
  }

  get location(): string {
    return this.#options.store.location;
  }

  async put(key: string, body: ObjectBody, options?: PutOptions): Promise<void> {
    const call = this.#call(options);
    await this.#beforeWrite(body, call);
    await this.#options.store.put(key, body, call);
  }

  async putIfAbsent(
    key: string,
    body: ObjectBody,
    options?: PutOptions,
  ): Promise<PutIfAbsentOutcome> {
    const call = this.#call(options);
    await this.#beforeWrite(body, call);
    return await this.#options.store.putIfAbsent(key, body, call);
  }

  async get(key: string, options?: CallOptions): Promise<GetOutcome> {
    const call = this.#call(options);
    this.#count('get');
    return await this.#afterRead(await this.#options.store.get(key, call), call);
  }

  async getRange(
    key: string,
    position: number,
    length: number,
    options?: RangeOptions,
  ): Promise<GetOutcome> {
    const call = this.#call(options);
    this.#count('get');
    const outcome = await this.#options.store.getRange(key, position, length, call);
    return await this.#afterRead(outcome, call);
  }

  async head(key: string, options?: CallOptions): Promise<HeadOutcome> {
    this.#count('head');
    return await this.#options.store.head(key, this.#call(options));
  }

  async delete(keys: readonly string[], options?: CallOptions): Promise<void> {
    this.#count('delete');
    await this.#options.store.delete(keys, this.#call(options));
  }

  async *list(prefix: string, options?: ListOptions): AsyncIterable<ListedObject> {
    let listed = 0;
    this.#count('list');
    for await (const object of this.#options.store.list(prefix, this.#call(options))) {
      if (listed > 0 && listed % LISTED_PER_REQUEST === 0) this.#count('list');
      listed++;
      yield object;
    }
  }

  /** The store belongs to the process. */
  async close(): Promise<void> {}

  #call<Options extends CallOptions>(options?: Options): Options | CallOptions {
    const { signal } = this.#options;
    if (signal === undefined || options?.signal !== undefined) return options ?? {};
    return { ...options, signal };
  }

  #count(request: StoreRequest): void {
    this.#options.figures().requests[request]++;
  }

  async #beforeWrite(body: ObjectBody, { signal }: CallOptions): Promise<void> {
    const { bandwidth, figures } = this.#options;
    const bytes = Buffer.isBuffer(body)
      ? body.length
      : body.reduce((sum, { length }) => sum + length, 0);
    this.#count('put');
    figures().storeBytesWritten += bytes;
    await bandwidth.take(bytes, signal);
  }

  /** How many there are is known only now: the next who asks waits for them. */
  async #afterRead(outcome: GetOutcome, { signal }: CallOptions): Promise<GetOutcome> {
    if (outcome.kind === 'missing') return outcome;
    const { bandwidth, figures } = this.#options;
    figures().storeBytesRead += outcome.bytes.length;
    await bandwidth.take(outcome.bytes.length, signal);
    return outcome;
  }
}
