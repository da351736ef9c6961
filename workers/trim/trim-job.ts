/**
 * The job that trims the brokers' logs. In a run it fixes the logical starts that are still the
 * brokers', writes the intents that have become possible, and then has each broker delete up to the
 * partition's intent: its own of a moment ago, or one that another worker did not come to.
 */
import { hasCode, OutriggerError } from '../../kafka/index.ts';
import { partitionKey } from '../../storage/index.ts';
import type { PartitionState } from '../../storage/index.ts';
import { previousState } from '../consolidate/previous-state.ts';
import { StoredBatches } from '../extents/stored-batches.ts';
import type { GroupJob, JobContext } from '../group-job.ts';
import type { LogRead, PartitionLeader } from '../log/cluster-log.ts';
import { concernsPartition } from '../partition-errors.ts';
import { isKept, trimTarget, unbounded } from './trim-target.ts';

export interface TrimOptions {
  readonly intervalMs: number;
  /** What is younger stays in the brokers. */
  readonly keepMs: number;
}

/** What the leader says of a partition's log, while it has the history that was merged. */
type LogView = Pick<LogRead, 'logStartOffset' | 'lastStableOffset'>;

interface Candidate {
  /** Its key: the state is read again after each step. */
  readonly key: string;
  readonly leader: PartitionLeader;
}

/** @returns the job, one for all groups of a process */
export function createTrimJob(options: TrimOptions): GroupJob {
  /** By partition, the intent that its broker has come up to: saves asking. */
  const trimmed = new Map<string, bigint>();
  return {
    name: 'trim',
    intervalMs: options.intervalMs,
    run: async (context) => {
      await new Trimming(context, options, trimmed).run();
    },
  };
}

class Trimming {
  readonly #context: JobContext;
  readonly #beforeMs: number;
  readonly #trimmed: Map<string, bigint>;
  /** Of partitions with a new intent: up to where the broker's start was ours, or adopted, before. */
  readonly #ours = new Map<string, bigint>();

  constructor(context: JobContext, options: TrimOptions, trimmed: Map<string, bigint>) {
    this.#context = context;
    this.#beforeMs = context.clock.wallMs() - options.keepMs;
    this.#trimmed = trimmed;
  }

  async run(): Promise<void> {
    const candidates = await this.#candidates();
    if (candidates.length === 0) return;
    await this.#noteTrimmed(candidates);
    await this.#fixStarts(candidates);
    await this.#intend(candidates);
    for (const candidate of candidates) await this.#delete(candidate);
  }

  /** @returns partitions that may be trimmed further than they are, as far as the journal knows */
  async #candidates(): Promise<readonly Candidate[]> {
    const { group, topics, log } = this.#context;
    const partitions = [...group.state.partitions.values()].filter((partition) => {
      const isDiskless = topics.topics().get(partition.topicId)?.diskless === true;
      return isDiskless && (this.#isPromising(partition) || this.#isUnfinished(partition));
    });
    if (partitions.length === 0) return [];
    const known = await log.topics(partitions.map(({ topic }) => topic));
    const leaders = new Map(
      [...known.values()].flatMap((topic) =>
        topic.partitions.map((leader) => [partitionKey(leader), leader]),
      ),
    );
    return partitions.flatMap((partition) => {
      const key = partitionKey(partition);
      const leader = leaders.get(key);
      return leader === undefined || leader.brokerId < 0 ? [] : [{ key, leader }];
    });
  }

  #isPromising(partition: PartitionState): boolean {
    const { logicalStart, trimIntent } = partition;
    const target = trimTarget(partition, unbounded(this.#beforeMs));
    const mayTrim = logicalStart === null || isKept(partition);
    return target !== undefined && mayTrim && target > (trimIntent ?? -1n);
  }

  #isUnfinished(partition: PartitionState): boolean {
    const { trimIntent } = partition;
    return trimIntent !== null && this.#trimmed.get(partitionKey(partition)) !== trimIntent;
  }

