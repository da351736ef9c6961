/**
 * Cuts long work into slices, so that produces, short answers and other connections get their turns
 * in between. The first slice of a piece of work is free. For each one after it a turn of the event
 * loop has to be waited for, and in a turn there is one slice for all work together, in the order
 * in which it was asked for: each step of a produce takes a turn, and would otherwise wait for a
 * slice of every consumer that lags.
 */

const SLICE_BYTES = 128 * 1024;
/** What a batch counts at least: small ones cost about as much as these. */
const BATCH_BYTES_MIN = 16 * 1024;

/** Whose slice is next, in order. One for all: a process has one event loop. */
const waiting: (() => void)[] = [];

export class Pace {
  #bytes = 0;

  /** @returns whether a slice is over, now that a batch is done: wait for `nextTurn` then */
  isDue(batchBytes: number): boolean {
    this.#bytes += Math.max(batchBytes, BATCH_BYTES_MIN);
    if (this.#bytes < SLICE_BYTES) return false;
    this.#bytes = 0;
    return true;
  }

  /** Waits until it is this work's turn. */
  async nextTurn(): Promise<void> {
    await new Promise<void>((resume) => {
      if (waiting.push(resume) === 1) setImmediate(giveTurn);
    });
  }
}

/** A callback that is set here runs after the loop has looked at sockets and timers once more. */
function giveTurn(): void {
  waiting.shift()?.();
  if (waiting.length > 0) setImmediate(giveTurn);
}
