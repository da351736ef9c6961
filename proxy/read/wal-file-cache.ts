/**
 * Whole WAL files in memory, bounded in bytes. Two budgets, so that a consumer that reads far
 * behind never evicts what the many at the end of the log are about to ask for (DESIGN §7): files
 * that are young when they come go to the tail, all others to the laggards. The tail drops the file
 * that came first, whoever reads it; the laggards' part drops the one that was not read for
 * longest.
 *
 * The buffers are shared with every reader: views of them are handed out and must not be written
 * to.
 */
import { LRUCache } from 'lru-cache';
import { fileCreatedMs } from '../../storage/index.ts';

export interface WalFileCacheOptions {
  readonly tailBytesMax: number;
  readonly laggingBytesMax: number;
  /** A file that is older when it is loaded counts as read by a laggard. */
  readonly tailAgeMsMax: number;
  /** Milliseconds since the epoch. */
  readonly wallMs: () => number;
}

export interface WalFileCacheStats {
  readonly tailFiles: number;
  readonly tailBytes: number;
  readonly laggingFiles: number;
  readonly laggingBytes: number;
}

export class WalFileCache {
  readonly #tail: LRUCache<bigint, Buffer>;
  readonly #lagging: LRUCache<bigint, Buffer>;
  readonly #tailAgeMsMax: number;
  readonly #wallMs: () => number;

  constructor(options: WalFileCacheOptions) {
    this.#tail = byteBounded(options.tailBytesMax);
    this.#lagging = byteBounded(options.laggingBytesMax);
    this.#tailAgeMsMax = options.tailAgeMsMax;
    this.#wallMs = options.wallMs;
  }

  get stats(): WalFileCacheStats {
    return {
      tailFiles: this.#tail.size,
      tailBytes: this.#tail.calculatedSize,
      laggingFiles: this.#lagging.size,
      laggingBytes: this.#lagging.calculatedSize,
    };
  }

  get(fileId: bigint): Buffer | undefined {
    return this.#tail.peek(fileId) ?? this.#lagging.get(fileId);
  }

  /**
   * @param file whole and known to be sound; the cache keeps the buffer itself
   */
  add(fileId: bigint, file: Buffer): void {
    const ageMs = this.#wallMs() - fileCreatedMs(fileId);
    const [part, other] =
      ageMs > this.#tailAgeMsMax ? [this.#lagging, this.#tail] : [this.#tail, this.#lagging];
    other.delete(fileId);
    part.set(fileId, file);
  }

  delete(fileId: bigint): void {
    this.#tail.delete(fileId);
    this.#lagging.delete(fileId);
  }
}

/**
 * A file larger than the whole budget takes it alone: it would be fetched again for each of its
 * batches otherwise.
 */
function byteBounded(bytesMax: number): LRUCache<bigint, Buffer> {
  return new LRUCache({
    maxSize: bytesMax,
    sizeCalculation: (file) => Math.min(file.length, bytesMax),
  });
}
