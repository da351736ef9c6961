/**
 * What the journals in the bucket say of partitions, for readers without a Redis. Journals are only
 * read, kept open so that each look costs a request or two, and forgotten when they take too much
 * memory together; concurrent looks at one group share one.
 */
import { randomBytes } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Logger } from 'pino';
import type { Clock } from '../runtime/index.ts';
import { entryKey, Journal, mayGoOnAfter, partitionKey } from '../storage/index.ts';
import type { GroupState, ObjectStore, PartitionId, PartitionState } from '../storage/index.ts';

/**
 * Extents, segments and partitions in all open journals, about 250 bytes each (measured): those of
 * 100,000 partitions with ten extents each. Beyond that journals are read again and again, which
 * takes a second for each.
 */
const ITEMS_MAX = 1_500_000;
/** How old an answer may be. */
const REFRESH_MS = 2_000;
/** Journals that nobody asks for, because Redis is back, are forgotten. */
const IDLE_MS = 300_000;

export interface JournalStatesOptions {
  readonly store: ObjectStore;
  /** The Kafka cluster's id. */
  readonly clusterId: string;
  readonly clock: Pick<Clock, 'monotonicMs' | 'wallMs'>;
  readonly logger: Logger;
}

interface OpenJournal {
  readonly journal: Journal;
  readonly lookedMs: number;
}

export class JournalStates {
  readonly #options: JournalStatesOptions;
  readonly #journals: LRUCache<number, OpenJournal>;
  readonly #looking = new Map<number, Promise<GroupState>>();
  /** By the entry's key. */
  readonly #asking = new Map<string, Promise<boolean>>();

  constructor(options: JournalStatesOptions) {
    this.#options = options;
    const { clock } = options;
    this.#journals = new LRUCache({
      maxSize: ITEMS_MAX,
      sizeCalculation: ({ journal }) => itemsOf(journal.state),
      ttl: IDLE_MS,
      updateAgeOnGet: true,
      perf: { now: () => clock.monotonicMs() },
    });
  }

  /**
   * @param isFresh whether what is known already does not count
   * @throws what `Journal.open` throws
   */
  async get(group: number, id: PartitionId, isFresh = false): Promise<PartitionState | undefined> {
    // A look that is under way began before the call.
    if (isFresh) await this.#looking.get(group)?.catch(() => undefined);
    const known = this.#journals.get(group);
    const nowMs = this.#options.clock.monotonicMs();
    const isKnown = !isFresh && known !== undefined && nowMs - known.lookedMs < REFRESH_MS;
    const state = isKnown ? known.journal.state : await this.#look(group);
    return state.partitions.get(partitionKey(id));
  }

  /**
   * @param number of an entry of the group's journal, or 0
   * @returns whether there may be entries behind it, as of after the call
   * @throws what the store throws
   */
  async mayGoOnAfter(group: number, number: number): Promise<boolean> {
    const key = entryKey(group, number);
    // A question that is under way was put before the call; one that follows it is shared.
    await this.#asking.get(key)?.catch(() => false);
    let asking = this.#asking.get(key);
    if (asking === undefined) {
      const { store, clusterId } = this.#options;
      asking = mayGoOnAfter({ store, clusterId, group }, number).finally(() => {
        this.#asking.delete(key);
      });
      this.#asking.set(key, asking);
    }
    return await asking;
  }

  #look(group: number): Promise<GroupState> {
    let looking = this.#looking.get(group);
    if (looking === undefined) {
      looking = this.#read(group).finally(() => this.#looking.delete(group));
      this.#looking.set(group, looking);
    }
    return looking;
  }

  async #read(group: number): Promise<GroupState> {
    const { clock, store, clusterId, logger } = this.#options;
    const lookedMs = clock.monotonicMs();
    const known = this.#journals.get(group);
    await known?.journal.catchUp();
    const journal =
      known?.journal ??
      (await Journal.open({
        store,
        clusterId,
        group,
        logger,
        random: randomBytes,
        now: () => clock.wallMs(),
        readOnly: true,
      }));
    // What is larger than all that may be kept is read again each time.
    this.#journals.set(group, { journal, lookedMs });
    return journal.state;
  }
}

function itemsOf({ partitions, files }: GroupState): number {
  let items = 1 + files.size;
  for (const { extents, segments } of partitions.values()) {
    items += 1 + extents.length + segments.length;
  }
  return items;
}
