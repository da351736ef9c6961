/** What a process has opened, to be closed in the other order. */
export class Opened {
  readonly #closers: (() => void | Promise<void>)[] = [];

  onClose(close: () => void | Promise<void>): void {
    this.#closers.push(close);
  }

  async close(): Promise<void> {
    for (const close of this.#closers.splice(0).toReversed()) await close();
  }
}
