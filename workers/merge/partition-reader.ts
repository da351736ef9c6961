/**
 * Reads one partition's log from its merge cursor on, up to the high watermark, window by window.
 * The first read begins with the batch that was merged last: if the log has another one there, its
 * history is another. What is read waits here until a chunk takes it.
 */
import assert from 'node:assert/strict';
import {
  lastOffsetDelta,
  partitionLeaderEpoch,
  recordCount,
  type KeyRing,
  type OutriggerError,
} from '../../kafka/index.ts';
import { fitsLog, type LogBatch } from '../../storage/index.ts';
import type { ClusterLog, PartitionLeader } from '../log/cluster-log.ts';
import { readLogBatch, type MergeBatch } from './log-batch.ts';

/** What a batch that waits takes in memory besides its bytes. */
const BATCH_OVERHEAD_BYTES = 400;

export interface ReaderStart {
  readonly leader: PartitionLeader;
  /** The first offset to merge. */
  readonly cursor: bigint;
  /** Of the last merged batch, -1 for unknown. */
  readonly leaderEpoch: number;
  /** The last merged batch; undefined if there is none, or the log has it no more. */
  readonly tail: LogBatch | undefined;
  readonly logStart: bigint;
  /** Where the log ended when its leader was asked; undefined if that is not known. */
  readonly until: bigint | undefined;
}

export type ReaderState =
  /** There may be more to read. */
  | { readonly kind: 'reading' }
  /** Everything up to where the log ended is read; what came later is for the next run. */
  | { readonly kind: 'reached' }
  /** Everything below the high watermark is read, and the log had more. */
  | { readonly kind: 'behind' }
  | { readonly kind: 'not-leader' }
  /** The log does not go on from what was merged. */
  | { readonly kind: 'other-history' }
  /** The next batch cannot be merged. */
  | { readonly kind: 'stopped'; readonly error: OutriggerError };

/** A batch in the order in which chunks take them: by the newest WAL file up to it. */
interface Waiting {
  readonly key: bigint;
  readonly batch: MergeBatch;
}

export class PartitionReader {
  readonly leader: PartitionLeader;
  readonly #log: Pick<ClusterLog, 'read'>;
  readonly #keyRing: KeyRing;
  readonly #until: bigint | undefined;
  #state: ReaderState = { kind: 'reading' };
  /** Where the next chunk begins. */
  #mergedTo: bigint;
  #nextRead: bigint;
  #leaderEpoch: number;
  #tail: LogBatch | undefined;
  #waiting: Waiting[] = [];
  #key = 0n;
  #bytesHeld = 0;

  constructor(start: ReaderStart, log: Pick<ClusterLog, 'read'>, keyRing: KeyRing) {
    const { leader, cursor, leaderEpoch, tail, logStart, until } = start;
    this.leader = leader;
    this.#log = log;
    this.#keyRing = keyRing;
    this.#until = until;
    this.#mergedTo = cursor;
    this.#leaderEpoch = leaderEpoch;
    // A log may begin within a batch.
    const tailAt = tail === undefined || tail.baseOffset > logStart ? tail?.baseOffset : logStart;
    const canCompare = tail !== undefined && tail.lastOffset >= logStart;
    this.#tail = canCompare ? tail : undefined;
    this.#nextRead = canCompare ? (tailAt ?? cursor) : cursor;
  }

  get state(): ReaderState {
    return this.#state;
  }

  get mergedTo(): bigint {
    return this.#mergedTo;
  }

  /** Everything of the log below it is read. */
  get readTo(): bigint {
    return this.#nextRead;
  }

  /** Of what waits, in memory. */
  get bytesHeld(): number {
    return this.#bytesHeld;
  }

  get hasWaiting(): boolean {
    return this.#waiting.length > 0;
  }

  /** The key of the last batch that waits: what is read later has none below it. */
  get lastKey(): bigint | undefined {
    return this.#waiting.at(-1)?.key;
  }

  /** The WAL file that waits first; undefined if none does. */
  get oldestWaiting(): bigint | undefined {
    for (const { batch } of this.#waiting) {
      if (batch.origin.kind === 'wal') return batch.origin.fileId;
    }
    return undefined;
  }

