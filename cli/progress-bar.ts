/**
 * Shows on standard error how far a command is: a bar on a terminal, nothing otherwise, so that
 * what is printed can be piped.
 */
import { Presets, SingleBar } from 'cli-progress';

export class ProgressBar {
  readonly #bar: SingleBar | undefined;

  /**
   * @param what is being done
   * @param total in steps
   */
  constructor(what: string, total: number) {
    if (!process.stderr.isTTY) return;
    const format = `${what} [{bar}] {percentage}% | {value}/{total} | {eta_formatted} left`;
    const options = { format, stream: process.stderr, hideCursor: true, clearOnComplete: true };
    this.#bar = new SingleBar(options, Presets.shades_classic);
    this.#bar.start(total, 0);
  }

  step(): void {
    this.#bar?.increment();
  }

  /** @param done steps so far */
  at(done: number, total: number): void {
    this.#bar?.setTotal(total);
    this.#bar?.update(done);
  }

  /** Takes the bar off the screen: before something is printed, and in the end. */
  stop(): void {
    this.#bar?.stop();
  }
}
