/**
 * The job that makes segments of merged data. It takes one segment of each partition that is due,
 * then the next of those that still are, until none is or the run has lasted long enough for other
 * jobs to have their turn. What it made counts once an entry of the journal names it.
 */
import { inTurns } from '../../runtime/index.ts';
import { partitionKey } from '../../storage/index.ts';
import type { Change, GroupState, PartitionState, Segment } from '../../storage/index.ts';
import type { GroupJob, JobContext } from '../group-job.ts';
import type { PartitionLeader } from '../log/cluster-log.ts';
import { concernsPartition } from '../partition-errors.ts';
import { WalFiles } from '../wal/wal-files.ts';
import type { BrokerReading } from './broker-batches.ts';
import { ByteThrottle } from './byte-throttle.ts';
import { makeSegment } from './make-segment.ts';
import type { SegmentSource } from './make-segment.ts';
import { planSegment } from './plan-segment.ts';
import { isBackfilled, startBackfills } from './start-backfills.ts';

export interface ConsolidateOptions {
  readonly intervalMs: number;
  /** Bounds the memory that a segment takes while it is made. */
  readonly segmentBytesMax: number;
  /** What is read from the brokers to backfill, by all groups together; null: no limit. */
  readonly backfillBytesPerSecond: number | null;
}

/** After that no segment is begun: there are other jobs. */
const RUN_MS_MAX = 60_000;
/** How long a partition rests that cannot be consolidated: finding out again reads a lot. */
const REST_MS = 600_000;
/** Segments that one entry makes count. */
const SEGMENTS_PER_ENTRY = 64;
/** Placeholders are not expected in a log that is backfilled. */
const WAL_CACHE_BYTES = 16 * 1024 * 1024;

/** @returns the job, one for all groups of a process: they share what backfill may read */
export function createConsolidateJob(options: ConsolidateOptions): GroupJob {
  const shared: Shared = {
    options,
    reading: {
      throttle: new ByteThrottle(options.backfillBytesPerSecond),
      walFiles: new WalFiles(WAL_CACHE_BYTES),
    },
    restsUntilMs: new Map(),
  };
  return {
    name: 'consolidate',
    intervalMs: options.intervalMs,
    run: async (context) => {
      await startBackfills(context);
      await new Consolidation(context, shared).run();
    },
  };
}

/** What the runs of a process have in common. */
interface Shared {
  readonly options: ConsolidateOptions;
  readonly reading: BrokerReading;
  /** On the monotonic clock, by partition: of those that could not be consolidated. */
  readonly restsUntilMs: Map<string, number>;
}

/** A segment that no entry names yet. */
interface Made {
  readonly partition: PartitionState;
  readonly segment: Segment;
}

class Consolidation {
  readonly #context: JobContext;
  readonly #shared: Shared;
  readonly #endMs: number;
  /** Partitions that are left for the next run, by key. */
  readonly #left = new Set<string>();
  #made: Made[] = [];
  #isLost = false;

  constructor(context: JobContext, shared: Shared) {
    this.#context = context;
    this.#shared = shared;
    const nowMs = context.clock.monotonicMs();
    this.#endMs = nowMs + RUN_MS_MAX;
    for (const [key, untilMs] of shared.restsUntilMs) {
      if (untilMs <= nowMs) shared.restsUntilMs.delete(key);
      else this.#left.add(key);
    }
  }

