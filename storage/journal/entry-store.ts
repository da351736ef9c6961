/**
 * The objects of one journal: entries, alone or with their merged file, snapshots, and the mark
 * that entries may be gone. It owns the keys, the reading, and the one write that decides who wrote
 * an entry. It knows nothing of what entries mean, nor which may be deleted.
 *
 * An entry's object is a merged file, most often one without extents, and its number is claimed by
 * putting it where nothing is (`docs/adr/0007`). Who slept may so claim a number that became free:
 * whoever writes or reads asks afterwards whether its anchor is there (`docs/adr/0016`).
 */
import assert from 'node:assert/strict';
import { OutriggerError } from '../../kafka/index.ts';
import { storageError } from '../errors.ts';
import { hollowMergedFile, readMergedFooter } from '../merged-file.ts';
import type { MergedFooter } from '../merged-file.ts';
import type { BuiltMergedFile } from '../merged-file-builder.ts';
import type { CallOptions, ObjectStore } from '../object-store.ts';
import { decodeEntry } from './entry.ts';
import type { JournalEntry } from './entry.ts';
import type { GroupState } from './group-state.ts';
import { journalCorrupt } from './journal-corrupt.ts';
import { entryKey, entryPrefix, MARK_NUMBER, snapshotKey, snapshotPrefix } from './journal-keys.ts';
import { decodeSnapshot, encodeSnapshot } from './snapshot.ts';
import type { SnapshotOwner } from './snapshot.ts';

/** Puts of one entry whose answers got lost, and that could not be found afterwards. */
export const CLAIM_ATTEMPTS_MAX = 4;

/** For people: that the object is there is all that counts. */
const MARK = 'Entries that snapshots have may be gone: the journal is read from a snapshot on.\n';

export interface ListedEntry {
  readonly number: number;
  /** By the store's clock. */
  readonly modifiedMs: number;
}

export class EntryStore {
  readonly #store: ObjectStore;
  readonly #owner: SnapshotOwner;

  constructor(store: ObjectStore, owner: SnapshotOwner) {
    this.#store = store;
    this.#owner = owner;
  }

  /** @returns whether the number is taken */
  async has(number: number, options?: CallOptions): Promise<boolean> {
    return await this.#isThere(entryKey(this.#owner.group, number), options);
  }

  /**
   * Whether a state still counts that was read from a snapshot on. Snapshots are deleted before
   * entries behind them are, and the mark is made before any entry is.
   *
   * @param number of the snapshot, 0 for none
   * @returns whether no entry behind the snapshot was deleted before the call
   */
  async isAnchored(number: number, options?: CallOptions): Promise<boolean> {
    if (number === 0) return !(await this.isMarked(options));
    return await this.#isThere(snapshotKey(this.#owner.group, number), options);
  }

  /** @returns whether entries that snapshots have may be gone */
  async isMarked(options?: CallOptions): Promise<boolean> {
    return await this.has(MARK_NUMBER, options);
  }

