/**
 * One at a time per key: whoever changes a topic reads its record, asks the broker and writes the
 * record, and a second change must not read in between. Within this process only.
 */
export class KeyedLock {
  /** Settles when the last holder or waiter of a key has given it back. */
  readonly #tails = new Map<string, Promise<void>>();

  /**
   * Waits until all of the keys are free, in order of asking.
   * @returns gives them back; a second call does nothing
   */
  async acquire(keys: Iterable<string>): Promise<() => void> {
    const wanted = [...new Set(keys)];
    const earlier = wanted.flatMap((key) => this.#tails.get(key) ?? []);
    let giveBack = (): void => {};
    const returned = new Promise<void>((resolve) => {
      giveBack = resolve;
    });
    const tail = Promise.all([returned, ...earlier]).then(() => undefined);
    // All places are taken before anything is awaited: nobody can wait in a circle.
    for (const key of wanted) this.#tails.set(key, tail);
    await Promise.all(earlier);
    return () => {
      for (const key of wanted) if (this.#tails.get(key) === tail) this.#tails.delete(key);
      giveBack();
    };
  }
}
