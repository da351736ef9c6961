/**
 * An object store in memory, for tests that make thousands of calls. Besides what every store does
 * it can let a put-if-absent arrive late: after its caller was told that there is no answer.
 */
import { storageError } from '../../../storage/index.ts';
import type {
  GetOutcome,
  HeadOutcome,
  ListedObject,
  ListOptions,
  ObjectBody,
  ObjectStore,
  PutIfAbsentOutcome,
  RangeOptions,
} from '../../../storage/index.ts';

export class MemoryStore implements ObjectStore {
  readonly location = 'memory://';
  readonly objects = new Map<string, Buffer>();
  readonly #now: () => number;
  readonly #isCopying: boolean;
  readonly #modifiedMs = new WeakMap<Buffer, number>();
  readonly #late: { readonly key: string; readonly bytes: Buffer }[] = [];
  #delayed = 0;

  /**
   * @param now dates objects; without it all are as old as can be
   * @param isCopying false where nobody writes to what was put or got, and speed counts
   */
  constructor(now: () => number = () => 0, isCopying = true) {
    this.#now = now;
    this.#isCopying = isCopying;
  }

  /** As `put`, at once; the bytes are kept, not copied. */
  set(key: string, bytes: Buffer): void {
    this.objects.set(key, bytes);
    this.#modifiedMs.set(bytes, this.#now());
  }

  /** The next put-if-absents are under way until `arrive`, and fail as if nobody answered. */
  delayNext(count: number): void {
    this.#delayed = count;
  }

  /** Everything that is under way arrives, or meets what is there. */
  arrive(): void {
    for (const { key, bytes } of this.#late.splice(0)) {
      if (!this.objects.has(key)) this.set(key, bytes);
    }
  }

  async put(key: string, body: ObjectBody): Promise<void> {
    this.set(key, this.#joined(body));
  }

  async putIfAbsent(key: string, body: ObjectBody): Promise<PutIfAbsentOutcome> {
    if (this.#delayed > 0) {
      this.#delayed--;
      this.#late.push({ key, bytes: this.#joined(body) });
      throw storageError('STORAGE_TIMEOUT', 'No answer in time.', {
        retriable: true,
        details: { ambiguous: true },
      });
    }
    if (this.objects.has(key)) return { kind: 'exists' };
    this.set(key, this.#joined(body));
    return { kind: 'stored' };
  }

  async get(key: string): Promise<GetOutcome> {
    const bytes = this.objects.get(key);
    return bytes === undefined ? { kind: 'missing' } : this.#found(bytes);
  }

  async getRange(
    key: string,
    position: number,
    length: number,
    { allocate }: RangeOptions = {},
  ): Promise<GetOutcome> {
    const object = this.objects.get(key);
    if (object === undefined) return { kind: 'missing' };
    const range = object.subarray(position, position + length);
    if (allocate === undefined) return this.#found(range);
    const bytes = allocate(range.length);
    range.copy(bytes);
    return { kind: 'found', bytes };
  }

  async head(key: string): Promise<HeadOutcome> {
    const bytes = this.objects.get(key);
    if (bytes === undefined) return { kind: 'missing' };
    return { kind: 'found', byteCount: bytes.length, modifiedMs: this.#dateOf(bytes) };
  }

  async delete(keys: readonly string[]): Promise<void> {
    for (const key of keys) this.objects.delete(key);
  }

  async *list(prefix: string, options: ListOptions = {}): AsyncIterable<ListedObject> {
    const { startAfter = '' } = options;
    const keys: string[] = [];
    for (const key of this.objects.keys()) {
      if (key.startsWith(prefix) && key > startAfter) keys.push(key);
    }
    for (const key of keys.sort()) {
      const bytes = this.objects.get(key);
      if (bytes === undefined) continue;
      yield { key, byteCount: bytes.length, modifiedMs: this.#dateOf(bytes) };
    }
  }

  async close(): Promise<void> {
    this.objects.clear();
  }

  /** What a test has put into `objects` itself is as old as can be. */
  #dateOf(bytes: Buffer): number {
    return this.#modifiedMs.get(bytes) ?? 0;
  }

  #found(bytes: Buffer): GetOutcome {
    return { kind: 'found', bytes: this.#isCopying ? Buffer.from(bytes) : bytes };
  }

  #joined(body: ObjectBody): Buffer {
    if (!Buffer.isBuffer(body)) return Buffer.concat([...body]);
    return this.#isCopying ? Buffer.from(body) : body;
  }
}
