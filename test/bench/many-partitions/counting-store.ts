/** An object store that counts what is asked of it, and the bytes that it gives and takes. */
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
} from '../../../storage/index.ts';

export interface StoreCounts {
  gets: number;
  bytesRead: number;
  heads: number;
  lists: number;
  puts: number;
  bytesWritten: number;
  deletes: number;
}

export class CountingStore implements ObjectStore {
  readonly #store: ObjectStore;
  readonly #counts: StoreCounts = {
    gets: 0,
    bytesRead: 0,
    heads: 0,
    lists: 0,
    puts: 0,
    bytesWritten: 0,
    deletes: 0,
  };

  constructor(store: ObjectStore) {
    this.#store = store;
  }

  get location(): string {
    return this.#store.location;
  }

  get counts(): StoreCounts {
    return { ...this.#counts };
  }

  async put(key: string, body: ObjectBody, options?: PutOptions): Promise<void> {
    this.#wrote(body);
    await this.#store.put(key, body, options);
  }

  async putIfAbsent(
    key: string,
    body: ObjectBody,
    options?: PutOptions,
  ): Promise<PutIfAbsentOutcome> {
    this.#wrote(body);
    return await this.#store.putIfAbsent(key, body, options);
  }

  async get(key: string, options?: CallOptions): Promise<GetOutcome> {
    return this.#read(await this.#store.get(key, options));
  }

  async getRange(
    key: string,
    position: number,
    length: number,
    options?: CallOptions,
  ): Promise<GetOutcome> {
    return this.#read(await this.#store.getRange(key, position, length, options));
  }

  async head(key: string, options?: CallOptions): Promise<HeadOutcome> {
    this.#counts.heads++;
    return await this.#store.head(key, options);
  }

  async delete(keys: readonly string[], options?: CallOptions): Promise<void> {
    this.#counts.deletes++;
    await this.#store.delete(keys, options);
  }

  list(prefix: string, options?: ListOptions): AsyncIterable<ListedObject> {
    this.#counts.lists++;
    return this.#store.list(prefix, options);
  }

  async close(): Promise<void> {
    await this.#store.close();
  }

  #wrote(body: ObjectBody): void {
    this.#counts.puts++;
    const pieces = Buffer.isBuffer(body) ? [body] : body;
    for (const { length } of pieces) this.#counts.bytesWritten += length;
  }

  #read(outcome: GetOutcome): GetOutcome {
    this.#counts.gets++;
    if (outcome.kind === 'found') this.#counts.bytesRead += outcome.bytes.length;
    return outcome;
  }
}
