/** Counts what a repair saves and what it gives up. */
import type { SalvagedBatch } from './salvage.ts';

/** Offsets whose records are gone. */
export interface GivenUp {
  readonly startOffset: bigint;
  /** Exclusive. */
  readonly endOffset: bigint;
}

/** One piece of work, and what comes of it. */
export interface Repaired {
  readonly what: 'extent' | 'segment' | 'unmerged';
  readonly startOffset: bigint;
  /** Exclusive. */
  readonly endOffset: bigint;
  /** By rising offset; none begins where the one before it ends. */
  readonly givenUp: readonly GivenUp[];
  readonly savedBatches: number;
  readonly savedBytes: number;
}

export class Tally {
  readonly #work: Pick<Repaired, 'what' | 'startOffset' | 'endOffset'>;
  readonly #givenUp: GivenUp[] = [];
  #savedBatches = 0;
  #savedBytes = 0;

  constructor(
    what: Repaired['what'],
    { startOffset, endOffset }: Pick<Repaired, 'startOffset' | 'endOffset'>,
  ) {
    this.#work = { what, startOffset, endOffset };
  }

  add({ baseOffset, lastOffset, bytes, isGivenUp }: SalvagedBatch): void {
    if (!isGivenUp) {
      this.#savedBatches++;
      this.#savedBytes += bytes.length;
      return;
    }
    const before = this.#givenUp.at(-1);
    const isNext = before?.endOffset === baseOffset;
    if (isNext) this.#givenUp.pop();
    const startOffset = isNext ? before.startOffset : baseOffset;
    this.#givenUp.push({ startOffset, endOffset: lastOffset + 1n });
  }

  result(): Repaired {
    const savedBatches = this.#savedBatches;
    const savedBytes = this.#savedBytes;
    return { ...this.#work, givenUp: this.#givenUp, savedBatches, savedBytes };
  }
}
