/**
 * Time as the data path sees it, so that tests can hold it still. Durations are measured on the
 * monotonic clock, which no operator sets back; the wall clock only names and dates things.
 */
import { performance } from 'node:perf_hooks';

export interface Clock {
  /** Whole milliseconds since the epoch. */
  wallMs(): number;
  /** Milliseconds from an arbitrary start; never goes back. */
  monotonicMs(): number;
  /** Calls back once, not before `delayMs` are over. @returns a function that cancels it */
  after(delayMs: number, callback: () => void): () => void;
}

/** The process's own. Its timers do not keep the process alive. */
export const systemClock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after: (delayMs, callback) => {
    const timer = setTimeout(callback, Math.ceil(delayMs)).unref();
    return () => clearTimeout(timer);
  },
};
