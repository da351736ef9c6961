/**
 * Workers on one journal, everything that can go wrong between them and the store, sleeps of any
 * length at any call, and old entries that are deleted meanwhile; and a model that is an array of
 * entries and, for each partition, a map from offset to where its record is.
 */
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { hasCode } from '../../../../kafka/index.ts';
import { entryKey, Journal, pruneJournal, SNAPSHOTS_KEPT } from '../../../../storage/index.ts';
import type { ListedObject } from '../../../../storage/index.ts';
import { PRUNE_ALL } from '../../../support/prune-all.ts';
import { FirstEntries } from './first-entries.ts';
import { type Job, plan, WORKS } from './journal-plans.ts';
import { modelOf, placesOf } from './journal-places.ts';
import { CLUSTER_ID, fileOf, GROUP, journalOptions } from './journal-samples.ts';
import { allOf, TroubledStore } from './troubled-store.ts';

const WORKERS = 3;
const PARTITIONS = 2;
const SNAPSHOT_EVERY = 2;
/** In steps: above what listings lag behind. */
const RETENTION = 2;
/** Enough for the oldest snapshot to be another one. */
const BURST_MAX = SNAPSHOT_EVERY * (SNAPSHOTS_KEPT + 2);

type Fault = 'none' | 'lost-answer' | 'refused' | 'late' | 'blind' | 'gives-up' | 'kept-snapshot';

interface Step extends Job {
  readonly worker: number;
  readonly fault: Fault;
  /** Whether the worker deletes old entries instead of its work. */
  readonly prunes: boolean;
  /** After so many calls, until it is its turn again. */
  readonly nap: { readonly calls: number; readonly isAfter: boolean } | undefined;
  /** Whether the process dies afterwards, whatever it was told. */
  readonly dies: boolean;
  /** Whether the next worker does the same at the same time. */
  readonly together: boolean;
  /** Whether its listings are a step old. */
  readonly lags: boolean;
  /** Entries that somebody else commits then, and whether old ones are deleted. */
  readonly burst: number;
  readonly burstPrunes: boolean;
  /** What is under way arrives, and a snapshot is lost. */
  readonly arrives: boolean;
  readonly losesSnapshot: boolean;
}

const oneOf = (count: number): fc.Arbitrary<boolean> =>
  fc.nat({ max: count - 1 }).map((n) => n === 0);

const job = {
  worker: fc.nat({ max: WORKERS - 1 }),
  work: fc.constantFrom(...WORKS),
  partition: fc.nat({ max: PARTITIONS - 1 }),
  size: fc.integer({ min: 1, max: 4 }),
  together: oneOf(4),
};

const ordinary: fc.Arbitrary<Step> = fc.record({
  ...job,
  fault: fc.constantFrom<Fault[]>(
    'none',
    'none',
    'none',
    'lost-answer',
    'refused',
    'late',
    'blind',
    'gives-up',
    'kept-snapshot',
  ),
  prunes: oneOf(6),
  nap: fc.constant(undefined),
  dies: oneOf(6),
  lags: oneOf(4),
  burst: fc.oneof(fc.constant(0), fc.nat({ max: BURST_MAX })),
  burstPrunes: fc.boolean(),
  arrives: fc.boolean(),
  losesSnapshot: oneOf(8),
});

/** A worker falls asleep in what it does, and when it wakes up much has changed. */
const sleepy: fc.Arbitrary<Step> = fc.record({
  ...job,
  fault: fc.constant('none' as const),
  prunes: oneOf(3),
  nap: fc.record({ calls: fc.nat({ max: 5 }), isAfter: fc.boolean() }),
  dies: fc.constant(false),
  lags: fc.constant(false),
  burst: fc.integer({ min: BURST_MAX - 5, max: BURST_MAX }),
  burstPrunes: oneOf(1),
  arrives: fc.constant(false),
  losesSnapshot: fc.constant(false),
});

/** What a worker may come across that it can do nothing about. */
const TROUBLES = [
  'STORAGE_JOURNAL_UNRESOLVED',
  'STORAGE_DENIED',
  'STORAGE_TIMEOUT',
  'STORAGE_UNAVAILABLE',
] as const;

