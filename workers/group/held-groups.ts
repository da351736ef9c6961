/**
 * The partition groups that this worker holds, or is about to: whoever wants the state of one need
 * not read its journal a second time, nor keep it twice.
 */
import type { OwnGroups } from './group-states.ts';
import type { HeldGroup } from './held-group.ts';

export class HeldGroups implements OwnGroups {
  readonly #opening = new Map<number, Promise<HeldGroup>>();
  readonly #held = new Set<HeldGroup>();

  /** Those that are open. */
  get held(): ReadonlySet<HeldGroup> {
    return this.#held;
  }

  async get(group: number): Promise<HeldGroup | undefined> {
    return await this.#opening.get(group);
  }

  /** @throws what `opening` is rejected with */
  async open(group: number, opening: Promise<HeldGroup>): Promise<HeldGroup> {
    this.#opening.set(group, opening);
    try {
      const held = await opening;
      this.#held.add(held);
      return held;
    } catch (error) {
      this.#opening.delete(group);
      throw error;
    }
  }

  close(held: HeldGroup): void {
    this.#opening.delete(held.number);
    this.#held.delete(held);
  }
}
