/**
 * The objects of one journal: entries, alone or with their merged file, and snapshots. It owns the
 * keys, the reading, and the one write that decides who wrote an entry. It knows nothing of what
 * entries mean.
 *
 * An entry's object is a merged file, most often one without extents, and its number is claimed by
 * putting it where nothing is (`docs/adr/0007`). No entry is ever deleted: a number that became
 * free would be written a second time by whoever slept meanwhile.
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
import { entryKey, entryPrefix, snapshotKey } from './journal-keys.ts';
import { decodeSnapshot, encodeSnapshot } from './snapshot.ts';
import type { SnapshotOwner } from './snapshot.ts';

/** Puts of one entry whose answers got lost, and that could not be found afterwards. */
export const CLAIM_ATTEMPTS_MAX = 4;

export class EntryStore {
  readonly #store: ObjectStore;
  readonly #owner: SnapshotOwner;

  constructor(store: ObjectStore, owner: SnapshotOwner) {
    this.#store = store;
    this.#owner = owner;
  }

  /** @returns whether the number is taken */
  async has(number: number, options?: CallOptions): Promise<boolean> {
    const outcome = await this.#store.head(entryKey(this.#owner.group, number), options);
    return outcome.kind === 'found';
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
    throw storageError(
      'STORAGE_JOURNAL_UNRESOLVED',
      `It is not known whether ${key} in ${this.#store.location} was written. Whoever reads the ` +
        'journal next will know.',
      { retriable: true, details: { key }, cause },
    );
  }

  /**
   * Deletes what is in the merged file of an entry, and keeps the entry. Twice is as good as once.
   *
   * @throws `STORAGE_JOURNAL_CORRUPT` if there is no such entry
   */
  async hollowOut(number: number, options?: CallOptions): Promise<void> {
    const footer = await this.#footer(number, options);
    if (footer === undefined) return journalCorrupt(this.#where(number), 'it is missing');
    if (footer.isHollow || footer.extents.length === 0) return;
    const key = entryKey(this.#owner.group, number);
    await this.#store.put(key, hollowMergedFile(footer), options);
  }

  /** @returns a taken number above this one, or undefined if a listing shows none */
  async listedAfter(number: number, options?: CallOptions): Promise<number | undefined> {
    const prefix = entryPrefix(this.#owner.group);
    const startAfter = entryKey(this.#owner.group, number);
    for await (const { key } of this.#store.list(prefix, { ...options, startAfter })) {
      const found = Number(key.slice(prefix.length));
      if (Number.isSafeInteger(found)) return found;
    }
    return undefined;
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
    return decodeSnapshot(outcome.bytes, this.#owner, number, fail);
  }

  /** Replaces one that is there, which can only be the same or damaged. */
  async writeSnapshot(state: GroupState, options?: CallOptions): Promise<void> {
    assert(state.number > 0, 'nothing to take a snapshot of');
    const key = snapshotKey(this.#owner.group, state.number);
    await this.#store.put(key, encodeSnapshot(this.#owner, state), options);
  }

  async deleteSnapshot(number: number, options?: CallOptions): Promise<void> {
    await this.#store.delete([snapshotKey(this.#owner.group, number)], options);
  }

  /** @throws `STORAGE_JOURNAL_CORRUPT` for an entry that may not follow on those before it */
  refuse(number: number, reason: string): never {
    return journalCorrupt(this.#where(number), reason);
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

  #where(number: number): string {
    return this.#at(entryKey(this.#owner.group, number));
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