interface Worker {
  readonly store: TroubledStore;
  journal: Journal | undefined;
  /** What it is at, if it sleeps. */
  sleeping: Promise<void> | undefined;
}

/** The world: a bucket, workers on it, and what they were told. */
class World {
  #nowMs = 0;
  readonly bucket = new FirstEntries(() => this.#nowMs);
  readonly options = journalOptions(this.bucket, { snapshotEveryEntries: SNAPSHOT_EVERY });
  readonly #workers: readonly Worker[] = Array.from({ length: WORKERS }, () => {
    return { store: new TroubledStore(this.bucket), journal: undefined, sleeping: undefined };
  });
  #listed: readonly ListedObject[] = [];
  #segments = 0;

  async run(step: Step): Promise<void> {
    this.#nowMs++;
    const first = step.worker;
    const actors = step.together ? [first, (first + 1) % WORKERS] : [first];
    const workers = actors.flatMap((actor) => this.#workers[actor] ?? []);
    for (const worker of workers) {
      await this.#wake(worker);
      worker.store.calm();
      if (step.lags) worker.store.listed = this.#listed;
      this.#arrange(step.fault, worker.store);
    }
    await Promise.all(workers.map(async (worker) => this.#begin(worker, step)));
    this.bucket.delayNext(0);
    if (step.dies) for (const worker of workers) worker.journal = undefined;
    await this.#burst(step);
    if (step.arrives) this.bucket.arrive();
    if (step.losesSnapshot) this.#loseSnapshot();
  }

  #arrange(fault: Fault, store: TroubledStore): void {
    if (fault === 'lost-answer' || fault === 'blind') {
      store.failNext('putIfAbsent', 'STORAGE_TIMEOUT', true);
    }
    if (fault === 'blind') {
      for (let i = 0; i < 2; i++) store.failNext('getRange', 'STORAGE_UNAVAILABLE');
    }
    if (fault === 'refused') store.failNext('putIfAbsent', 'STORAGE_DENIED');
    if (fault === 'late') this.bucket.delayNext(1);
    if (fault === 'gives-up') this.bucket.delayNext(99);
    if (fault === 'kept-snapshot') store.failNext('delete', 'STORAGE_UNAVAILABLE');
  }

  /** @returns when the worker is done, or sleeps */
  async #begin(worker: Worker, step: Step): Promise<void> {
    const { nap } = step;
    const asleep = nap && worker.store.sleepAt(nap.calls, nap.isAfter);
    const acting = this.#act(worker, step);
    const isDone = await Promise.race([acting.then(() => true), asleep ?? acting]);
    if (isDone !== true && asleep !== undefined) worker.sleeping = acting;
    else worker.store.wake();
  }

  async #wake(worker: Worker): Promise<void> {
    worker.store.wake();
    await worker.sleeping;
    worker.sleeping = undefined;
  }

  async #act(worker: Worker, step: Step): Promise<void> {
    try {
      if (step.prunes) await this.prune(worker.store);
      else await this.#work(worker, step);
    } catch (error) {
      const isTold = TROUBLES.some((code) => hasCode(error, code));
      // What an old listing shows may be gone: that is no reason to begin anew.
      const isMisled = step.lags && hasCode(error, 'STORAGE_JOURNAL_CORRUPT');
      if (!isTold && !isMisled) throw error;
    }
    if (worker.journal !== undefined) this.#check(worker.journal);
  }

  async #work(worker: Worker, step: Step): Promise<void> {
    // A worker keeps what it knows, however old: that is what others' commits make it.
    const journal =
      worker.journal ?? (await Journal.open({ ...this.options, store: worker.store }));
    worker.journal = journal;
    this.#check(journal);
    const planned = plan(journal, step, ++this.#segments);
    if (planned === undefined) {
      await journal.catchUp();
      return;
    }
    const { change, ranges, hollow = [] } = planned;
    for (const file of hollow) await journal.hollowOut(file);
    const outcome = await journal.commit(change, ranges && fileOf(ranges));
    expect(outcome.kind).not.toBe('refused');
    if (outcome.kind !== 'committed') return;
    expect(this.bucket.entries[outcome.number - 1]?.change).toEqual(change);
  }

  /** Whatever a worker knows is what the journal once said. */
  #check({ state }: Journal): void {
    expect(state).toEqual(this.bucket.stateAt(state.number));
  }

  /** Time passes before anything is deleted, so what listings hide is not what goes. */
  async #burst({ burst, burstPrunes, size }: Step): Promise<void> {
    this.#listed = await allOf(this.bucket);
    if (burst === 0) return;
    const journal = await Journal.open(this.options);
    for (let i = 0; i < burst; i++) {
      const planned = plan(journal, { work: 'merge', partition: 0, size }, 0);
      await journal.commit(planned?.change ?? expect.unreachable(), fileOf(planned?.ranges ?? []));
    }
    this.#check(journal);
    if (!burstPrunes) return;
    this.#nowMs += RETENTION;
    this.#listed = await allOf(this.bucket);
    await this.prune(this.bucket);
  }

  /** @param store of whoever does it */
  async prune(store: TroubledStore | FirstEntries): Promise<void> {
    await pruneJournal({
      ...PRUNE_ALL,
      store,
      clusterId: CLUSTER_ID,
      group: GROUP,
      isOld: (modifiedMs) => this.#nowMs - modifiedMs >= RETENTION,
      entriesMax: 10,
      snapshotEveryEntries: SNAPSHOT_EVERY,
    });
  }

  /** One that is left will do. */
  #loseSnapshot(): void {
    const keys = [...this.bucket.objects.keys()].filter((key) => key.startsWith('snapshot/'));
    const last = keys.sort().at(-1);
    if (last !== undefined && keys.length > 1) this.bucket.objects.delete(last);
  }

  async close(): Promise<Journal[]> {
    for (const worker of this.#workers) {
      await this.#wake(worker);
      worker.store.calm();
    }
    this.bucket.arrive();
    const journals = [await Journal.open(this.options)];
    for (const { journal } of this.#workers) {
      if (journal === undefined) continue;
      await journal.catchUp();
      journals.push(journal);
    }
    return journals;
  }

  /** Deletes all that may be deleted. @returns the numbers of the entries that are left */
  async pruneAll(): Promise<number[]> {
    this.#nowMs += RETENTION;
    for (let left = -1; left !== this.bucket.objects.size; ) {
      left = this.bucket.objects.size;
      await this.prune(this.bucket);
    }
    const numbers = this.bucket.entries.map(({ number }) => number);
    return numbers.filter((number) => this.bucket.objects.has(entryKey(GROUP, number)));
  }
}

