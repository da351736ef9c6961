/**
 * Ranges of objects, read within a budget for bytes on their way. It owns what a failure of the
 * store means to readers: try again later.
 */
import type { ObjectStore } from '../../storage/index.ts';
import type { ByteBudget } from '../../runtime/index.ts';
import { proxyError } from '../errors.ts';

export interface ObjectReaderOptions {
  readonly store: Pick<ObjectStore, 'getRange' | 'location'>;
  /** Bounds the bytes on their way; nobody may hold any of it while asking here. */
  readonly loadBudget: ByteBudget;
}

export interface ObjectReaderStats {
  readonly reads: number;
  readonly bytesRead: number;
}

export class ObjectReader {
  readonly #options: ObjectReaderOptions;
  #reads = 0;
  #bytesRead = 0;

  constructor(options: ObjectReaderOptions) {
    this.#options = options;
  }

  get stats(): ObjectReaderStats {
    return { reads: this.#reads, bytesRead: this.#bytesRead };
  }

  /** Whether so many bytes could be read without waiting for room. */
  hasRoom(bytes: number): boolean {
    const { bytesHeld, bytesMax, waiting } = this.#options.loadBudget;
    return waiting === 0 && bytesHeld + bytes <= bytesMax;
  }

  /**
   * @param length at least 1
   * @param allocate makes the memory for the bytes, see `ObjectStore`
   * @returns as many bytes as the object has there; undefined if it does not exist
   * @throws `PROXY_FILL_UNAVAILABLE` (retriable)
   */
  async read(
    key: string,
    position: number,
    length: number,
    allocate?: (byteCount: number) => Buffer,
  ): Promise<Buffer | undefined> {
    const { store, loadBudget } = this.#options;
    await loadBudget.acquire(length);
    try {
      const outcome = await store.getRange(key, position, length, { allocate });
      if (outcome.kind === 'missing') return undefined;
      this.#reads += 1;
      this.#bytesRead += outcome.bytes.length;
      return outcome.bytes;
    } catch (error) {
      const context = { retriable: true, details: { key }, cause: error };
      const message = `The object store at ${store.location} did not hand out an object.`;
      throw proxyError('PROXY_FILL_UNAVAILABLE', message, context);
    } finally {
      loadBudget.release(length);
    }
  }
}
