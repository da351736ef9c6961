/**
 * Two workers, one journal, everything that can go wrong between them and the store; and a model
 * that is an array of entries and, for each partition, a map from offset to where its record is.
 */
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { hasCode } from '../../../../kafka/index.ts';
import {
  applyEntry,
  EMPTY_STATE,
  Journal,
  partitionKey,
  readMergedFooter,
} from '../../../../storage/index.ts';
import type {
  Change,
  CommitOutcome,
  JournalEntry,
  PartitionState,
} from '../../../../storage/index.ts';
import { decodeEntry } from '../../../../storage/journal/entry.ts';
import { SlowStore } from '../../../support/slow-store.ts';
import { MemoryStore } from '../memory-store.ts';
import { fileOf, journalOptions, MERGE, partitionOf, segmentOf } from './journal-samples.ts';
import type { Range } from './journal-samples.ts';

const PARTITIONS = 2;
const SNAPSHOT_EVERY = 4;

type Fault = 'none' | 'lost-answer' | 'refused' | 'late' | 'blind' | 'gives-up';
type Work = 'merge' | 're-merge' | 'cut' | 'start' | 'consolidate' | 'trim' | 'backfill';

interface Step {
  readonly worker: 0 | 1;
  readonly work: Work;
  readonly partition: number;
  readonly size: number;
  readonly fault: Fault;
  /** Whether the process dies afterwards, whatever it was told. */
  readonly dies: boolean;
  /** Whether the other worker does the same at the same time. */
  readonly together: boolean;
  /** What is under way arrives, and a snapshot is lost. */
  readonly arrives: boolean;
  readonly losesSnapshot: boolean;
}

const step: fc.Arbitrary<Step> = fc.record({
  worker: fc.constantFrom(0 as const, 1 as const),
  work: fc.constantFrom<Work[]>(
    'merge',
    'merge',
    'merge',
    're-merge',
    'cut',
    'start',
    'consolidate',
    'consolidate',
    'trim',
    'backfill',
  ),
  partition: fc.nat({ max: PARTITIONS - 1 }),
  size: fc.integer({ min: 1, max: 4 }),
  fault: fc.constantFrom<Fault[]>(
    'none',
    'none',
    'lost-answer',
    'refused',
    'late',
    'blind',
    'gives-up',
  ),
  dies: fc.nat({ max: 4 }).map((n) => n === 0),
  together: fc.nat({ max: 3 }).map((n) => n === 0),
  arrives: fc.boolean(),
  losesSnapshot: fc.nat({ max: 5 }).map((n) => n === 0),
});

/** The world: a bucket, two workers on it, and what they were told. */
class World {
  readonly memory = new MemoryStore();
  readonly store = new SlowStore(this.memory);
  readonly options = journalOptions(this.store, { snapshotEveryEntries: SNAPSHOT_EVERY });
  /** Entries that a worker was told are committed, by number. */
  readonly promised = new Map<number, Change>();
  readonly #workers: (Journal | undefined)[] = [undefined, undefined];
  #segments = 0;

  async run(step: Step): Promise<void> {
    const actors = step.together ? [0, 1] : [step.worker];
    const acts: (() => Promise<void>)[] = [];
    for (const actor of actors) {
      const journal = await this.#worker(actor);
      const planned = plan(journal, step, ++this.#segments);
      if (planned !== undefined) acts.push(async () => await this.#act(journal, planned));
    }
    if (acts.length > 0) this.#arrange(step.fault);
    await Promise.all(acts.map(async (act) => await act()));
    this.memory.delayNext(0);
    if (step.dies) for (const actor of actors) this.#workers[actor] = undefined;
    if (step.arrives) this.memory.arrive();
    if (step.losesSnapshot) this.#loseSnapshot();
  }

  /** A worker keeps what it knows, however old: that is what the other one's commits make it. */
  async #worker(actor: number): Promise<Journal> {
    const journal = this.#workers[actor] ?? (await Journal.open(this.options));
    this.#workers[actor] = journal;
    return journal;
  }

  #arrange(fault: Fault): void {
    if (fault === 'lost-answer' || fault === 'blind') this.store.loseNextAnswer('putIfAbsent');
    if (fault === 'blind') this.store.failNext('getRange', 2);
    if (fault === 'refused') this.store.failNext('putIfAbsent', 1, 'STORAGE_DENIED');
    if (fault === 'late') this.memory.delayNext(1);
    if (fault === 'gives-up') this.memory.delayNext(99);
  }

