/**
 * A cache, bounded in bytes, of what is loaded from the object store: whoever asks for what is on
 * its way gets the same answer. What was not read for longest is dropped first.
 */
import { LRUCache } from 'lru-cache';

export class LoadingCache<Value extends object> {
  readonly #values: LRUCache<string, Value>;
  readonly #loading = new Map<string, Promise<Value | undefined>>();

  /**
   * @param bytesOf what a value counts; one larger than the whole cache takes it alone
   * @param onDropped is told of each value that nobody finds any more
   */
  constructor(
    bytesMax: number,
    bytesOf: (value: Value) => number,
    onDropped: (value: Value) => void = () => undefined,
  ) {
    this.#values = new LRUCache({
      maxSize: bytesMax,
      sizeCalculation: (value) => Math.max(1, Math.min(bytesOf(value), bytesMax)),
      dispose: onDropped,
    });
  }

  get bytes(): number {
    return this.#values.calculatedSize;
  }

  /** @returns the value if it is in memory; it counts as read */
  peek(key: string): Value | undefined {
    return this.#values.get(key);
  }

  /** Whether it is in memory or on its way. */
  has(key: string): boolean {
    return this.#values.has(key) || this.#loading.has(key);
  }

  /**
   * @param load undefined for what is not there, which is not remembered
   * @throws what `load` throws
   */
  async get(key: string, load: () => Promise<Value | undefined>): Promise<Value | undefined> {
    const known = this.#values.get(key);
    if (known !== undefined) return known;
    let loading = this.#loading.get(key);
    if (loading === undefined) {
      loading = this.#load(key, load).finally(() => this.#loading.delete(key));
      this.#loading.set(key, loading);
    }
    return await loading;
  }

  delete(key: string): void {
    this.#values.delete(key);
  }

  async #load(key: string, load: () => Promise<Value | undefined>): Promise<Value | undefined> {
    const value = await load();
    if (value !== undefined) this.#values.set(key, value);
    return value;
  }
}
