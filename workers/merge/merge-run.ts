/**
 * One run of a group's merge: from the cursors to where the logs ended when it began. What it
 * commits holds whatever happens later; what it does not come to is the next run's.
 */
import assert from 'node:assert/strict';
import { hasCode, OutriggerError } from '../../kafka/index.ts';
import {
  fileCreatedMs,
  partitionKey,
  type GroupState,
  type LogBatch,
} from '../../storage/index.ts';
import type { JobContext } from '../group-job.ts';
import type { LogEnd } from '../log/cluster-log.ts';
import type { WalFiles } from '../wal/wal-files.ts';
import { buildChunk, endOf, type Loss } from './build-chunk.ts';
import type { FileMemory } from './file-memory.ts';
import { followLogStarts } from './log-starts.ts';
import type { MergedTails } from './merged-tail.ts';
import { nextChunk, WINDOWS_BYTES_MAX, type ChunkPart } from './next-chunk.ts';
import { PartitionReader } from './partition-reader.ts';
import type { Sample, Samples } from './samples.ts';
import { sharedHistory } from './shared-history.ts';
import type { WatchedPartition } from './watched-partitions.ts';

/** Then the next run goes on, so that a group with much to do does not hold its lane forever. */
const CHUNKS_MAX = 64;
const OPENED_AT_ONCE = 16;

export interface MergeRunOptions {
  readonly context: JobContext;
  readonly watched: readonly WatchedPartition[];
  /** By partition key. */
  readonly ends: ReadonlyMap<string, LogEnd>;
  readonly starts: ReadonlyMap<string, bigint>;
  readonly samples: Samples;
  readonly tails: MergedTails;
  readonly walFiles: WalFiles;
  readonly fileMemory: FileMemory;
  /** Bytes of a merged file at most, but for a single batch that is larger. */
  readonly fileBytes: number;
  /** Keys of partitions of which the epoch merged last is known to prove nothing. */
  readonly distrusted: Set<string>;
}

/** What a run has found, for metrics and alarms. */
export interface MergeReport {
  /** Whether the journal took everything: if not, another worker has the group, or another job. */
  readonly isCommitted: boolean;
  readonly batches: number;
  readonly bytes: number;
  /** When the oldest WAL file was made of which something is not merged; undefined if none. */
  readonly oldestUnmergedMs: number | undefined;
  /** Why partitions stand still. */
  readonly stopped: readonly { readonly key: string; readonly error: OutriggerError }[];
}

export class MergeRun {
  readonly #options: MergeRunOptions;
  readonly #oldestLost: bigint[] = [];
  /** The entry that cut each partition last, when the run began. */
  readonly #cutsBefore = new Map<string, number | undefined>();
  #batches = 0;
  #bytes = 0;

  constructor(options: MergeRunOptions) {
    this.#options = options;
  }

  async run(): Promise<MergeReport> {
    const { context, watched, starts } = this.#options;
    for (const { leader } of watched) {
      const key = partitionKey(leader);
      this.#cutsBefore.set(key, lastCut(context.group.state, key));
    }
    if (!(await followLogStarts(context, watched, starts))) return this.#report(false, []);
    const readers = await this.#openReaders();
    if (readers.length === 0) return this.#report(true, readers);
    const bytesHeld = this.#options.fileBytes + WINDOWS_BYTES_MAX;
    await context.memory.acquire(bytesHeld);
    try {
      const isCommitted =
        (await this.#mergeAll(readers)) &&
        (await this.#commitSamples(readers)) &&
        (await this.#cutHistories(readers));
      return this.#report(isCommitted, readers);
    } finally {
      context.memory.release(bytesHeld);
    }
  }

  /** In the order of the partitions; several at once, since each may ask the store for its tail. */
  async #openReaders(): Promise<PartitionReader[]> {
    const { watched } = this.#options;
    const readers: (PartitionReader | undefined)[] = [];
    const next = watched.entries();
    const open = async (): Promise<void> => {
      for (const [index, partition] of next) readers[index] = await this.#openReader(partition);
    };
    await Promise.all(Array.from({ length: OPENED_AT_ONCE }, open));
    return readers.filter((reader) => reader !== undefined);
  }

  /** @returns undefined if there is nothing to do */
  async #openReader(partition: WatchedPartition): Promise<PartitionReader | undefined> {
    const { context, ends, starts, distrusted } = this.#options;
    const { leader, startOffset, isRequested, isLeft } = partition;
    const key = partitionKey(leader);
    const end = ends.get(key)?.endOffset;
    const logStart = starts.get(key);
    if (end === undefined || logStart === undefined || (isLeft && !isRequested)) return undefined;
    const state = context.group.state.partitions.get(key);
    if (state === undefined) {
      const cursor = min(max(startOffset ?? logStart, logStart), end);
      if (cursor === end && !isRequested) return undefined;
      const start = { leader, cursor, leaderEpoch: -1, tail: undefined, logStart, until: end };
      return new PartitionReader(start, context.log, context.keyRing);
    }
    const { cursor, logicalStart, leaderEpoch } = state;
    if (cursor === end && !isRequested) return undefined;
    const isTrusted = cursor !== logicalStart && !distrusted.has(key);
    const tail = isTrusted ? await this.#tailOf(partition) : undefined;
    const start = { leader, cursor, leaderEpoch: isTrusted ? leaderEpoch : -1, tail };
    const rest = { logStart, until: end };
    return new PartitionReader({ ...start, ...rest }, context.log, context.keyRing);
  }

  async #tailOf({ leader }: WatchedPartition): Promise<LogBatch | undefined> {
    const { context, tails } = this.#options;
    const { group, store, logger } = context;
    const state = group.state.partitions.get(partitionKey(leader));
    try {
      return state === undefined ? undefined : await tails.get(state, group.number, store);
    } catch (error) {
      if (!hasCode(error, 'WORKER_OBJECT_MISSING') && !hasCode(error, 'STORAGE_MERGED_CORRUPT')) {
        throw error;
      }
      const { topic, partition } = leader;
      logger.error({ err: error, topic, partition }, 'what was merged last cannot be read back');
      return undefined;
    }
  }