  async #act(journal: Journal, planned: Plan): Promise<void> {
    const file = planned.ranges === undefined ? undefined : fileOf(planned.ranges);
    let outcome: CommitOutcome;
    try {
      outcome = await journal.commit(planned.change, file);
    } catch (error) {
      const mayBe = hasCode(error, 'STORAGE_JOURNAL_UNRESOLVED');
      if (!mayBe && !hasCode(error, 'STORAGE_DENIED')) throw error;
      return;
    }
    expect(outcome.kind).not.toBe('refused');
    if (outcome.kind !== 'committed') return;
    expect(this.promised.has(outcome.number)).toBe(false);
    this.promised.set(outcome.number, planned.change);
  }

  #loseSnapshot(): void {
    const keys = [...this.memory.objects.keys()].filter((key) => key.startsWith('snapshot/'));
    const last = keys.sort().at(-1);
    if (last !== undefined) this.memory.objects.delete(last);
  }

  async close(): Promise<Journal[]> {
    this.memory.arrive();
    const journals = [await Journal.open(this.options)];
    for (const worker of this.#workers) {
      if (worker === undefined) continue;
      await worker.catchUp();
      journals.push(worker);
    }
    return journals;
  }

  async entries(): Promise<JournalEntry[]> {
    const keys = [...this.memory.objects.keys()].filter((key) => key.startsWith('journal/'));
    const entries: JournalEntry[] = [];
    for (const key of keys.sort()) {
      const footer = await readMergedFooter(this.memory, key);
      const fail = (reason: string): never => expect.unreachable(reason);
      const bytes = footer?.entry ?? Buffer.alloc(0);
      entries.push(decodeEntry(bytes, footer?.extents ?? [], fail));
    }
    return entries;
  }
}

interface Plan {
  readonly change: Change;
  readonly ranges?: readonly Range[];
}

/** What a worker would do, by what it knows. */
function plan(journal: Journal, step: Step, seed: number): Plan | undefined {
  const { work, partition, size } = step;
  const id = partitionOf(partition);
  const known = journal.state.partitions.get(partitionKey(id));
  // A new partition's first record is not the log's: there is something to backfill.
  const cursor = known?.cursor ?? 6n;
  if (work === 'merge') {
    const endOffset = cursor + BigInt(size);
    return { change: MERGE, ranges: [{ partition, startOffset: cursor, endOffset }] };
  }
  const start = known?.logicalStart ?? 0n;
  if (work === 'start') {
    const offset = start + BigInt(size - 1);
    return { change: { kind: 'start-moved', offsets: [{ ...id, offset }] } };
  }
  if (work === 'backfill') {
    const trimmed = known?.trimIntent ?? 0n;
    const offset = start > trimmed ? start : trimmed;
    const isDone = known !== undefined && offset >= known.consolidatedTo;
    if (isDone || offset >= cursor || (known?.segments.length ?? 0) > 0) return undefined;
    return { change: { kind: 'backfill', offsets: [{ ...id, offset, cursor }] } };
  }
  return known === undefined ? undefined : planKnown(known, step, seed);
}

function planKnown(
  known: PartitionState,
  { work, partition, size }: Step,
  seed: number,
): Plan | undefined {
  const id = partitionOf(partition);
  const { cursor, consolidatedTo, logicalStart, trimIntent, segments, extents } = known;
  if (work === 're-merge') {
    const [first, last] = [extents[0], extents.slice(0, size).at(-1)];
    if (first === undefined || last === undefined) return undefined;
    const { startOffset } = first;
    return {
      change: { kind: 're-merge' },
      ranges: [{ partition, startOffset, endOffset: last.endOffset }],
    };
  }
  if (work === 'consolidate') {
    const end = consolidatedTo + BigInt(2 * size);
    const endOffset = end < cursor ? end : cursor;
    if (endOffset === consolidatedTo) return undefined;
    const segment = segmentOf(seed, Number(consolidatedTo), Number(endOffset));
    return { change: { kind: 'consolidate', segments: [{ ...id, segment }] } };
  }
  if (work === 'trim') {
    const first = segments[0]?.startOffset;
    const isKept = first !== undefined && logicalStart !== null && first <= logicalStart;
    if (!isKept || consolidatedTo < (trimIntent ?? 0n)) return undefined;
    return { change: { kind: 'trim', offsets: [{ ...id, offset: consolidatedTo }] } };
  }
  const offset = cursor - BigInt(size);
  if (offset < (logicalStart ?? 0n)) return undefined;
  return { change: { kind: 'quarantine', offsets: [{ ...id, offset }], reason: 'model' } };
}

