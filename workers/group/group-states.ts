/**
 * The states of all partition groups, from their journals, for jobs of the whole cluster. Writes
 * nothing. Journals stay open, so that only what is new is read each time; those of groups that
 * this worker holds are open anyway.
 */
import { Journal, type GroupState, type JournalOptions } from '../../storage/index.ts';
import type { AllGroups } from '../cluster-job.ts';
import type { HeldGroup } from './held-group.ts';

/** So many journals are read at once. */
const READ_AT_ONCE = 8;

export interface OwnGroups {
  /** @returns undefined for a group that is another worker's */
  get(group: number): Promise<Pick<HeldGroup, 'readToEnd'> | undefined>;
}

export interface GroupStatesOptions extends Omit<JournalOptions, 'group' | 'readOnly'> {
  readonly groupCount: number;
  /** Those that this worker holds. */
  readonly held?: OwnGroups;
}

export class GroupStates implements AllGroups {
  readonly groupCount: number;
  readonly #options: GroupStatesOptions;
  readonly #journals = new Map<number, Journal>();

  constructor(options: GroupStatesOptions) {
    this.groupCount = options.groupCount;
    this.#options = options;
  }

  async states(): Promise<readonly GroupState[]> {
    const states: GroupState[] = [];
    for (let first = 0; first < this.groupCount; first += READ_AT_ONCE) {
      const count = Math.min(READ_AT_ONCE, this.groupCount - first);
      const numbers = Array.from({ length: count }, (_, index) => first + index);
      states.push(...(await Promise.all(numbers.map(async (number) => this.#read(number)))));
    }
    return states;
  }

  async #read(group: number): Promise<GroupState> {
    const { groupCount: _, held, ...options } = this.#options;
    const own = await held?.get(group);
    if (own !== undefined) {
      this.#journals.delete(group);
      return await own.readToEnd();
    }
    const known = this.#journals.get(group);
    if (known !== undefined) await known.catchUp();
    const journal = known ?? (await Journal.open({ ...options, group, readOnly: true }));
    this.#journals.set(group, journal);
    return journal.state;
  }
}
