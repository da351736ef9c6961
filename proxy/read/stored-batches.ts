/**
 * Batches in merged files and segments, read by blocks, ahead of whoever reads on and on. It has a
 * memory of its own, so that a consumer that lags never evicts the end of the log.
 *
 * It promises: a batch is whole, and its checksum right, before anyone sees it; its bytes are
 * looked through once for as long as its block stays in memory, however many consumers read it.
 * Batches are views of blocks: copy what you patch or keep, and give back what you have looked at,
 * so that the block's memory can be used again.
 */
import {
  BATCH_HEADER_BYTES,
  batchBytes,
  batchCrc,
  batchMagic,
  computeBatchCrc,
  MAGIC_V2,
} from '../../kafka/index.ts';
import { proxyError } from '../errors.ts';
import { BlockMemory } from './block-memory.ts';
import { LoadingCache } from './loading-cache.ts';
import type { Corrupt, Lookup } from './lookup.ts';
import type { ObjectReader } from './object-reader.ts';

/** Contiguous batches of one partition in an object. */
export interface Piece {
  readonly key: string;
  /** Position of the first batch. */
  readonly start: number;
  /** Of the byte after the last. */
  readonly end: number;
  /** What a consumer reads next. */
  readonly next: Piece | null;
}

interface Block {
  /** In the object. */
  readonly start: number;
  readonly bytes: Buffer;
  /** Positions, in the object, of batches whose checksum was right. */
  readonly sound: Set<number>;
  /** Whether somebody has come to it. */
  isRead: boolean;
}

export interface StoredBatchesStats {
  readonly cachedBytes: number;
  readonly readAheads: number;
}

/** A block costs one request, so larger ones are cheaper; many must fit for many consumers. */
const BLOCK_BYTES_MAX = 8 * 1024 * 1024;
const BLOCK_BYTES_MIN = 64 * 1024;
const BLOCKS_MIN = 32;
/** Dropped blocks whose memory is kept for those on their way. */
const FREE_BLOCKS_MAX = 8;

export class StoredBatches {
  readonly #reader: ObjectReader;
  readonly #blockBytes: number;
  readonly #memory: BlockMemory;
  readonly #blocks: LoadingCache<Block>;
  #readAheads = 0;

