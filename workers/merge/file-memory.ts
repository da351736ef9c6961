/**
 * Memory in which merged files are built, one after the other: to take it from the system for each
 * file costs more CPU time than to fill it, and V8 looks for garbage whenever as much was taken
 * again. It owns what no run uses, and keeps little of it, so that an idle process holds little.
 */

/** For runs of several groups that are under way at once; others take theirs from the system. */
const KEPT_MAX = 2;
/** Beside batches and indexes, for the footer: that of a file with 2,000 extents. */
const FOOTER_BYTES = 1024 * 1024;

export class FileMemory {
  readonly #bytes: number;
  readonly #kept: Buffer[] = [];

  /** @param fileBytes of a merged file at most, but for one that holds a single larger batch */
  constructor(fileBytes: number) {
    this.#bytes = fileBytes + FOOTER_BYTES;
  }

  /** @returns room for one file, with anything in it; the system gives what is written to */
  take(): Buffer {
    return this.#kept.pop() ?? Buffer.allocUnsafeSlow(this.#bytes);
  }

  /** @param memory taken here; nobody reads it or writes to it any more */
  give(memory: Buffer): void {
    if (this.#kept.length < KEPT_MAX) this.#kept.push(memory);
  }
}
