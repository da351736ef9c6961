/** An object store in memory that is slow, fails or lies about a write when a test says so. */
import {
  storageError,
  type CallOptions,
  type GetOutcome,
  type HeadOutcome,
  type ListedObject,
  type ObjectBody,
  type ObjectStore,
  type PutIfAbsentOutcome,
  type RangeOptions,
} from '../../../../storage/index.ts';
import type { Clock } from '../../../../runtime/index.ts';

export type Fault =
  | { readonly kind: 'none'; readonly afterMs: number }
  /** Somebody else's bytes are there. */
  | { readonly kind: 'exists' }
  | { readonly kind: 'refused'; readonly retriable: boolean }
  /** No answer before the caller gives up; the write may have happened. */
  | { readonly kind: 'hangs'; readonly stores: boolean };

export const SOUND: Fault = { kind: 'none', afterMs: 0 };
export const DOWN: Fault = { kind: 'refused', retriable: true };

export interface PutCall {
  readonly key: string;
  readonly body: Buffer;
  readonly crc32c: number | undefined;
  readonly atMs: number;
}

export class FaultyObjectStore implements ObjectStore {
  readonly location = 'memory://test';
  readonly objects = new Map<string, Buffer>();
  readonly puts: PutCall[] = [];
  readonly gets: string[] = [];
  /** What happens to the next calls: `call` counts from 0, puts and gets apart. */
  onPut: (call: number) => Fault = () => SOUND;
  onGet: (call: number) => Fault = () => SOUND;
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async put(key: string, body: ObjectBody, options: CallOptions = {}): Promise<void> {
    await this.#write(key, body, options);
  }

  async putIfAbsent(
    key: string,
    body: ObjectBody,
    options: CallOptions & { crc32c?: number | undefined } = {},
  ): Promise<PutIfAbsentOutcome> {
    return await this.#write(key, body, options);
  }

  async get(key: string): Promise<GetOutcome> {
    return await this.getRange(key, 0, Number.MAX_SAFE_INTEGER);
  }

  async getRange(
    key: string,
    position: number,
    length: number,
    options: RangeOptions = {},
  ): Promise<GetOutcome> {
    const fault = this.onGet(this.gets.length);
    this.gets.push(key);
    await this.#suffer(fault, options);
    const object = this.objects.get(key);
    if (object === undefined) return { kind: 'missing' };
    const range = object.subarray(position, position + length);
    const bytes = options.allocate?.(range.length) ?? Buffer.alloc(range.length);
    range.copy(bytes);
    return { kind: 'found', bytes };
  }

  head(): Promise<HeadOutcome> {
    throw new TypeError('not used here');
  }

  delete(): Promise<void> {
    throw new TypeError('not used here');
  }

  list(): AsyncIterable<ListedObject> {
    throw new TypeError('not used here');
  }

  async close(): Promise<void> {
    // Nothing to give back.
  }

  async #write(
    key: string,
    body: ObjectBody,
    options: CallOptions & { crc32c?: number | undefined },
  ): Promise<PutIfAbsentOutcome> {
    const fault = this.onPut(this.puts.length);
    const bytes = Buffer.isBuffer(body) ? body : Buffer.concat(body);
    this.puts.push({ key, body: bytes, crc32c: options.crc32c, atMs: this.#clock.monotonicMs() });
    if (fault.kind === 'exists') return { kind: 'exists' };
    if (fault.kind === 'hangs' && fault.stores) this.objects.set(key, bytes);
    await this.#suffer(fault, options);
    if (this.objects.has(key)) return { kind: 'exists' };
    this.objects.set(key, bytes);
    return { kind: 'stored' };
  }

  async #suffer(fault: Fault, { signal }: CallOptions): Promise<void> {
    if (fault.kind === 'refused') {
      const code = fault.retriable ? 'STORAGE_UNAVAILABLE' : 'STORAGE_DENIED';
      throw storageError(code, 'the store is down', { retriable: fault.retriable });
    }
    const slow = fault.kind === 'none' && fault.afterMs > 0;
    if (!slow && fault.kind !== 'hangs') return;
    await new Promise<void>((resolve, reject) => {
      const abort = (): void => reject(storageError('STORAGE_ABORTED', 'given up'));
      signal?.addEventListener('abort', abort, { once: true });
      if (fault.kind === 'none') this.#clock.after(fault.afterMs, resolve);
    });
  }
}