/** Where a partition's records are: the number of a merged file, or the id of a segment. */
type Places = Map<bigint, number | string>;

/** The model: where each record is, by reading the entries as a person would. */
function modelOf(entries: readonly JournalEntry[]): Map<string, Places> {
  const partitions = new Map<string, Places>();
  const of = (id: { topicId: string; partition: number }): Places => {
    const key = partitionKey(id);
    const known = partitions.get(key) ?? new Map<bigint, number | string>();
    partitions.set(key, known);
    return known;
  };
  for (const { number, change, extents } of entries) {
    for (const extent of extents) {
      const places = of(extent);
      for (let at = extent.startOffset; at < extent.endOffset; at++) {
        // What is in a segment already is merged again with the rest of its extent, and not read.
        if (typeof places.get(at) !== 'string') places.set(at, number);
      }
    }
    if (change.kind === 'consolidate') {
      for (const row of change.segments) {
        const { startOffset, endOffset, id } = row.segment;
        for (let at = startOffset; at < endOffset; at++) of(row).set(at, id);
      }
    }
    if (change.kind === 'backfill') for (const row of change.offsets) of(row);
    if (change.kind !== 'quarantine' && change.kind !== 'start-moved') continue;
    for (const row of change.offsets) {
      const places = of(row);
      for (const at of places.keys()) {
        const isGone = change.kind === 'quarantine' ? at >= row.offset : at < row.offset;
        if (isGone) places.delete(at);
      }
    }
  }
  return partitions;
}

/** What a reader finds, who believes segments below `consolidatedTo` and extents above. */
function placesOf(journal: Journal): Map<string, Places> {
  const partitions = new Map<string, Places>();
  for (const [key, partition] of journal.state.partitions) {
    const places: Places = new Map();
    checkRun(partition.segments, partition.consolidatedTo);
    checkRun(partition.extents, partition.cursor);
    expect(partition.consolidatedTo).toBeLessThanOrEqual(partition.cursor);
    for (const { id, startOffset, endOffset } of partition.segments) {
      for (let at = startOffset; at < endOffset; at++) places.set(at, id);
    }
    for (const { file, startOffset, endOffset } of partition.extents) {
      for (let at = startOffset; at < endOffset; at++) {
        if (at >= partition.consolidatedTo) places.set(at, file);
      }
    }
    partitions.set(key, places);
  }
  return partitions;
}

function checkRun(
  run: readonly { readonly startOffset: bigint; readonly endOffset: bigint }[],
  end: bigint,
): void {
  for (const [index, { startOffset, endOffset }] of run.entries()) {
    expect(startOffset).toBeLessThan(endOffset);
    expect(endOffset).toBe(run[index + 1]?.startOffset ?? end);
  }
}

test('whatever happens to two workers, no entry is lost, none counts twice, all readers agree', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 40 }), async (steps) => {
      const world = new World();
      for (const step of steps) await world.run(step);
      const journals = await world.close();
      const entries = await world.entries();
      expect(entries.map(({ number }) => number)).toEqual(entries.map((_, index) => index + 1));
      expect(new Set(entries.map(({ nonce }) => nonce)).size).toBe(entries.length);
      for (const [number, change] of world.promised) {
        expect(entries[number - 1]?.change).toEqual(change);
      }
      let replayed = EMPTY_STATE;
      for (const entry of entries) {
        const applied = applyEntry(replayed, entry);
        if (applied.kind === 'refused') expect.unreachable(applied.reason);
        else replayed = applied.state;
      }
      const model = modelOf(entries);
      for (const journal of journals) {
        expect(journal.state).toEqual(replayed);
        expect(placesOf(journal)).toEqual(model);
      }
      for (const [file, { references, death }] of replayed.files) {
        const quarantined = [...replayed.partitions.values()].flatMap((p) => p.quarantined);
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
    }),
    { numRuns: 100 },
  );
});
