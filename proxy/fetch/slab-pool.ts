/**
 * The memory of filled batches: slabs of one size, used again and again, and never more of them
 * than the budget has room for. Batches are copied into slabs, because an answer that waits for a
 * slow client must not keep the files alive that its batches came from: the cache has long dropped
 * them.
 */
import type { ByteBudget } from '../../runtime/index.ts';

const SLAB_BYTES = 64 * 1024;

export class SlabPool {
  readonly #budget: ByteBudget;
  readonly #free: Buffer[] = [];

  /** @param budget bounds the slabs in use */
  constructor(budget: ByteBudget) {
    this.#budget = budget;
  }

  /** Waits for room. @param bytes what will be written at most */
  async reserve(bytes: number): Promise<Slabs> {
    const reservedBytes = Math.ceil(bytes / SLAB_BYTES) * SLAB_BYTES;
    await this.#budget.acquire(reservedBytes);
    const take = (): Buffer => this.#free.pop() ?? Buffer.allocUnsafeSlow(SLAB_BYTES);
    return new Slabs(take, (used) => this.#giveBack(used, reservedBytes));
  }

  #giveBack(used: readonly Buffer[], reservedBytes: number): void {
    this.#budget.release(reservedBytes);
    // A reservation above the budget is granted alone, and its slabs are not all worth keeping.
    const keptMax = Math.ceil(this.#budget.bytesMax / SLAB_BYTES);
    this.#free.push(...used.slice(0, Math.max(0, keptMax - this.#free.length)));
  }
}

/** What was reserved for one answer, written from front to back. */
export class Slabs {
  readonly #take: () => Buffer;
  readonly #giveBack: (used: readonly Buffer[]) => void;
  readonly #used: Buffer[] = [];
  /** Where in the last slab the next byte goes, and where the next piece begins. */
  #end = SLAB_BYTES;
  #start = SLAB_BYTES;
  #pieces: Buffer[] = [];

  constructor(take: () => Buffer, giveBack: (used: readonly Buffer[]) => void) {
    this.#take = take;
    this.#giveBack = giveBack;
  }

  /** Copies the bytes behind what was written before. */
  write(bytes: Buffer): void {
    for (let from = 0; from < bytes.length; ) {
      if (this.#end === SLAB_BYTES) this.#next();
      const slab = this.#used.at(-1);
      if (slab === undefined) return;
      const copied = bytes.copy(slab, this.#end, from);
      this.#end += copied;
      from += copied;
    }
  }

  /** @returns what was written since the last cut; valid until `release` */
  cut(): Buffer[] {
    this.#closePiece();
    const pieces = this.#pieces;
    this.#pieces = [];
    return pieces;
  }

  /** Gives the slabs back, once; nothing that was cut may be used any more. */
  release(): void {
    this.#giveBack(this.#used);
  }

  #next(): void {
    this.#closePiece();
    this.#used.push(this.#take());
    this.#start = 0;
    this.#end = 0;
  }

  #closePiece(): void {
    const slab = this.#used.at(-1);
    if (slab === undefined || this.#end === this.#start) return;
    this.#pieces.push(slab.subarray(this.#start, this.#end));
    this.#start = this.#end;
  }
}