test('whatever happens to workers, no entry is lost, none counts twice, all readers agree', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.oneof(ordinary, sleepy), { minLength: 1, maxLength: 30 }),
      async (steps) => {
        const world = new World();
        for (const step of steps) await world.run(step);
        const journals = await world.close();
        const { entries } = world.bucket;
        expect(new Set(entries.map(({ nonce }) => nonce)).size).toBe(entries.length);
        const replayed = world.bucket.stateAt(entries.length);
        const model = modelOf(entries);
        for (const journal of journals) {
          expect(journal.state).toEqual(replayed);
          expect(placesOf(journal)).toEqual(model);
        }
        const left = new Set(await world.pruneAll());
        const quarantined = [...replayed.partitions.values()].flatMap((p) => p.quarantined);
        for (const { by } of quarantined) expect(left).toContain(by);
        for (const [file, { references, death }] of replayed.files) {
          expect(left).toContain(file);
          const live = [...replayed.partitions.values(), ...quarantined]
            .flatMap(({ extents }) => extents)
            .filter((extent) => extent.file === file);
          expect(references).toBe(live.length);
          expect(death === null).toBe(live.length > 0);
        }
        for (const { trimIntent, segments, consolidatedTo } of replayed.partitions.values()) {
          if (trimIntent !== null) expect(trimIntent).toBeLessThanOrEqual(consolidatedTo);
          for (const { id } of segments) expect(replayed.deadSegments.has(id)).toBe(false);
        }
        expect((await Journal.open(world.options)).state).toEqual(replayed);
      },
    ),
    { numRuns: 70, interruptAfterTimeLimit: 25_000 },
  );
});
