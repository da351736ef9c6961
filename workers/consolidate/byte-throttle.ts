/** Bounds how many bytes a second something takes, by letting it wait after it took them. */
import type { Clock } from '../../runtime/index.ts';

export class ByteThrottle {
  readonly #bytesPerSecond: number | null;
  /** When what was taken until now has been paid for, on the monotonic clock. */
  #paidMs = Number.NEGATIVE_INFINITY;

  /** @param bytesPerSecond null for no limit */
  constructor(bytesPerSecond: number | null) {
    this.#bytesPerSecond = bytesPerSecond;
  }

  /**
   * Waits until bytes that were taken are paid for.
   *
   * @throws the signal's reason once it is aborted
   */
  async pay(
    bytes: number,
    clock: Pick<Clock, 'monotonicMs' | 'after'>,
    signal: AbortSignal,
  ): Promise<void> {
    signal.throwIfAborted();
    if (this.#bytesPerSecond === null) return;
    const nowMs = clock.monotonicMs();
    this.#paidMs = Math.max(this.#paidMs, nowMs) + (bytes * 1_000) / this.#bytesPerSecond;
    const waitMs = this.#paidMs - nowMs;
    await new Promise<void>((resolve, reject) => {
      const stop = (): void => {
        cancel();
        reject(signal.reason);
      };
      const cancel = clock.after(waitMs, () => {
        signal.removeEventListener('abort', stop);
        resolve();
      });
      signal.addEventListener('abort', stop, { once: true });
    });
  }
}
