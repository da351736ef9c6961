/**
 * A limit on bytes a second: whoever has bytes to move waits for its turn. Turns are given in the
 * order of asking, and nobody waits for more than what was asked for before: a large piece goes at
 * once on an idle line and keeps the next one waiting.
 */
import type { Clock } from './clock.ts';

export class Bandwidth {
  readonly #msPerByte: number;
  readonly #clock: Pick<Clock, 'monotonicMs' | 'after'>;
  /** When all that was asked for so far has been moved. */
  #freeAtMs = Number.NEGATIVE_INFINITY;

  /** @param bytesPerSecond null for no limit */
  constructor(bytesPerSecond: number | null, clock: Pick<Clock, 'monotonicMs' | 'after'>) {
    this.#msPerByte = bytesPerSecond === null ? 0 : 1_000 / bytesPerSecond;
    this.#clock = clock;
  }

  /** Resolves when the bytes may be moved, or as soon as the signal is aborted. */
  async take(bytes: number, signal?: AbortSignal): Promise<void> {
    if (this.#msPerByte === 0) return;
    const nowMs = this.#clock.monotonicMs();
    const startMs = Math.max(nowMs, this.#freeAtMs);
    this.#freeAtMs = startMs + bytes * this.#msPerByte;
    if (startMs === nowMs || signal?.aborted === true) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        cancel();
        signal?.removeEventListener('abort', done);
        resolve();
      };
      const cancel = this.#clock.after(startMs - nowMs, done);
      signal?.addEventListener('abort', done, { once: true });
    });
  }
}
