/**
 * The memory of blocks, used again and again. New memory for each block makes V8 collect garbage,
 * the whole heap of it, every 150 MB: a quarter of what consumers that lag cost.
 *
 * It promises: what was lent does not change until it is given back. Whoever forgets to give back
 * costs a block of memory, which is then left to the garbage collector, and nothing else.
 */
import assert from 'node:assert/strict';

interface Loan {
  /** Views that are not given back yet. */
  views: number;
  /** Whether nobody finds the block any more. */
  isDropped: boolean;
}

export class BlockMemory {
  readonly #blockBytes: number;
  readonly #freeMax: number;
  readonly #free: Buffer[] = [];
  /** By the memory itself, so that any view leads to it, and others' memory to nothing. */
  readonly #loans = new WeakMap<ArrayBufferLike, Loan>();

  /**
   * @param blockBytes of every block but the last of an object
   * @param freeMax blocks to keep for those to come
   */
  constructor(blockBytes: number, freeMax: number) {
    this.#blockBytes = blockBytes;
    this.#freeMax = freeMax;
  }

  /** @returns memory of that size, with anything in it */
  allocate(byteCount: number): Buffer {
    if (byteCount !== this.#blockBytes) return Buffer.allocUnsafeSlow(byteCount);
    const block = this.#free.pop() ?? Buffer.allocUnsafeSlow(byteCount);
    this.#loans.set(block.buffer, { views: 0, isDropped: false });
    return block;
  }

  /** Notes that somebody is given a view of a block. */
  lend(view: Buffer): void {
    const loan = this.#loans.get(view.buffer);
    if (loan !== undefined) loan.views += 1;
  }

  /** The borrower no longer looks at a view; of other memory there is nothing to be noted. */
  giveBack(view: Buffer): void {
    const loan = this.#loans.get(view.buffer);
    if (loan === undefined) return;

    assert(loan.views > 0, 'what is given back was lent');
    loan.views -= 1;
    if (loan.isDropped) this.#reuse(view.buffer, loan);
  }

  /** From now on nobody is lent any of the block. */
  drop(block: Buffer): void {
    const loan = this.#loans.get(block.buffer);
    if (loan === undefined) return;
    loan.isDropped = true;
    this.#reuse(block.buffer, loan);
  }

  #reuse(memory: ArrayBufferLike, { views }: Loan): void {
    if (views > 0) return;
    this.#loans.delete(memory);
    if (this.#free.length < this.#freeMax) this.#free.push(Buffer.from(memory));
  }
}
