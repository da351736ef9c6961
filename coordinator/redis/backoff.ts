/** How long to wait before Redis is tried again. */
const FIRST_MS = 100;
const LAST_MS = 5000;
/** Doubling from the first wait reaches the last one well before. */
const DOUBLINGS_MAX = 16;

export class Backoff {
  readonly #random: () => number;
  #failureCount = 0;

  /** @param random 0 to below 1: members must not come back in step */
  constructor(random: () => number) {
    this.#random = random;
  }

  /** After a success the next failure waits shortly again. */
  reset(): void {
    this.#failureCount = 0;
  }

  /** @returns milliseconds: doubling up to a limit, of which half is random */
  nextMs(): number {
    const doublings = Math.min(this.#failureCount++, DOUBLINGS_MAX);
    const limitMs = Math.min(LAST_MS, FIRST_MS * 2 ** doublings);
    return limitMs * (0.5 + this.#random() / 2);
  }
}