  /** @returns false if the journal took something else */
  async #mergeAll(readers: readonly PartitionReader[]): Promise<boolean> {
    const { context, fileBytes, fileMemory } = this.#options;
    let memory: Buffer | undefined;
    let isCommitted = true;
    for (let chunks = 0; isCommitted && chunks < CHUNKS_MAX; chunks++) {
      context.signal.throwIfAborted();
      await context.failpoint('merge:before-read');
      const chunk = await nextChunk(readers, fileBytes);
      if (chunk.length === 0) break;
      memory ??= fileMemory.take();
      isCommitted = await this.#mergeChunk(chunk, memory);
    }
    // Not after an error: something of what failed may go on for a while.
    if (memory !== undefined) fileMemory.give(memory);
    return isCommitted;
  }

  async #mergeChunk(chunk: readonly ChunkPart[], memory: Buffer): Promise<boolean> {
    const { context, walFiles, tails } = this.#options;
    const { group, clusterId } = context;
    const bytes = chunk.flatMap(({ batches }) => batches).reduce((sum, b) => sum + b.length, 0);
    context.progress.expect(bytes);
    const head = { clusterId, group: group.number };
    const built = await buildChunk(chunk, head, { walFiles, home: context, memory });
    for (const loss of built.losses) this.#lose(loss);
    if (built.file === undefined) return true;
    const samples = built.parts.flatMap(({ reader, batches }) => {
      return this.#sampleOf(reader, endOf(batches)) ?? [];
    });
    await context.failpoint('merge:before-commit');
    const onlyIf = this.#onlyIfUncut(built.parts.map(({ reader }) => reader));
    const outcome = await group.commit({ kind: 'merge', samples }, built.file, { onlyIf });
    if (outcome.kind !== 'committed') {
      context.logger.info({ outcome: outcome.kind }, 'a merge was not committed');
      return false;
    }
    await context.failpoint('merge:after-commit');
    for (const { reader, batches } of built.parts) {
      reader.commitTo(endOf(batches));
      const last = batches.at(-1);
      assert(last !== undefined, 'a part has batches');
      this.#options.distrusted.delete(partitionKey(reader.leader));
      tails.remember(reader.leader, { ...offsetsOf(last), origin: last.origin });
      const records = batches.reduce((sum, batch) => sum + recordsOf(batch), 0);
      const partBytes = batches.reduce((sum, { length }) => sum + length, 0);
      context.progress.advance({ records, bytes: partBytes });
      this.#batches += batches.length;
      this.#bytes += partBytes;
    }
    this.#drop(samples);
    return true;
  }

  #lose({ part, index, error }: Loss): void {
    part.reader.stop(error);
    const origin = part.batches[index]?.origin;
    if (origin?.kind === 'wal') this.#oldestLost.push(origin.fileId);
  }

  #sampleOf(reader: PartitionReader, cursor: bigint): Sample | undefined {
    const { context, samples } = this.#options;
    const state = context.group.state.partitions.get(partitionKey(reader.leader));
    return samples.reached(reader.leader, state, cursor);
  }

  /** Of those that were asked for and have nothing new. */
  async #commitSamples(readers: readonly PartitionReader[]): Promise<boolean> {
    const { context, watched } = this.#options;
    const requested = new Set(
      watched.filter(({ isRequested }) => isRequested).map(({ leader }) => partitionKey(leader)),
    );
    const samples = readers.flatMap((reader) => {
      const key = partitionKey(reader.leader);
      if (!requested.has(key) || reader.state.kind !== 'reached') return [];
      const sample = this.#sampleOf(reader, reader.readTo);
      if (sample === undefined) return [];
      const isKnown = context.group.state.partitions.has(key);
      return isKnown ? sample : { ...sample, cursor: reader.mergedTo };
    });
    if (samples.length === 0) return true;
    const onlyIf = this.#onlyIfUncut(readers);
    const outcome = await context.group.commit({ kind: 'merge', samples }, undefined, { onlyIf });
    if (outcome.kind === 'committed') this.#drop(samples);
    return outcome.kind === 'committed';
  }

  #drop(samples: readonly Sample[]): void {
    for (const sample of samples) this.#options.samples.drop(partitionKey(sample));
  }

  /** Cuts back what another history has taken the place of. */
  async #cutHistories(readers: readonly PartitionReader[]): Promise<boolean> {
    const { context, samples } = this.#options;
    const offsets = [];
    for (const { leader, state } of readers) {
      if (state.kind !== 'other-history') continue;
      const offset = await this.#cutOf(leader);
      if (offset === undefined) continue;
      const { topicId, topic, partition } = leader;
      offsets.push({ topicId, topic, partition, offset });
      samples.drop(partitionKey(leader));
    }
    if (offsets.length === 0) return true;
    await context.failpoint('merge:before-cut');
    const reason = 'the log has other batches than were merged';
    const change = { kind: 'quarantine', offsets, reason } as const;
    const onlyIf = this.#onlyIfUncut(readers);
    const outcome = await context.group.commit(change, undefined, { onlyIf });
    context.logger.error({ offsets, outcome: outcome.kind }, `another history: ${reason}`);
    return outcome.kind === 'committed';
  }

  /**
   * Another worker may have cut back what this run has read on from, and merged up to the same
   * cursor again: offsets alone would fit.
   */
  #onlyIfUncut(readers: readonly PartitionReader[]): (state: GroupState) => boolean {
    const keys = readers.map(({ leader }) => partitionKey(leader));
    return (state) => keys.every((key) => lastCut(state, key) === this.#cutsBefore.get(key));
  }

  /** @returns undefined if nothing is to be cut, or that cannot be told now */
  async #cutOf(leader: PartitionReader['leader']): Promise<bigint | undefined> {
    const { context, ends, starts, distrusted } = this.#options;
    const { group, log, store, keyRing, logger } = context;
    const key = partitionKey(leader);
    const state = group.state.partitions.get(key);
    const logEnd = ends.get(key)?.endOffset;
    const logStart = starts.get(key);
    if (state === undefined || logEnd === undefined || logStart === undefined) return undefined;
    const question = { leader, state, logStart, logEnd, group: group.number };
    try {
      const shared = await sharedHistory(question, { log, store, keyRing });
      if (shared === undefined || shared < state.cursor) return shared;
      // All of it is there: only the epochs are others, as on a cluster that was restored.
      distrusted.add(key);
      return undefined;
    } catch (error) {
      if (!(error instanceof OutriggerError) || error.retriable) throw error;
      const { topic, partition } = leader;
      logger.error({ err: error, topic, partition }, 'what was merged cannot be read back');
      return undefined;
    }
  }

  #report(isCommitted: boolean, readers: readonly PartitionReader[]): MergeReport {
    const waiting = readers.flatMap(({ oldestWaiting }) => oldestWaiting ?? []);
    const times = [...waiting, ...this.#oldestLost].map(fileCreatedMs);
    const stopped = readers.flatMap(({ leader, state }) => {
      return state.kind === 'stopped' ? [{ key: partitionKey(leader), error: state.error }] : [];
    });
    return {
      isCommitted,
      batches: this.#batches,
      bytes: this.#bytes,
      oldestUnmergedMs: times.length === 0 ? undefined : Math.min(...times),
      stopped,
    };
  }
}

function lastCut(state: GroupState, key: string): number | undefined {
  return state.partitions.get(key)?.quarantined.at(-1)?.by;
}

function offsetsOf({
  baseOffset,
  lastOffset,
}: LogBatch): Pick<LogBatch, 'baseOffset' | 'lastOffset'> {
  return { baseOffset, lastOffset };
}

function recordsOf({ baseOffset, lastOffset }: LogBatch): number {
  return Number(lastOffset - baseOffset) + 1;
}

function min(left: bigint, right: bigint): bigint {
  return left < right ? left : right;
}

function max(left: bigint, right: bigint): bigint {
  return left > right ? left : right;
}
