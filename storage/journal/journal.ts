/**
 * A partition group's journal: the truth about its extents, cursors, trims and starts. It owns the
 * order of entries. Promises: an entry is committed when its object is there and not before; of
 * workers that commit at once one wins and the others learn by whom they lost; an entry that was
 * reported as committed is never lost and never applied twice; all who read a journal come to the
 * same state. A lease on the group saves work, it is not needed for any of this.
 *
 * The end of the journal is found by asking for numbers, because they have no gaps. A listing may
 * only show that one was lost.
 */
import assert from 'node:assert/strict';
import type { Logger } from 'pino';
import { hasCode } from '../../kafka/index.ts';
import type { BuiltMergedFile } from '../merged-file-builder.ts';
import { MergedFileBuilder } from '../merged-file-builder.ts';
import type { CallOptions, ObjectStore } from '../object-store.ts';
import { applyEntry } from './apply-entry.ts';
import type { Refused } from './apply-entry.ts';
import { dataBytesOf, encodeEntry } from './entry.ts';
import type { Change, JournalEntry } from './entry.ts';
import { EntryStore } from './entry-store.ts';
import { EMPTY_STATE } from './group-state.ts';
import type { GroupState } from './group-state.ts';
import { GROUP_MAX } from './journal-keys.ts';

/** What a reader has to replay at most, if no snapshot was lost. */
export const SNAPSHOT_EVERY_ENTRIES = 64;
/** Snapshots that are kept, the newest; the one before them is deleted when one is written. */
export const SNAPSHOTS_KEPT = 4;

export interface JournalOptions {
  readonly store: ObjectStore;
  /** The Kafka cluster's id. */
  readonly clusterId: string;
  /** The partition group's number, from 0. */
  readonly group: number;
  /** That many random bytes. */
  readonly random: (byteCount: number) => Buffer;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly logger: Logger;
  readonly snapshotEveryEntries?: number;
  /** Whether nothing is ever written, snapshots included. */
  readonly readOnly?: boolean;
}

/** `lost`: the entry that has the number; it is applied now. `refused`: nothing was written. */
export type CommitOutcome =
  | { readonly kind: 'committed'; readonly number: number }
  | { readonly kind: 'lost'; readonly by: JournalEntry }
  | Refused;

export interface CommitOptions extends CallOptions {
  /**
   * Asked right before the entry is made: whether the change still rests on what is there. For work
   * that took long, and whose change would fit a state that it was not made for.
   */
  readonly onlyIf?: ((state: GroupState) => boolean) | undefined;
}

export class Journal {
  readonly #options: JournalOptions;
  readonly #entries: EntryStore;
  readonly #snapshotEvery: number;
  #state: GroupState = EMPTY_STATE;
  #isBusy = false;

  private constructor(options: JournalOptions) {
    const { store, clusterId, group } = options;
    assert(Number.isInteger(group) && group >= 0 && group <= GROUP_MAX, 'no partition group');
    this.#options = options;
    this.#entries = new EntryStore(store, { clusterId, group });
    this.#snapshotEvery = options.snapshotEveryEntries ?? SNAPSHOT_EVERY_ENTRIES;
  }

  /**
   * Reads the newest snapshot that can be used, and every entry behind it.
   *
   * @throws `STORAGE_JOURNAL_CORRUPT`, `STORAGE_MERGED_CORRUPT`, `STORAGE_FORMAT_UNKNOWN`, or what
   *   the store throws
   */
  static async open(options: JournalOptions, call?: CallOptions): Promise<Journal> {
    const journal = new Journal(options);
    const last = await journal.#findLast(call);
    journal.#state = await journal.#newestSnapshot(last, call);
    await journal.catchUp(call);
    await journal.#checkNoneIsLost(call);
    return journal;
  }

  /** What the entries that were read add up to. Immutable: it may be kept. */
  get state(): GroupState {
    return this.#state;
  }