  /** Of a worker that has just begun most partitions look unfinished: all are asked at once. */
  async #noteTrimmed(candidates: readonly Candidate[]): Promise<void> {
    const { group, log } = this.#context;
    const starts = await log.logStarts(candidates.map(({ leader }) => leader));
    for (const { key } of candidates) {
      const trimIntent = group.state.partitions.get(key)?.trimIntent ?? null;
      const start = starts.get(key);
      if (trimIntent === null || start === undefined || start < trimIntent) continue;
      this.#trimmed.set(key, trimIntent);
    }
  }

  /** Until a start is fixed it is the broker's, which trimming moves. */
  async #fixStarts(candidates: readonly Candidate[]): Promise<void> {
    const { group, logger } = this.#context;
    const offsets = [];
    for (const { key, leader } of candidates) {
      const partition = group.state.partitions.get(key);
      if (partition === undefined || partition.logicalStart !== null) continue;
      const view = await this.#look(partition, leader);
      if (view === undefined) continue;
      const { topicId, topic, partition: number } = partition;
      offsets.push({ topicId, topic, partition: number, offset: view.logStartOffset });
    }
    if (offsets.length === 0) return;
    const outcome = await group.commit({ kind: 'start-moved', offsets });
    if (outcome.kind !== 'committed') logger.warn({ outcome }, 'logical starts were not fixed');
  }

  async #intend(candidates: readonly Candidate[]): Promise<void> {
    const { group, logger, failpoint } = this.#context;
    const offsets = [];
    for (const { key, leader } of candidates) {
      const partition = group.state.partitions.get(key);
      if (partition === undefined || !this.#isPromising(partition)) continue;
      const target = await this.#targetOrNone(partition, leader);
      if (target === undefined || target <= (partition.trimIntent ?? -1n)) continue;
      const { topicId, topic, partition: number } = partition;
      offsets.push({ topicId, topic, partition: number, offset: target });
    }
    if (offsets.length === 0) return;
    await failpoint('trim:before-intent');
    const outcome = await group.commit({ kind: 'trim', offsets });
    await failpoint('trim:after-intent');
    if (outcome.kind !== 'committed') logger.warn({ outcome }, 'nothing new is trimmed');
  }

  /** Has the broker delete up to the intent, if everything that allowed the intent still holds. */
  async #delete({ key, leader }: Candidate): Promise<void> {
    const { group, log, logger, failpoint, signal } = this.#context;
    signal.throwIfAborted();
    const partition = group.state.partitions.get(key);
    const trimIntent = partition?.trimIntent ?? null;
    if (partition === undefined || trimIntent === null || !this.#isUnfinished(partition)) return;
    const view = await this.#look(partition, leader);
    if (view === undefined) return;
    if (view.logStartOffset >= trimIntent) return;
    if (view.logStartOffset > (this.#ours.get(key) ?? trimIntent)) {
      await this.#adopt(partition, view.logStartOffset);
    }
    const shareGroupStart = (await log.shareGroupStart(leader)) ?? trimIntent;
    if (trimIntent >= view.lastStableOffset || trimIntent > shareGroupStart) return;
    // A cut that came meanwhile has lowered the intent: other records have those offsets now.
    if (group.state.partitions.get(key)?.trimIntent !== trimIntent) return;
    const { topic, partition: number } = leader;
    try {
      const logStartOffset = await log.deleteRecords(leader, trimIntent);
      await failpoint('trim:after-delete');
      if (logStartOffset >= trimIntent) this.#trimmed.set(key, trimIntent);
      logger.info({ topic, partition: number, logStartOffset }, 'a log was trimmed');
    } catch (error) {
      const isPassing = error instanceof OutriggerError && !hasCode(error, 'WORKER_LOG_DENIED');
      if (!isPassing) throw error;
      logger.warn({ err: error, topic, partition: number }, 'a log could not be trimmed');
    }
  }

  /** Somebody deleted while the intent was written: seen later, it would be taken for the trim's. */
  async #adopt(
    { topicId, topic, partition, logicalStart }: PartitionState,
    logStartOffset: bigint,
  ): Promise<void> {
    if (logicalStart !== null && logStartOffset <= logicalStart) return;
    const offsets = [{ topicId, topic, partition, offset: logStartOffset }];
    const moved = { kind: 'start-moved', offsets, isForeign: true } as const;
    const outcome = await this.#context.group.commit(moved);
    this.#context.logger.info({ outcome: outcome.kind, topic, partition }, 'a start was adopted');
  }

  /** A segment that cannot be read keeps its partition from being trimmed, and no other. */
  async #targetOrNone(
    partition: PartitionState,
    leader: PartitionLeader,
  ): Promise<bigint | undefined> {
    try {
      return await this.#target(partition, leader);
    } catch (error) {
      if (!concernsPartition(error)) throw error;
      const { topic, partition: number } = leader;
      this.#context.logger.error({ err: error, topic, partition: number }, 'a log is not trimmed');
      return undefined;
    }
  }

  /** @returns up to where the partition may be trimmed now */
  async #target(partition: PartitionState, leader: PartitionLeader): Promise<bigint | undefined> {
    const view = await this.#look(partition, leader);
    if (view === undefined) return undefined;
    // Somebody else has deleted more than was trimmed: that moves the logical start first.
    const { trimIntent } = partition;
    const ours = oursOf(partition);
    if (view.logStartOffset > ours) return undefined;
    this.#ours.set(partitionKey(partition), ours);
    const { lastStableOffset } = view;
    const shareGroupStart = await this.#context.log.shareGroupStart(leader);
    const bounds = { ...unbounded(this.#beforeMs), lastStableOffset, shareGroupStart };
    const target = trimTarget(partition, bounds);
    if (target === undefined || target <= (trimIntent ?? -1n)) return undefined;
    const openTransactionStart = await this.#openTransactionStart(partition);
    return trimTarget(partition, { ...bounds, openTransactionStart });
  }

  /** As of the end of the last segment; by now it may be decided. */
  async #openTransactionStart(partition: PartitionState): Promise<bigint | undefined> {
    const { store, group, clock, signal } = this.#context;
    const stored = new StoredBatches({ store, group: group.number });
    const { producers } = await previousState(stored, partition, clock.wallMs(), { signal });
    const firsts = producers.flatMap(({ transactionFirstOffset: first }) => first ?? []);
    return firsts.reduce<bigint | undefined>(
      (lowest, first) => (lowest === undefined || first < lowest ? first : lowest),
      undefined,
    );
  }

  /** @returns undefined while nobody can say, or the log has another history than was merged */
  async #look(
    { cursor, leaderEpoch }: PartitionState,
    leader: PartitionLeader,
  ): Promise<LogView | undefined> {
    const request = { leader, offset: cursor, lastFetchedEpoch: leaderEpoch, bytesMax: 1 };
    const read = await this.#context.log.read(request);
    return read.kind === 'read' ? read : undefined;
  }
}

/** A broker's start up to there is the trim's, or has moved the logical start already. */
function oursOf({ trimIntent, logicalStart }: PartitionState): bigint {
  const [trimmed, start] = [trimIntent ?? 0n, logicalStart ?? 0n];
  return trimmed > start ? trimmed : start;
}
