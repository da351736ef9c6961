/** How a loop sleeps: until a time is over, someone wakes it, or it is told to end. */
export class Waker {
  #isWoken = false;
  #wakeSleeper: (() => void) | undefined;

  /** Ends the sleep under way, or the next one before it begins. */
  wake(): void {
    this.#isWoken = true;
    this.#wakeSleeper?.();
  }

  /** @param maxMs undefined for a sleep without end */
  async sleep(maxMs: number | undefined, signal: AbortSignal): Promise<void> {
    if (!this.#isWoken && !signal.aborted) {
      await new Promise<void>((resolve) => {
        const timer = maxMs === undefined ? undefined : setTimeout(end, maxMs);
        signal.addEventListener('abort', end);
        this.#wakeSleeper = end;
        function end(): void {
          clearTimeout(timer);
          signal.removeEventListener('abort', end);
          resolve();
        }
      });
      this.#wakeSleeper = undefined;
    }
    this.#isWoken = false;
  }
}
