/**
 * A partition group's journal: the truth about its extents, cursors, trims and starts. It owns the
 * order of entries. Promises: an entry is committed when its object is there and not before; of
 * workers that commit at once one wins and the others learn by whom they lost; an entry that was
 * reported as committed is never lost and never applied twice; all who read a journal come to the
 * same state. A lease on the group saves work, it is not needed for any of this.
 *
 * The end of the journal is found by asking for the next number, because from a snapshot on numbers
 * have no gaps. Old entries are deleted, after the snapshots before them (`prune-journal.ts`): so
 * whatever was read or written counts only if afterwards the snapshot is still there that the state
 * goes back to, its anchor. No clock is asked: it may be a worker that slept for days.
 */
import assert from 'node:assert/strict';
import type { Logger } from 'pino';
import { hasCode } from '../../kafka/index.ts';
import type { BuiltMergedFile } from '../merged-file-builder.ts';
import { MergedFileBuilder } from '../merged-file-builder.ts';
import type { CallOptions, ObjectStore } from '../object-store.ts';
import { applyEntry } from './apply-entry.ts';
import type { Applied, Refused } from './apply-entry.ts';
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
/** How often reading begins anew because entries were deleted meanwhile. */
const LOADS_MAX = 5;

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

/** A state that was read to the end of the journal. */
interface Position {
  readonly state: GroupState;
  /**
   * A snapshot that the state goes back to: while it is there, no entry behind it was deleted. 0
   * for the beginning, behind which none was deleted while there is no mark.
   */
  readonly anchor: number;
}

