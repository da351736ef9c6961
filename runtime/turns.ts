/**
 * Cuts long work in memory into slices, so that sockets, timers and other work have their turns in
 * between: a process that does not come to them for a second looks dead to Redis, and each step of
 * a produce takes a turn of the event loop.
 */
import { performance } from 'node:perf_hooks';

const SLICE_MS = 10;

/** Whose slice is next, in order. One for all: a process has one event loop. */
const waiting: (() => void)[] = [];

/**
 * Waits for a turn of the event loop. In a turn there is one slice for all work together, in the
 * order in which it was asked for: otherwise each step of a produce would wait for a slice of every
 * consumer that lags.
 */
export async function nextTurn(): Promise<void> {
  await new Promise<void>((resume) => {
    if (waiting.push(resume) === 1) setImmediate(giveTurn);
  });
}

/** What is set here runs after the loop has looked at sockets and timers once more. */
function giveTurn(): void {
  waiting.shift()?.();
  if (waiting.length > 0) setImmediate(giveTurn);
}

/** Slices by time, for work that no client waits for. The first one begins when this is made. */
export class Turns {
  #endMs = performance.now() + SLICE_MS;

  /** Whether others should have a turn now; cheap enough to be asked for each item of a loop. */
  get isOver(): boolean {
    return performance.now() >= this.#endMs;
  }

  /** Lets others have their turns. */
  async next(): Promise<void> {
    await nextTurn();
    this.#endMs = performance.now() + SLICE_MS;
  }
}

/** @returns the items, with turns of others in between */
export async function* inTurns<Item>(items: Iterable<Item>): AsyncIterable<Item> {
  const turns = new Turns();
  for (const item of items) {
    if (turns.isOver) await turns.next();
    yield item;
  }
}
