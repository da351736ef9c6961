/**
 * The merge of a partition group (DESIGN §9): gathers what the logs have above the merge cursors
 * into merged files, of each partition contiguous, with real offsets. It promises: what is in the
 * log below the cursor, and nothing else, is in extents or segments, once; only what is below the
 * high watermark is merged; a batch that cannot be had stops its partition and no other.
 *
 * What it remembers from run to run saves requests; nothing is lost with it.
 */
import { LRUCache } from 'lru-cache';
import { partitionKey } from '../../storage/index.ts';
import type { GroupJob, JobContext } from '../group-job.ts';
import { WalFiles } from '../wal/wal-files.ts';
import { AnnouncedPartitions } from './announced-partitions.ts';
import { FileMemory } from './file-memory.ts';
import { isMoved } from './log-starts.ts';
import { MergeRun, type MergeReport } from './merge-run.ts';
import { MergedTails } from './merged-tail.ts';
import { reMerge } from './re-merge.ts';
import { Samples } from './samples.ts';
import { TopicLookups } from './topic-lookups.ts';
import { TopicTurns } from './topic-turns.ts';
import { watchedPartitions, type WatchedPartition, type WatchTools } from './watched-partitions.ts';

/** A partition is looked at in so many runs after a file has named it. */
const HOT_RUNS = 4;
/**
 * Of the cache of WAL files, in merged files: a merged file of one of four groups spans about four
 * times its bytes of WAL files.
 */
const CACHE_FILES = 4;
/** Partitions that stand still, of which the log has been told. */
const ALARMED_MAX = 10_000;

export interface MergeJobOptions {
  readonly intervalMs: number;
  /** Bytes of a merged file at most. */
  readonly fileBytes: number;
  /** Shared by the jobs of the process that read WAL files. */
  readonly walFiles?: WalFiles;
  /** Is told what each run has found. */
  readonly onReport?: (group: number, report: MergeReport) => void;
}

export function createMergeJob(options: MergeJobOptions): GroupJob {
  const job = new MergeJob(options);
  return {
    name: 'merge',
    intervalMs: options.intervalMs,
    run: async (context) => await job.run(context),
  };
}

class MergeJob {
  readonly #options: MergeJobOptions;
  readonly #walFiles: WalFiles;
  readonly #fileMemory: FileMemory;
  readonly #watchTools: WatchTools;
  readonly #tails = new MergedTails();
  /** By group. */
  readonly #samples = new Map<number, Samples>();
  readonly #distrusted = new Set<string>();
  readonly #alarmed = new LRUCache<string, true>({ max: ALARMED_MAX });

  constructor(options: MergeJobOptions) {
    this.#options = options;
    this.#watchTools = {
      announced: new AnnouncedPartitions(),
      turns: new TopicTurns(),
      lookups: new TopicLookups(),
      hotMs: HOT_RUNS * options.intervalMs,
    };
    this.#walFiles = options.walFiles ?? new WalFiles(CACHE_FILES * options.fileBytes);
    this.#fileMemory = new FileMemory(options.fileBytes);
  }

  async run(context: JobContext): Promise<void> {
    const { group, coordinator, log, clock } = context;
    await this.#watchTools.announced.refresh(coordinator, clock);
    const all = await watchedPartitions(context, this.#watchTools);
    const leaders = all.map(({ leader }) => leader);
    const starts = await log.logStarts(leaders);
    // Most partitions of a large cluster are idle: no more is asked of the brokers for them.
    const marks = await log.highWatermarks(leaders);
    const busy = all.filter((partition) => isBusy(partition, marks));
    const watched = all.filter(
      (partition) => isBusy(partition, marks) || isMoved(partition, starts),
    );
    // In this order: see the sweep rule.
    const count = await coordinator.settledCount();
    const ends = await log.logEnds(busy.map(({ leader }) => leader));
    const samples = this.#samplesOf(group.number);
    if (count !== undefined) samples.note(ends, count);
    const run = new MergeRun({
      context,
      watched,
      ends,
      starts,
      samples,
      tails: this.#tails,
      walFiles: this.#walFiles,
      fileMemory: this.#fileMemory,
      fileBytes: this.#options.fileBytes,
      distrusted: this.#distrusted,
    });
    const report = await run.run();
    this.#alarm(context, report);
    this.#options.onReport?.(group.number, report);
    if (report.isCommitted) await reMerge(context, this.#options.fileBytes);
  }

  #samplesOf(group: number): Samples {
    let samples = this.#samples.get(group);
    if (samples === undefined) {
      samples = new Samples();
      this.#samples.set(group, samples);
    }
    return samples;
  }

  /** Once for each batch; it stays so until an operator has seen to it. */
  #alarm({ logger }: JobContext, { stopped }: MergeReport): void {
    for (const { key, error } of stopped) {
      const name = `${key} ${error.code} ${String(error.details['offset'])}`;
      if (this.#alarmed.has(name)) continue;
      this.#alarmed.set(name, true);
      logger.fatal({ err: error }, 'ALARM: a partition cannot be merged any further');
    }
  }
}

/** @returns whether the log may have something new, or a sample of its end is asked for */
function isBusy(
  { leader, state, isRequested }: WatchedPartition,
  highWatermarks: ReadonlyMap<string, bigint>,
): boolean {
  const highWatermark = highWatermarks.get(partitionKey(leader));
  return isRequested || (highWatermark !== undefined && highWatermark !== (state?.cursor ?? 0n));
}
