/** The store of a simulation: in memory, with times of the simulation, and a count of bytes. */
import type {
  HeadOutcome,
  ListedObject,
  ListOptions,
  ObjectBody,
  PutIfAbsentOutcome,
} from '../../../storage/index.ts';
import { MemoryStore } from '../../unit/storage/memory-store.ts';

export class TimedStore extends MemoryStore {
  readonly #now: () => number;
  readonly #modifiedMs = new Map<string, number>();

  constructor(now: () => number) {
    super();
    this.#now = now;
  }

  override async put(key: string, body: ObjectBody): Promise<void> {
    await super.put(key, body);
    this.#modifiedMs.set(key, this.#now());
  }

  override async putIfAbsent(key: string, body: ObjectBody): Promise<PutIfAbsentOutcome> {
    const outcome = await super.putIfAbsent(key, body);
    if (outcome.kind === 'stored') this.#modifiedMs.set(key, this.#now());
    return outcome;
  }

  override async head(key: string): Promise<HeadOutcome> {
    const outcome = await super.head(key);
    if (outcome.kind === 'missing') return outcome;
    return { ...outcome, modifiedMs: this.#modifiedMs.get(key) ?? 0 };
  }

  override async delete(keys: readonly string[]): Promise<void> {
    await super.delete(keys);
    for (const key of keys) this.#modifiedMs.delete(key);
  }

  override async *list(prefix: string, options?: ListOptions): AsyncIterable<ListedObject> {
    for await (const object of super.list(prefix, options)) {
      yield { ...object, modifiedMs: this.#modifiedMs.get(object.key) ?? 0 };
    }
  }
}
