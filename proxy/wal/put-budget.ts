/**
 * The token bucket of PUTs (`wal.puts.per.second`). Every upload takes a token, so that flushes
 * ahead of the linger use only what the others leave; those that cannot wait go on without one.
 */
import assert from 'node:assert/strict';

export class PutBudget {
  readonly #msPerToken: number;
  readonly #tokensMax: number;
  /** When the bucket is full again: one number says all there is to know about it. */
  #fullMs: number;

  /**
   * @param putsPerSecond how fast tokens come; as many may be saved up, but at least one
   * @param nowMs monotonic; the bucket starts full
   */
  constructor(putsPerSecond: number, nowMs: number) {
    assert.ok(putsPerSecond > 0, 'a PUT budget needs a rate');
    this.#msPerToken = 1000 / putsPerSecond;
    this.#tokensMax = Math.max(1, putsPerSecond);
    this.#fullMs = nowMs;
  }

  /** Takes a token, if there is one. */
  take(nowMs: number): void {
    if (this.readyMs(nowMs) > nowMs) return;
    this.#fullMs = Math.max(this.#fullMs, nowMs) + this.#msPerToken;
  }

  /** @returns when a token is there: `nowMs` if one is */
  readyMs(nowMs: number): number {
    return Math.max(nowMs, this.#fullMs - (this.#tokensMax - 1) * this.#msPerToken);
  }
}
