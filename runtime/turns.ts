/**
 * Cuts long work in memory into slices, so that sockets, timers and other work have their turns in
 * between: a process that does not come to them for a second looks dead to Redis.
 */
import { performance } from 'node:perf_hooks';
import { setImmediate as nextTurn } from 'node:timers/promises';

const SLICE_MS = 10;

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
