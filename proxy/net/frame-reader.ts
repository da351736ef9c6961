/**
 * Cuts the bytes of one socket into Kafka frames (a four-byte length, then that many bytes). Owns
 * the pausing of its socket: it reads on only while its owner wants frames and the budget has room.
 *
 * A frame that arrived in one chunk is a view of that chunk; a larger one gets a buffer of its own.
 * Nothing is allocated before its bytes are reserved, and no frame may be larger than `bytesMax`.
 */
import type { Socket } from 'node:net';
import { proxyError, type ProxyErrorCode } from '../errors.ts';
import type { ByteBudget } from '../../runtime/index.ts';
import { freeMemory } from './free-memory.ts';

/**
 * Frames up to this size need no reservation, so that heartbeats pass when the budget is used up.
 */
const UNRESERVED_BYTES_MAX = 16 * 1024;
const PREFIX_BYTES = 4;
const NO_BYTES = Buffer.alloc(0);

/** One frame without its length prefix. */
export interface Frame {
  readonly bytes: Buffer;
  /**
   * Gives back what was reserved for it, however often it is called; `bytes` and all views of them
   * may be empty afterwards.
   */
  readonly release: () => void;
}

export interface FrameReaderOptions {
  readonly socket: Socket;
  readonly budget: ByteBudget;
  readonly frameBytesMax: number;
  /** The code of the error for a length that no frame can have: it names the side that sent it. */
  readonly protocolErrorCode: ProxyErrorCode;
  readonly onFrame: (frame: Frame) => void;
  readonly onError: (error: Error) => void;
}

export class FrameReader {
  readonly #options: FrameReaderOptions;
  readonly #prefix = Buffer.alloc(PREFIX_BYTES);
  #prefixBytes = 0;
  /** The frame being read: null between frames. */
  #frame: Buffer | null = null;
  #frameBytes = 0;
  #reservedBytes = 0;
  /** What was received but not looked at while paused: at most one chunk. */
  #unread: Buffer | null = null;
  /** Whether a frame was delivered that is a view of the chunk being read. */
  #chunkIsViewed = false;
  #paused = false;
  #awaitingBudget = false;
  #closed = false;

  constructor(options: FrameReaderOptions) {
    this.#options = options;
    options.socket.on('data', (chunk: Buffer) => this.#read(chunk));
  }

  /** Whether memory is held for a frame whose other bytes the peer has yet to send. */
  get awaitsBytes(): boolean {
    return this.#frame !== null && !this.#paused;
  }

  /** No frame is delivered until `resume`. */
  pause(): void {
    this.#paused = true;
    this.#options.socket.pause();
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#readOn();
  }

  /** Gives back what a frame that never became complete had reserved. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#unread = null;
    if (this.#frame !== null) this.#options.budget.release(this.#reservedBytes);
    this.#frame = null;
  }

  #readOn(): void {
    const unread = this.#unread;
    this.#unread = null;
    if (unread !== null) this.#read(unread);
    if (!this.#paused && !this.#awaitingBudget && !this.#closed) this.#options.socket.resume();
  }

  #read(chunk: Buffer): void {
    let rest = chunk;
    this.#chunkIsViewed = false;
    while (rest.length > 0 && !this.#closed) {
      if (this.#paused || this.#awaitingBudget) {
        this.#unread = this.#unread === null ? rest : Buffer.concat([this.#unread, rest]);
        return;
      }
      rest = this.#frame === null ? this.#readPrefix(rest) : this.#readBody(this.#frame, rest);
    }
    // What is left of a chunk that was copied from is of no use to anybody.
    if (!this.#chunkIsViewed && chunk.length === chunk.buffer.byteLength) freeMemory(chunk);
  }

  /** Takes the length prefix, and the frame too if it is all there. Returns what is left. */
  #readPrefix(chunk: Buffer): Buffer {
    const taken = Math.min(PREFIX_BYTES - this.#prefixBytes, chunk.length);
    chunk.copy(this.#prefix, this.#prefixBytes, 0, taken);
    this.#prefixBytes += taken;
    const rest = chunk.subarray(taken);
    if (this.#prefixBytes < PREFIX_BYTES) return rest;

    const length = this.#prefix.readInt32BE(0);
    if (length <= 0 || length > this.#options.frameBytesMax) {
      this.#refuse(length);
      return rest;
    }
    if (length > UNRESERVED_BYTES_MAX && !this.#options.budget.tryAcquire(length)) {
      void this.#awaitBudget(length);
      return rest;
    }
    return this.#begin(length, rest);
  }

  #begin(length: number, rest: Buffer): Buffer {
    this.#prefixBytes = 0;
    this.#reservedBytes = length > UNRESERVED_BYTES_MAX ? length : 0;
    if (rest.length >= length) {
      this.#chunkIsViewed = true;
      this.#deliver(rest.subarray(0, length));
      return rest.subarray(length);
    }
    this.#frame = Buffer.allocUnsafeSlow(length);
    this.#frameBytes = 0;
    return rest;
  }

  #readBody(frame: Buffer, chunk: Buffer): Buffer {
    const taken = Math.min(frame.length - this.#frameBytes, chunk.length);
    chunk.copy(frame, this.#frameBytes, 0, taken);
    this.#frameBytes += taken;
    if (this.#frameBytes === frame.length) {
      this.#frame = null;
      this.#deliver(frame);
    }
    return chunk.subarray(taken);
  }

  #deliver(bytes: Buffer): void {
    let reservedBytes = this.#reservedBytes;
    const release = (): void => {
      if (reservedBytes === 0) return;
      this.#options.budget.release(reservedBytes);
      reservedBytes = 0;
      if (bytes.length === bytes.buffer.byteLength) freeMemory(bytes);
    };
    this.#options.onFrame({ bytes, release });
  }

  async #awaitBudget(length: number): Promise<void> {
    this.#awaitingBudget = true;
    this.#options.socket.pause();
    await this.#options.budget.acquire(length);
    this.#awaitingBudget = false;
    if (this.#closed) {
      this.#options.budget.release(length);
      return;
    }
    this.#begin(length, NO_BYTES);
    this.#readOn();
  }

  #refuse(length: number): void {
    this.close();
    const message = `a frame announces ${length} bytes; from 1 to ${this.#options.frameBytesMax} are allowed`;
    this.#options.onError(
      proxyError(this.#options.protocolErrorCode, message, { details: { length } }),
    );
  }
}