  /**
   * Writes a change as the next entry. One call at a time.
   *
   * @param file for a merge or a re-merge with extents: their file, all batches in their places
   * @throws `STORAGE_JOURNAL_UNRESOLVED` if it may or may not have been committed: `catchUp` tells,
   *   or losing against it later. Other errors say that it was not
   */
  async commit(
    change: Change,
    file?: MergedFileBuilder,
    { onlyIf, ...call }: CommitOptions = {},
  ): Promise<CommitOutcome> {
    this.#assertWritable();
    return await this.#alone(async () => {
      const { now, random } = this.#options;
      if (onlyIf?.(this.#state) === false) return { kind: 'refused', reason: 'outdated' };
      const extents = file?.extents() ?? [];
      const entry: JournalEntry = {
        number: this.#state.number + 1,
        nonce: random(16).toString('hex'),
        createdMs: now(),
        change,
        extents,
        dataBytes: dataBytesOf(extents),
      };
      const applied = applyEntry(this.#state, entry);
      if (applied.kind === 'refused') return applied;
      const built = this.#build(entry, file);
      const by = await this.#entries.claim(entry.number, entry.nonce, built, call);
      if (by !== undefined) {
        this.#apply(by);
        return { kind: 'lost', by };
      }
      this.#state = applied.state;
      await this.#snapshotIfDue(call);
      return { kind: 'committed', number: entry.number };
    });
  }

  /**
   * Applies what others have committed.
   *
   * @returns how many entries that were
   * @throws as `open`
   */
  async catchUp(call?: CallOptions): Promise<number> {
    return await this.#alone(async () => {
      const before = this.#state.number;
      for (;;) {
        const entry = await this.#entries.read(this.#state.number + 1, call);
        if (entry === undefined) break;
        this.#apply(entry);
        await this.#snapshotIfDue(call);
      }
      return this.#state.number - before;
    });
  }

  /**
   * Deletes the bytes of a merged file that is dead, before a sweep entry says so. The entry that
   * the file carries stays.
   */
  async hollowOut(file: number, call?: CallOptions): Promise<void> {
    this.#assertWritable();
    const death = this.#state.files.get(file)?.death ?? null;
    assert(death !== null, `merged file ${file} is not dead`);
    await this.#entries.hollowOut(file, call);
  }

  #build(entry: JournalEntry, file: MergedFileBuilder | undefined): BuiltMergedFile {
    const { clusterId, group } = this.#options;
    const builder = file ?? new MergedFileBuilder({ clusterId, group }, []);
    return builder.finish(encodeEntry(entry));
  }

  #apply(entry: JournalEntry): void {
    const applied = applyEntry(this.#state, entry);
    if (applied.kind === 'refused') {
      const { reason, partition = 'all' } = applied;
      this.#entries.refuse(entry.number, `it may not follow: ${reason}, partition ${partition}`);
    }
    this.#state = applied.state;
  }

  /** @returns the last number that is taken, by doubling and halving */
  async #findLast(call?: CallOptions): Promise<number> {
    let taken = 0;
    let step = 1;
    while (await this.#entries.has(taken + step, call)) {
      taken += step;
      step *= 2;
    }
    let free = taken + step;
    while (free - taken > 1) {
      const middle = Math.floor((taken + free) / 2);
      if (await this.#entries.has(middle, call)) taken = middle;
      else free = middle;
    }
    return taken;
  }

  async #newestSnapshot(last: number, call?: CallOptions): Promise<GroupState> {
    const every = this.#snapshotEvery;
    for (let number = last - (last % every); number > 0; number -= every) {
      try {
        const state = await this.#entries.readSnapshot(number, call);
        if (state !== undefined) return state;
      } catch (error) {
        if (!hasCode(error, 'STORAGE_JOURNAL_CORRUPT')) throw error;
        this.#options.logger.warn({ err: error }, 'a snapshot is damaged, an older one is used');
      }
    }
    return EMPTY_STATE;
  }

  /** The entry that is due is committed already: whether its snapshot can be written is not. */
  async #snapshotIfDue(call?: CallOptions): Promise<void> {
    const { number } = this.#state;
    const every = this.#snapshotEvery;
    if (number % every !== 0 || this.#options.readOnly === true) return;
    const oldest = number - every * SNAPSHOTS_KEPT;
    try {
      await this.#entries.writeSnapshot(this.#state, call);
      if (oldest > 0) await this.#entries.deleteSnapshot(oldest, call);
    } catch (error) {
      this.#options.logger.warn({ err: error, number }, 'a snapshot could not be written');
    }
  }

  /** A hole, or a beginning that is gone, would look like the end of the journal. */
  async #checkNoneIsLost(call?: CallOptions): Promise<void> {
    const next = this.#state.number + 1;
    const listed = await this.#entries.listedAfter(this.#state.number, call);
    if (listed === undefined || listed === next) return;
    if (await this.#entries.has(next, call)) return;
    this.#entries.refuse(next, `it is missing, while entry ${listed} is there`);
  }

  #assertWritable(): void {
    assert(this.#options.readOnly !== true, 'the journal was opened for reading');
  }

  async #alone<Result>(work: () => Promise<Result>): Promise<Result> {
    assert(!this.#isBusy, 'one call at a time');
    this.#isBusy = true;
    try {
      return await work();
    } finally {
      this.#isBusy = false;
    }
  }
}