  /** Makes the mark. Twice is as good as once. */
  async mark(options?: CallOptions): Promise<void> {
    const key = entryKey(this.#owner.group, MARK_NUMBER);
    await this.#store.putIfAbsent(key, Buffer.from(MARK, 'latin1'), options);
  }

  /**
   * @returns the entry, or undefined if the number is free
   * @throws `STORAGE_JOURNAL_CORRUPT`, `STORAGE_MERGED_CORRUPT`, `STORAGE_FORMAT_UNKNOWN`
   */
  async read(number: number, options?: CallOptions): Promise<JournalEntry | undefined> {
    const footer = await this.#footer(number, options);
    return footer === undefined ? undefined : this.#entryOf(number, footer);
  }

  /**
   * Puts the entry under its number unless another is there. After an answer that did not come it
   * looks who is there, and puts the same again if nobody is: that is safe however late the first
   * put arrives, because of all puts under a number one is stored.
   *
   * @param nonce of the entry in the file
   * @returns undefined if the entry is there now, else the one that is there instead
   * @throws `STORAGE_JOURNAL_UNRESOLVED` if it may still come to be there
   */
  async claim(
    number: number,
    nonce: string,
    { body, crc32c }: BuiltMergedFile,
    options?: CallOptions,
  ): Promise<JournalEntry | undefined> {
    const key = entryKey(this.#owner.group, number);
    let mayBeThere = false;
    let cause: unknown;
    for (let attempts = 0; attempts < CLAIM_ATTEMPTS_MAX; attempts++) {
      try {
        const outcome = await this.#store.putIfAbsent(key, body, { ...options, crc32c });
        if (outcome.kind === 'stored') return undefined;
        mayBeThere = true;
      } catch (error) {
        if (isAmbiguous(error)) mayBeThere = true;
        else if (!mayBeThere) throw error;
        cause = error;
      }
      try {
        const found = await this.read(number, options);
        if (found !== undefined) return found.nonce === nonce ? undefined : found;
      } catch (error) {
        cause = error;
        if (!isRetriable(error)) break;
      }
    }
    return this.unresolved(number, cause);
  }

  /**
   * Deletes what is in the merged file of an entry, and keeps the entry. Twice is as good as once,
   * also when the entry was deleted meanwhile.
   */
  async hollowOut(number: number, options?: CallOptions): Promise<void> {
    const footer = await this.#footer(number, options);
    if (footer === undefined || footer.isHollow || footer.extents.length === 0) return;
    const key = entryKey(this.#owner.group, number);
    await this.#store.put(key, hollowMergedFile(footer), options);
  }

  /** @returns a taken number above this one, or undefined if a listing shows none */
  async listedAfter(number: number, options?: CallOptions): Promise<number | undefined> {
    for await (const entry of this.listAfter(number, options)) return entry.number;
    return undefined;
  }

  /** Entries above the number, in their order; a listing may lag. */
  async *listAfter(number: number, options?: CallOptions): AsyncIterable<ListedEntry> {
    const prefix = entryPrefix(this.#owner.group);
    const startAfter = entryKey(this.#owner.group, number);
    for await (const { key, modifiedMs } of this.#store.list(prefix, { ...options, startAfter })) {
      const found = Number(key.slice(prefix.length));
      if (Number.isSafeInteger(found)) yield { number: found, modifiedMs };
    }
  }

  async deleteEntries(numbers: readonly number[], options?: CallOptions): Promise<void> {
    const keys = numbers.map((number) => entryKey(this.#owner.group, number));
    await this.#store.delete(keys, options);
  }

  /** @returns the numbers of the snapshots that there are, ascending; a listing may lag */
  async listSnapshots(options?: CallOptions): Promise<readonly number[]> {
    const prefix = snapshotPrefix(this.#owner.group);
    const numbers: number[] = [];
    for await (const { key } of this.#store.list(prefix, options)) {
      const number = Number(key.slice(prefix.length));
      if (Number.isSafeInteger(number) && number > 0) numbers.push(number);
    }
    return numbers;
  }

  /**
   * @returns undefined if there is none
   * @throws `STORAGE_JOURNAL_CORRUPT` if it is damaged
   */
  async readSnapshot(number: number, options?: CallOptions): Promise<GroupState | undefined> {
    const key = snapshotKey(this.#owner.group, number);
    const outcome = await this.#store.get(key, options);
    if (outcome.kind === 'missing') return undefined;
    const fail = (reason: string): never => journalCorrupt(this.#at(key), reason);
    return await decodeSnapshot(outcome.bytes, this.#owner, number, fail);
  }

  /** Replaces one that is there, which can only be the same or damaged. */
  async writeSnapshot(state: GroupState, options?: CallOptions): Promise<void> {
    assert(state.number > 0, 'nothing to take a snapshot of');
    const key = snapshotKey(this.#owner.group, state.number);
    await this.#store.put(key, await encodeSnapshot(this.#owner, state), options);
  }

  async deleteSnapshots(numbers: readonly number[], options?: CallOptions): Promise<void> {
    const keys = numbers.map((number) => snapshotKey(this.#owner.group, number));
    await this.#store.delete(keys, options);
  }

  /** @throws `STORAGE_JOURNAL_CORRUPT` for an entry that may not follow on those before it */
  refuse(number: number, reason: string): never {
    return journalCorrupt(this.#at(entryKey(this.#owner.group, number)), reason);
  }

  /** @throws `STORAGE_JOURNAL_CORRUPT` for a journal whose beginning is nowhere any more */
  refuseWithoutSnapshot(): never {
    const where = this.#at(snapshotPrefix(this.#owner.group));
    return journalCorrupt(
      where,
      'none of them can be read, and entries that only they have are gone',
    );
  }

  /** @throws `STORAGE_JOURNAL_UNRESOLVED` for an entry that may or may not be the journal's */
  unresolved(number: number, cause?: unknown): never {
    const key = entryKey(this.#owner.group, number);
    throw storageError(
      'STORAGE_JOURNAL_UNRESOLVED',
      `It is not known whether ${this.#at(key)} was committed. Whoever reads the journal next ` +
        'will know.',
      { retriable: true, details: { key }, cause },
    );
  }

  async #isThere(key: string, options?: CallOptions): Promise<boolean> {
    return (await this.#store.head(key, options)).kind === 'found';
  }

  async #footer(number: number, options?: CallOptions): Promise<MergedFooter | undefined> {
    return await readMergedFooter(this.#store, entryKey(this.#owner.group, number), options);
  }

  #entryOf(number: number, footer: MergedFooter): JournalEntry {
    const fail = (reason: string): never => this.refuse(number, reason);
    if (footer.entry === undefined) return fail('it has no entry');
    if (footer.clusterId !== this.#owner.clusterId) fail('it belongs to another Kafka cluster');
    const entry = decodeEntry(footer.entry, footer.extents, fail);
    const isInPlace = footer.group === this.#owner.group && entry.number === number;
    return isInPlace ? entry : fail('it is not the one of its name');
  }

  #at(key: string): string {
    return `${key} in ${this.#store.location}`;
  }
}

function isAmbiguous(error: unknown): boolean {
  return error instanceof OutriggerError && error.details['ambiguous'] === true;
}

function isRetriable(error: unknown): boolean {
  return error instanceof OutriggerError && error.retriable;
}