  /** @param bytesMax of blocks in memory */
  constructor(reader: ObjectReader, bytesMax: number) {
    this.#reader = reader;
    const fitting = 2 ** Math.floor(Math.log2(bytesMax / BLOCKS_MIN));
    this.#blockBytes = Math.max(BLOCK_BYTES_MIN, Math.min(BLOCK_BYTES_MAX, fitting));
    this.#memory = new BlockMemory(this.#blockBytes, FREE_BLOCKS_MAX);
    this.#blocks = new LoadingCache(
      bytesMax,
      ({ bytes }) => bytes.length,
      ({ bytes }) => this.#memory.drop(bytes),
    );
  }

  get stats(): StoredBatchesStats {
    return { cachedBytes: this.#blocks.bytes, readAheads: this.#readAheads };
  }

  /**
   * @param position where a batch of the piece begins
   * @returns the batch, its checksum right; lent until it is given back
   */
  at(piece: Piece, position: number): Lookup<Buffer> {
    const block = this.#blocks.peek(this.#nameOf(piece, position));
    if (block === undefined) return this.#unread(piece, position);
    if (!block.isRead) this.#enter(piece, block);
    const at = position - block.start;
    if (at + BATCH_HEADER_BYTES > block.bytes.length) return this.#across(piece, position);
    const size = batchBytes(block.bytes, at);
    if (size < BATCH_HEADER_BYTES || position + size > piece.end) {
      return this.#corrupt(piece, position, position + BATCH_HEADER_BYTES, 'length');
    }
    if (at + size > block.bytes.length) return this.#across(piece, position);
    const batch = block.bytes.subarray(at, at + size);
    if (!block.sound.has(position)) {
      const problem = problemOf(batch);
      if (problem !== undefined) return this.#corrupt(piece, position, position + size, problem);
      block.sound.add(position);
    }
    this.#memory.lend(batch);
    return { kind: 'found', value: batch };
  }

  /** Nobody looks at the batch any more who was given it this time; others are no matter. */
  giveBack(batch: Buffer): void {
    this.#memory.giveBack(batch);
  }

  /** Loads the beginning of a piece that is about to be read, if there is room. */
  prefetch(piece: Piece): void {
    this.#prefetch(piece, piece.start);
  }

  /** A batch that does not lie in one block: a copy. */
  #across(piece: Piece, position: number): Lookup<Buffer> {
    const header = this.#gather(piece, position, BATCH_HEADER_BYTES);
    if (!Buffer.isBuffer(header)) return header;
    const size = batchBytes(header);
    if (size < BATCH_HEADER_BYTES || position + size > piece.end) {
      return this.#corrupt(piece, position, position + BATCH_HEADER_BYTES, 'length');
    }
    const batch = this.#gather(piece, position, size);
    if (!Buffer.isBuffer(batch)) return batch;
    const problem = problemOf(batch);
    if (problem !== undefined) return this.#corrupt(piece, position, position + size, problem);
    return { kind: 'found', value: batch };
  }

  #gather(piece: Piece, position: number, length: number): Buffer | Lookup<Buffer> {
    const chunks: Buffer[] = [];
    const end = position + length;
    for (let from = position; from < end; ) {
      const block = this.#blocks.peek(this.#nameOf(piece, from));
      if (block === undefined) return this.#unread(piece, from);
      if (!block.isRead) this.#enter(piece, block);
      const chunk = block.bytes.subarray(from - block.start, end - block.start);
      if (chunk.length === 0)
        return this.#corrupt(piece, position, end, 'end: the object is short');
      chunks.push(chunk);
      from += chunk.length;
    }
    return Buffer.concat(chunks);
  }

  #unread(piece: Piece, position: number): Lookup<never> {
    const load = async (): Promise<boolean> => (await this.#load(piece, position)) !== undefined;
    return { kind: 'unread', load };
  }

  #corrupt(piece: Piece, position: number, end: number, problem: string): Corrupt {
    const details = { key: piece.key, position };
    const message = `A stored batch has the wrong ${problem}.`;
    const forget = (): void => {
      for (let from = this.#startOf(position); from < end; from += this.#blockBytes) {
        this.#blocks.delete(this.#nameOf(piece, from));
      }
    };
    const cause = proxyError('PROXY_OBJECT_CORRUPT', message, { details });
    return { kind: 'corrupt', cause, forget };
  }

  /** Whoever reads the block after one that is in memory, or a piece from its start, reads on. */
  #enter(piece: Piece, block: Block): void {
    block.isRead = true;
    const isFirst = block.start <= piece.start;
    if (!isFirst && !this.#blocks.has(this.#nameOf(piece, block.start - 1))) return;
    const nextStart = block.start + this.#blockBytes;
    if (nextStart < piece.end) this.#prefetch(piece, nextStart);
    else if (piece.next !== null) this.#prefetch(piece.next, piece.next.start);
  }

  #prefetch(piece: Piece, position: number): void {
    if (this.#blocks.has(this.#nameOf(piece, position))) return;
    if (!this.#reader.hasRoom(this.#blockBytes)) return;
    this.#readAheads += 1;
    // Whoever comes to read it asks again, and is told what is wrong.
    this.#load(piece, position).catch(() => undefined);
  }

  #load(piece: Piece, position: number): Promise<Block | undefined> {
    const start = this.#startOf(position);
    return this.#blocks.get(this.#nameOf(piece, position), async () => {
      const bytes = await this.#reader.read(piece.key, start, this.#blockBytes, (byteCount) =>
        this.#memory.allocate(byteCount),
      );
      if (bytes === undefined) return undefined;
      return { start, bytes, sound: new Set(), isRead: false };
    });
  }

  #startOf(position: number): number {
    return position - (position % this.#blockBytes);
  }

  #nameOf(piece: Piece, position: number): string {
    return `${piece.key}#${Math.floor(position / this.#blockBytes)}`;
  }
}

function problemOf(batch: Buffer): string | undefined {
  if (batchMagic(batch) !== MAGIC_V2) return 'magic';
  return computeBatchCrc(batch, 0, batch.length) === batchCrc(batch) ? undefined : 'checksum';
}