  async run(): Promise<void> {
    const { clock, progress } = this.#context;
    while (!this.#isLost && clock.monotonicMs() < this.#endMs) {
      const due = await this.#due();
      if (due.length === 0) return;
      progress.expect(due.reduce((sum, { plan }) => sum + plan.mergedBytes, 0));
      for (const source of due) {
        await this.#make(source);
        if (this.#made.length >= SEGMENTS_PER_ENTRY) await this.#commit();
        if (this.#isLost || clock.monotonicMs() >= this.#endMs) break;
      }
      await this.#commit();
    }
  }

  /** @returns partitions whose next segment is due and whose leader is known */
  async #due(): Promise<readonly SegmentSource[]> {
    const { group, settings, topics, log, clock } = this.#context;
    const open = [...group.state.partitions].filter(
      ([key, { cursor, consolidatedTo }]) => consolidatedTo < cursor && !this.#left.has(key),
    );
    const known = await settings.get(new Set(open.map(([, { topic }]) => topic)));
    const limits = { nowMs: clock.wallMs(), segmentBytesMax: this.#shared.options.segmentBytesMax };
    const planned: Pick<SegmentSource, 'partition' | 'plan'>[] = [];
    for await (const [, partition] of inTurns(open)) {
      const configured = known.get(partition.topic);
      const plan =
        configured === undefined ? undefined : planSegment(partition, configured, limits);
      if (plan === undefined) continue;
      const rests = !isBackfilled(topics.topics().get(partition.topicId));
      if (!rests || plan.brokerEnd <= partition.consolidatedTo) planned.push({ partition, plan });
    }
    if (planned.length === 0) return [];
    const names = planned.map(({ partition }) => partition.topic);
    const leaders = leadersOf(await log.topics(names));
    return planned.flatMap(({ partition, plan }) => {
      const leader = leaders.get(partitionKey(partition));
      return leader === undefined ? [] : [{ partition, plan, leader }];
    });
  }

  async #make(source: SegmentSource): Promise<void> {
    const { partition } = source;
    const key = partitionKey(partition);
    const { logger, clock } = this.#context;
    const { topic, partition: number } = partition;
    try {
      const segment = await makeSegment(this.#context, source, this.#shared.reading);
      if (segment === undefined) this.#left.add(key);
      else this.#made.push({ partition, segment });
    } catch (error) {
      if (!concernsPartition(error)) throw error;
      this.#left.add(key);
      this.#shared.restsUntilMs.set(key, clock.monotonicMs() + REST_MS);
      logger.error({ err: error, topic, partition: number }, 'a partition is not consolidated');
    }
  }

  /** What does not fit any more is dropped: its objects are orphans, which the sweep removes. */
  async #commit(): Promise<void> {
    const { group, logger, failpoint } = this.#context;
    while (this.#made.length > 0) {
      const made = this.#made.filter((one) => this.#holds(group.state, one));
      this.#made = made;
      if (made.length === 0) return;
      await failpoint('consolidate:before-commit');
      const onlyIf = (state: GroupState): boolean => made.every((one) => this.#holds(state, one));
      const outcome = await group.commit(changeOf(made), undefined, { onlyIf });
      if (outcome.kind === 'committed') {
        await failpoint('consolidate:after-commit');
        logger.info({ segments: made.length, entry: outcome.number }, 'segments were made');
        this.#made = [];
      } else if (outcome.kind === 'lost') {
        this.#isLost = true;
        this.#made = [];
      } else if (outcome.reason !== 'outdated') {
        logger.warn({ outcome }, 'segments no longer fit what is there');
        this.#drop(made.filter(({ partition }) => partitionKey(partition) === outcome.partition));
      }
    }
  }

  #drop(dropped: readonly Made[]): void {
    // A refusal that names none of them would come again.
    const gone = new Set(dropped.length === 0 ? this.#made : dropped);
    for (const { partition } of gone) this.#left.add(partitionKey(partition));
    this.#made = this.#made.filter((one) => !gone.has(one));
  }

  /** Whether the partition has the history still that the segment was made of. */
  #holds(state: GroupState, { partition }: Made): boolean {
    const now = state.partitions.get(partitionKey(partition));
    const holds =
      now !== undefined &&
      now.consolidatedTo === partition.consolidatedTo &&
      cutsOf(now) === cutsOf(partition);
    if (!holds) this.#left.add(partitionKey(partition));
    return holds;
  }
}

function cutsOf({ quarantined }: PartitionState): string {
  return quarantined.map(({ by }) => by).join();
}

function changeOf(made: readonly Made[]): Change {
  return {
    kind: 'consolidate',
    segments: made.map(({ partition: { topicId, topic, partition }, segment }) => {
      return { topicId, topic, partition, segment };
    }),
  };
}

/** @returns leaders by partition, of those that have one */
function leadersOf(
  topics: ReadonlyMap<string, { readonly partitions: readonly PartitionLeader[] }>,
): ReadonlyMap<string, PartitionLeader> {
  const leaders = [...topics.values()].flatMap(({ partitions }) => partitions);
  const known = leaders.filter(({ brokerId }) => brokerId >= 0);
  return new Map(known.map((leader) => [partitionKey(leader), leader]));
}
