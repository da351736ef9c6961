/**
 * Frees the memory of a buffer at once. Frames and what sockets hand over come and go by the
 * gigabyte: left to the garbage collector they would be collected with the whole heap, many times
 * a second, and stay in memory beside what the budgets allow until then.
 */

/** Of ES2024. */
interface Transferable {
  transfer(newByteLength: number): ArrayBuffer;
}

/**
 * @param buffer all of its memory, which nothing else uses any more: every view of it is empty from
 *   now on
 */
export function freeMemory(buffer: Buffer): void {
  const memory = buffer.buffer as unknown as Transferable;
  memory.transfer(0);
}
