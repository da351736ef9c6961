/**
 * How many bytes a millisecond came lately: an exponentially decaying sum, so that it needs no
 * buckets and no timer. It feeds the break-even decision of the WAL writer (DESIGN §6).
 */

export class ByteRate {
  readonly #windowMs: number;
  #bytes = 0;
  #atMs: number;

  /**
   * @param windowMs after this long without bytes the rate has fallen to 1/e
   * @param nowMs monotonic
   */
  constructor(windowMs: number, nowMs: number) {
    this.#windowMs = windowMs;
    this.#atMs = nowMs;
  }

  add(bytes: number, nowMs: number): void {
    this.#decay(nowMs);
    this.#bytes += bytes;
  }

  bytesPerMs(nowMs: number): number {
    this.#decay(nowMs);
    return this.#bytes / this.#windowMs;
  }

  #decay(nowMs: number): void {
    this.#bytes *= Math.exp((this.#atMs - nowMs) / this.#windowMs);
    this.#atMs = nowMs;
  }
}