  /** Reads another window. Only while `reading`. */
  async fill(bytesMax: number): Promise<void> {
    assert(this.#state.kind === 'reading', 'there is nothing to read');
    const outcome = await this.#log.read({
      leader: this.leader,
      offset: this.#nextRead,
      lastFetchedEpoch: this.#leaderEpoch,
      bytesMax,
    });
    if (outcome.kind === 'not-leader') this.#state = { kind: 'not-leader' };
    else if (outcome.kind !== 'read') this.#state = { kind: 'other-history' };
    else this.#take(outcome.batches, outcome.highWatermark);
  }

  /** @returns the batches up to the key, oldest first; they go on waiting until `takeFirst` */
  upTo(key: bigint): readonly Waiting[] {
    const end = this.#waiting.findIndex((waiting) => waiting.key > key);
    return end === -1 ? this.#waiting : this.#waiting.slice(0, end);
  }

  takeFirst(count: number): void {
    for (const { batch } of this.#waiting.splice(0, count)) this.#bytesHeld -= weightOf(batch);
  }

  /** What was taken up to there is in a merged file that is committed. */
  commitTo(offset: bigint): void {
    assert(offset > this.#mergedTo, 'the cursor rises');
    this.#mergedTo = offset;
  }

  /** Nothing behind what is committed can be merged. */
  stop(error: OutriggerError): void {
    this.#state = { kind: 'stopped', error };
    this.takeFirst(this.#waiting.length);
  }

  #take(batches: readonly Buffer[], highWatermark: bigint): void {
    for (const bytes of batches) {
      const reading = readLogBatch(bytes, this.leader, this.#keyRing);
      if (reading.kind === 'unknown') {
        this.#state = { kind: 'stopped', error: reading.error };
        return;
      }
      const { batch } = reading;
      if (!this.#goesOnFrom(batch, bytes)) {
        this.#state = { kind: 'other-history' };
        return;
      }
      this.#nextRead = batch.lastOffset + 1n;
      this.#leaderEpoch = partitionLeaderEpoch(bytes);
      if (batch.lastOffset >= this.#mergedTo) this.#wait(batch);
    }
    if (batches.length === 0) {
      // Nothing where the batch was that was merged last, and its log ended before the cursor.
      if (this.#until !== undefined && this.#until < this.#mergedTo) {
        this.#state = { kind: 'other-history' };
        return;
      }
      this.#nextRead = max(this.#nextRead, highWatermark);
    }
    const until = this.#until ?? highWatermark;
    if (this.#nextRead >= until) this.#state = { kind: 'reached' };
    else if (batches.length === 0 || this.#nextRead >= highWatermark) {
      this.#state = { kind: 'behind' };
    }
  }

  #goesOnFrom(batch: MergeBatch, bytes: Buffer): boolean {
    const tail = this.#tail;
    this.#tail = undefined;
    return tail === undefined || isSameInLog(tail, batch, bytes);
  }

  #wait(batch: MergeBatch): void {
    const { origin } = batch;
    if (origin.kind === 'wal') this.#key = max(this.#key, origin.fileId);
    this.#waiting.push({ key: this.#key, batch });
    this.#bytesHeld += weightOf(batch);
  }
}

/**
 * @param merged what was merged, or is about to be
 * @param found what the log has at its offset or, if that was compacted away, behind it
 * @param bytes the log's own
 * @returns whether the one can have been the other: where the broker compacted nothing can be told
 */
export function isSameInLog(merged: LogBatch, found: LogBatch, bytes: Buffer): boolean {
  if (fitsLog(merged, found)) return true;
  if (found.baseOffset > merged.lastOffset) return true;
  const sameOffsets =
    merged.baseOffset === found.baseOffset && merged.lastOffset === found.lastOffset;
  const bothReal = merged.origin.kind === 'real' && found.origin.kind === 'real';
  return sameOffsets && bothReal && isCompacted(bytes);
}

function isCompacted(batch: Buffer): boolean {
  return recordCount(batch) < lastOffsetDelta(batch) + 1;
}

/** @returns bytes that the batch takes in memory while it waits */
function weightOf({ bytes }: MergeBatch): number {
  return BATCH_OVERHEAD_BYTES + (bytes.kind === 'real' ? bytes.batch.length : 0);
}

function max(left: bigint, right: bigint): bigint {
  return left > right ? left : right;
}
