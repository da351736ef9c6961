/**
 * The sweep of WAL files, one job of the whole cluster: asks Redis for settled files, journals for
 * what is merged, brokers for which topics there are, and deletes by the sweep rule. It decides
 * nothing itself; `sweep-rule.ts` does.
 */
import { settledRange } from '../../coordinator/index.ts';
import type { NamedTopicPartition, SettledFile } from '../../coordinator/index.ts';
import { Turns } from '../../runtime/index.ts';
import { walKey } from '../../storage/index.ts';
import type { ClusterJob, ClusterJobContext } from '../cluster-job.ts';
import { Absences } from './absences.ts';
import { dropRecords, noteAbsences, type DeletedTopicsOptions } from './deleted-topics.ts';
import { PartitionFacts } from './partition-facts.ts';
import { askClocks } from './store-clock.ts';
import { decideSweep, type KeepReason } from './sweep-rule.ts';
import { giveUpUnsettled, sweepOrphans, sweepProbes } from './wal-orphans.ts';

const PAGE_FILES = 1_000;
/** Far above what is written in an interval; what is left is the next run's. */
const PAGES_MAX = 200;
/** Partitions that merges are asked to sample although nothing new is in them. */
const SAMPLES_MAX = 10_000;

export interface SweepWalOptions extends DeletedTopicsOptions {
  readonly intervalMs: number;
  readonly marginMs: number;
  readonly unsettledMs: number;
  /** Between two looks for files that Redis does not know. */
  readonly orphansEveryMs: number;
}

/** @returns the job, one for a process */
export function createSweepWalJob(options: SweepWalOptions): ClusterJob {
  let orphansDueMs = Number.NEGATIVE_INFINITY;
  return {
    name: 'sweep-wal',
    intervalMs: options.intervalMs,
    run: async (context) => {
      const run = new SweepWalRun(context, options);
      if (!(await run.begin())) return;
      await run.sweepSettled();
      await giveUpUnsettled(context, options, run.now);
      const nowMs = context.clock.monotonicMs();
      if (nowMs >= orphansDueMs) {
        await sweepOrphans(context, options, run.now);
        await sweepProbes(context, run.now);
        orphansDueMs = nowMs + options.orphansEveryMs;
      }
      await run.end();
    },
  };
}

class SweepWalRun {
  readonly #context: ClusterJobContext;
  readonly #options: SweepWalOptions;
  readonly #kept = new Map<KeepReason, number>();
  readonly #waitedFor = new Map<string, NamedTopicPartition>();
  #deleted = 0;
  #parts: Awaited<ReturnType<SweepWalRun['load']>> | undefined;

  constructor(context: ClusterJobContext, options: SweepWalOptions) {
    this.#context = context;
    this.#options = options;
  }

  get #loaded() {
    if (this.#parts === undefined) throw new Error('the run has not begun');
    return this.#parts;
  }

  get now() {
    return this.#loaded.now;
  }

  async load() {
    const { store, clock, clusterId, groups, log } = this.#context;
    const now = await askClocks(store, clock.wallMs());
    const absences = await Absences.read(store, clusterId);
    const states = await groups.states();
    const facts = new PartitionFacts({ log, states, absences, now });
    return { now, absences, states, facts };
  }

  /** @returns false if nothing may be deleted now */
  async begin(): Promise<boolean> {
    this.#parts = await this.load();
    const { states, absences, now } = this.#parts;
    const mayGoOn = await noteAbsences(this.#context, states, absences, now, this.#options);
    await absences.write(this.#context.store);
    return mayGoOn;
  }

  async sweepSettled(): Promise<void> {
    const { coordinator, signal } = this.#context;
    let after = 0;
    for (let pages = 0; pages < PAGES_MAX; pages++) {
      signal.throwIfAborted();
      const before = await coordinator.settledCount();
      const files = await coordinator.settledFiles(after, PAGE_FILES);
      const count = await coordinator.settledCount();
      // Asked before and after: the files are from the Redis that counts in that range.
      const isSame = before !== undefined && count !== undefined;
      const isSteady = isSame && settledRange(before) === settledRange(count);
      const countingIn = isSteady ? settledRange(count) : undefined;
      const young = await this.#sweepPage(files, countingIn);
      const last = files.at(-1);
      if (last === undefined) break;
      // What was settled later is younger still, but for a few.
      if (young === files.length) break;
      after = last.settledNumber;
    }
    await coordinator.requestSamples([...this.#waitedFor.values()]);
  }

  async end(): Promise<void> {
    const { store, logger } = this.#context;
    const { states, absences, facts, now } = this.#loaded;
    await dropRecords(this.#context, states, absences, now, this.#options);
    const asked = facts.keys();
    // Of a name that no file has any more nobody will ask again.
    for (const key of absences.keys()) {
      if (key.startsWith('name:') && !asked.has(key)) absences.remove(key);
    }
    await absences.write(store);
    const what = { deleted: this.#deleted, kept: Object.fromEntries(this.#kept) };
    if (this.#deleted > 0) logger.info(what, 'WAL files are swept');
    else logger.debug(what, 'no WAL file is swept');
  }

  /** @returns how many of the files are kept only because they are young */
  async #sweepPage(files: readonly SettledFile[], countingIn: number | undefined): Promise<number> {
    const { marginMs } = this.#options;
    const { facts, now } = this.#loaded;
    const old = files.filter(({ createdMs }) => now.wallMs - createdMs >= marginMs);
    this.#count('young', files.length - old.length);
    await facts.learn(old.flatMap(({ partitions }) => partitions));
    const dead: bigint[] = [];
    const turns = new Turns();
    for (const file of old) {
      if (turns.isOver) await turns.next();
      if (this.#mayGo(file, countingIn)) dead.push(file.fileId);
    }
    if (dead.length > 0) await this.#delete(dead);
    return files.length - old.length;
  }

  #mayGo(file: SettledFile, countingIn: number | undefined): boolean {
    const { facts, now } = this.#loaded;
    const { settledNumber, partitions, createdMs } = file;
    const agesMs = [now.wallMs - createdMs];
    const found = partitions.map((each) => facts.of(each));
    const verdict = decideSweep(
      { settledNumber, countingIn, agesMs, partitions: found },
      this.#options,
    );
    if (verdict.kind !== 'keep') return verdict.kind === 'delete';
    this.#count(verdict.reason, 1);
    for (const index of verdict.waitsFor) {
      const named = partitions[index];
      if (named === undefined || this.#waitedFor.size >= SAMPLES_MAX) continue;
      const { topic, partition } = named;
      this.#waitedFor.set(`${topic}/${partition}`, { topic, partition });
    }
    return false;
  }

  /** Redis forgets a file when it is gone: one that it forgot sooner would be looked for. */
  async #delete(fileIds: readonly bigint[]): Promise<void> {
    const { store, coordinator, failpoint } = this.#context;
    await failpoint('sweep-wal:before-delete');
    await store.delete(fileIds.map(walKey));
    await failpoint('sweep-wal:after-delete');
    await coordinator.forgetFiles(fileIds);
    await failpoint('sweep-wal:after-forget');
    this.#deleted += fileIds.length;
  }

  #count(reason: KeepReason, files: number): void {
    this.#kept.set(reason, (this.#kept.get(reason) ?? 0) + files);
  }
}
