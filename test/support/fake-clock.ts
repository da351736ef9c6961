/** A clock that stands still until a test moves it, and lets promises run at each step. */
import { setImmediate } from 'node:timers/promises';
import type { Clock } from '../../runtime/index.ts';

interface Timer {
  readonly atMs: number;
  readonly callback: () => void;
}

export class FakeClock implements Clock {
  static readonly EPOCH_MS = 1_800_000_000_000;
  #nowMs = 0;
  readonly #timers = new Set<Timer>();

  wallMs(): number {
    return FakeClock.EPOCH_MS + Math.floor(this.#nowMs);
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  after(delayMs: number, callback: () => void): () => void {
    const timer = { atMs: this.#nowMs + Math.ceil(delayMs), callback };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  get timers(): number {
    return this.#timers.size;
  }

  /** Runs what is due within that time, in order, and every promise that follows from it. */
  async advance(byMs: number): Promise<void> {
    const untilMs = this.#nowMs + byMs;
    await setImmediate();
    for (;;) {
      const due = [...this.#timers].filter((timer) => timer.atMs <= untilMs);
      const next = due.sort((a, b) => a.atMs - b.atMs)[0];
      if (next === undefined) break;
      this.#timers.delete(next);
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.callback();
      await setImmediate();
    }
    this.#nowMs = untilMs;
  }
}
