/**
 * A byte semaphore: what bounds the memory of a process. Whoever is about to hold bytes reserves
 * them here first and waits, in order of arrival, while others hold too many. It counts; it
 * allocates nothing itself.
 *
 * A holder must never wait for a second reservation of the same budget, or two could wait for each
 * other. Budgets are therefore separate by stage: frames from clients, frames from brokers, fills.
 */
import assert from 'node:assert/strict';

interface Waiter {
  readonly bytes: number;
  readonly grant: () => void;
}

export class ByteBudget {
  readonly bytesMax: number;
  #bytesHeld = 0;
  readonly #waiters: Waiter[] = [];

  /** @param bytesMax how much may be held at once */
  constructor(bytesMax: number) {
    assert.ok(bytesMax > 0, 'a budget needs room');
    this.bytesMax = bytesMax;
  }

  get bytesHeld(): number {
    return this.#bytesHeld;
  }

  /** How many reservations are waiting for others to be released. */
  get waiting(): number {
    return this.#waiters.length;
  }

  /**
   * Reserves without waiting.
   * @returns false when there is no room, or others came first
   */
  tryAcquire(bytes: number): boolean {
    if (this.#waiters.length > 0 || !this.#fits(bytes)) return false;
    this.#bytesHeld += bytes;
    return true;
  }

  /**
   * Reserves `bytes`, waiting for room. What is larger than the whole budget is granted alone, once
   * everything else is released, so that it cannot wait forever.
   */
  async acquire(bytes: number): Promise<void> {
    if (this.tryAcquire(bytes)) return;
    await new Promise<void>((grant) => this.#waiters.push({ bytes, grant }));
  }

  /** Gives back what was acquired, once. */
  release(bytes: number): void {
    this.#bytesHeld -= bytes;
    assert.ok(this.#bytesHeld >= 0, 'more was released than was acquired');
    let next = this.#waiters[0];
    while (next !== undefined && this.#fits(next.bytes)) {
      this.#waiters.shift();
      this.#bytesHeld += next.bytes;
      next.grant();
      next = this.#waiters[0];
    }
  }

  #fits(bytes: number): boolean {
    return this.#bytesHeld === 0 || this.#bytesHeld + bytes <= this.bytesMax;
  }
}