export class Journal {
  readonly #options: JournalOptions;
  readonly #entries: EntryStore;
  readonly #snapshotEvery: number;
  #position: Position = { state: EMPTY_STATE, anchor: 0 };
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
    await journal.#load(call);
    return journal;
  }

  /** What the entries that were read add up to. Immutable: it may be kept. */
  get state(): GroupState {
    return this.#position.state;
  }

  /**
   * Writes a change as the next entry. One call at a time.
   *
   * @param file for a merge or a re-merge with extents: their file, all batches in their places
   * @throws `STORAGE_JOURNAL_UNRESOLVED` if it may or may not have been committed: `catchUp` tells,
   *   or losing against it later; also after a sleep over which the journal went on, and old
   *   entries were deleted. Other errors say that it was not
   */
  async commit(
    change: Change,
    file?: MergedFileBuilder,
    { onlyIf, ...call }: CommitOptions = {},
  ): Promise<CommitOutcome> {
    this.#assertWritable();
    return await this.#alone(async () => {
      const { now, random } = this.#options;
      const { state, anchor } = this.#position;
      if (onlyIf?.(state) === false) return { kind: 'refused', reason: 'outdated' };
      const extents = file?.extents() ?? [];
      const entry: JournalEntry = {
        number: state.number + 1,
        nonce: random(16).toString('hex'),
        createdMs: now(),
        change,
        extents,
        dataBytes: dataBytesOf(extents),
      };
      const applied = applyEntry(state, entry);
      if (applied.kind === 'refused') return applied;
      const built = this.#build(entry, file);
      const by = await this.#entries.claim(entry.number, entry.nonce, built, call);
      await this.#confirm(entry.number, call);
      if (by !== undefined) {
        this.#position = { state: this.#stateOf(applyEntry(state, by), by.number), anchor };
        return { kind: 'lost', by };
      }
      this.#position = { state: applied.state, anchor };
      if (this.#isSnapshotDue(entry.number)) {
        this.#position = await this.#takeSnapshot(this.#position, call);
      }
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
      const before = this.state.number;
      const position = await this.#readOn(this.#position, call);
      if (position === undefined) await this.#load(call);
      else this.#position = position;
      return this.state.number - before;
    });
  }

  /**
   * Deletes the bytes of a merged file that is dead, before a sweep entry says so. The entry that
   * the file carries stays.
   */
  async hollowOut(file: number, call?: CallOptions): Promise<void> {
    this.#assertWritable();
    const death = this.state.files.get(file)?.death ?? null;
    assert(death !== null, `merged file ${file} is not dead`);
    await this.#entries.hollowOut(file, call);
  }

  #build(entry: JournalEntry, file: MergedFileBuilder | undefined): BuiltMergedFile {
    const { clusterId, group } = this.#options;
    const builder = file ?? new MergedFileBuilder({ clusterId, group }, []);
    return builder.finish(encodeEntry(entry));
  }

  /** From the newest snapshot to the end, until no entry was deleted meanwhile. */
  async #load(call?: CallOptions): Promise<void> {
    for (let attempts = 0; attempts < LOADS_MAX; attempts++) {
      const snapshots = await this.#entries.listSnapshots(call);
      const position = await this.#readOn(await this.#newestOf(snapshots, call), call);
      if (position === undefined) continue;
      const committed = Math.max(this.state.number, snapshots.at(-1) ?? 0);
      const { number } = position.state;
      const later = await this.#entryBeyondHole(number, committed, call);
      if (later === undefined) {
        this.#position = position;
        return;
      }
      // It may have been the end until a moment ago.
      if (await this.#entries.isAnchored(position.anchor, call)) {
        this.#entries.refuse(number + 1, `it is missing, while entry ${later} is there`);
      }
    }
    this.#entries.refuseWithoutSnapshot();
  }

  async #newestOf(snapshots: readonly number[], call?: CallOptions): Promise<Position> {
    for (const number of snapshots.toReversed()) {
      try {
        const state = await this.#entries.readSnapshot(number, call);
        if (state !== undefined) return { state, anchor: number };
      } catch (error) {
        if (!hasCode(error, 'STORAGE_JOURNAL_CORRUPT')) throw error;
        this.#options.logger.warn({ err: error }, 'a snapshot is damaged, an older one is used');
      }
    }
    return { state: EMPTY_STATE, anchor: 0 };
  }

  /**
   * Reads to the end.
   *
   * @returns undefined if entries behind the anchor may have been deleted: what seemed to be the
   *   end may be none, and what was read may have been written by a worker that slept
   */
  async #readOn(from: Position, call?: CallOptions): Promise<Position | undefined> {
    const isAnchored = async (): Promise<boolean> =>
      await this.#entries.isAnchored(position.anchor, call);
    let position = from;
    for (;;) {
      const entry = await this.#entries.read(position.state.number + 1, call);
      if (entry === undefined) break;
      const applied = applyEntry(position.state, entry);
      const isDue = this.#isSnapshotDue(entry.number);
      // Nothing may rest on an entry that may be none.
      if ((applied.kind === 'refused' || isDue) && !(await isAnchored())) return undefined;
      position = { ...position, state: this.#stateOf(applied, entry.number) };
      if (isDue) position = await this.#takeSnapshot(position, call);
    }
    return (await isAnchored()) ? position : undefined;
  }

  #stateOf(applied: Applied, number: number): GroupState {
    if (applied.kind === 'applied') return applied.state;
    const { reason, partition = 'all' } = applied;
    return this.#entries.refuse(number, `it may not follow: ${reason}, partition ${partition}`);
  }

  /** @throws `STORAGE_JOURNAL_UNRESOLVED` if the number may have been free because it was deleted */
  async #confirm(number: number, call?: CallOptions): Promise<void> {
    let cause: unknown;
    try {
      if (await this.#entries.isAnchored(this.#position.anchor, call)) return;
    } catch (error) {
      cause = error;
    }
    this.#entries.unresolved(number, cause);
  }

  #isSnapshotDue(number: number): boolean {
    return number % this.#snapshotEvery === 0 && this.#options.readOnly !== true;
  }

  /**
   * The entry that is due is committed already: whether its snapshot can be written is not.
   *
   * @returns the same, anchored at its own snapshot if it has one now
   */
  async #takeSnapshot({ state, anchor }: Position, call?: CallOptions): Promise<Position> {
    const { number } = state;
    const oldest = number - this.#snapshotEvery * SNAPSHOTS_KEPT;
    try {
      await this.#entries.writeSnapshot(state, call);
      if (await this.#entries.isAnchored(anchor, call)) {
        if (oldest > 0) await this.#entries.deleteSnapshots([oldest], call);
        return { state, anchor: number };
      }
      // It came so late that entries behind it may be gone: nobody may begin there.
      await this.#entries.deleteSnapshots([number], call);
    } catch (error) {
      this.#options.logger.warn({ err: error, number }, 'a snapshot could not be written');
    }
    return { state, anchor };
  }

  /**
   * A hole would look like the end of the journal.
   *
   * @param number of the last entry that was found
   * @param committed one that was seen to be committed
   * @returns an entry that is there although the next one is not
   */
  async #entryBeyondHole(
    number: number,
    committed: number,
    call?: CallOptions,
  ): Promise<number | undefined> {
    if (committed > number) return committed;
    const listed = await this.#entries.listedAfter(number, call);
    if (listed === undefined || listed === number + 1) return undefined;
    return (await this.#entries.has(number + 1, call)) ? undefined : listed;
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
