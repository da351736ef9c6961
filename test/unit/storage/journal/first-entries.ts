/**
 * A bucket that remembers what was put first under each number of a journal: these are its entries.
 * What is put under a number that was deleted meanwhile is none, whoever believes it.
 */
import { expect } from 'vitest';
import { applyEntry, EMPTY_STATE, parseMergedFile } from '../../../../storage/index.ts';
import type { GroupState, JournalEntry } from '../../../../storage/index.ts';
import { decodeEntry } from '../../../../storage/journal/entry.ts';
import { entryPrefix } from '../../../../storage/journal/journal-keys.ts';
import { MemoryStore } from '../memory-store.ts';
import { GROUP } from './journal-samples.ts';

const PREFIX = entryPrefix(GROUP);

export class FirstEntries extends MemoryStore {
  readonly #entries: JournalEntry[] = [];
  readonly #states: GroupState[] = [EMPTY_STATE];
  /** Puts under numbers that had been deleted. */
  strays = 0;

  override set(key: string, bytes: Buffer): void {
    const number = key.startsWith(PREFIX) ? Number(key.slice(PREFIX.length)) : 0;
    if (number > this.#entries.length) this.#add(number, bytes);
    else if (number > 0 && !this.objects.has(key)) this.strays++;
    super.set(key, bytes);
  }

  get entries(): readonly JournalEntry[] {
    return this.#entries;
  }

  /** @returns what the entries up to that number add up to */
  stateAt(number: number): GroupState {
    return this.#states[number] ?? expect.unreachable(`there is no entry ${number}`);
  }

  #add(number: number, bytes: Buffer): void {
    expect(number).toBe(this.#entries.length + 1);
    const { entry: encoded = Buffer.alloc(0), extents } = parseMergedFile(bytes);
    const entry = decodeEntry(encoded, extents, (reason) => expect.unreachable(reason));
    const applied = applyEntry(this.stateAt(number - 1), entry);
    if (applied.kind === 'refused') expect.unreachable(applied.reason);
    else this.#states.push(applied.state);
    this.#entries.push(entry);
  }
}
