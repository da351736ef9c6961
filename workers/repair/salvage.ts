/**
 * What is left of a partition's data where an object is gone: real batches in the broker's log,
 * batches in WAL files that are still there, sound batches of a merged file or segment that is
 * damaged. For everything else there is an empty batch with the same offsets, as compaction leaves
 * them, so that consumers go on behind it. It holds a read of the log and a WAL file at a time.
 */
import assert from 'node:assert/strict';
import {
  baseOffset,
  batchCrc,
  buildRecordBatch,
  emptyBatchOf,
  lastOffset,
  OutriggerError,
  restoreBatch,
} from '../../kafka/index.ts';
import type { KeyRing } from '../../kafka/index.ts';
import { entryKey, readMergedBatch } from '../../storage/index.ts';
import type {
  BatchOrigin,
  Extent,
  ExtentIndex,
  ObjectStore,
  Segment,
} from '../../storage/index.ts';
import { workerError } from '../errors.ts';
import { segmentBatches } from '../extents/segment-log.ts';
import { BLOCK_BYTES, StoredBatches } from '../extents/stored-batches.ts';
import type { ClusterLog, PartitionLeader } from '../log/cluster-log.ts';
import { readLogBatch } from '../merge/log-batch.ts';
import { walBatchIn, type WalFiles } from '../wal/wal-files.ts';

/** Of the log, at once. */
const READ_BYTES = 1024 * 1024;
/** What one empty batch can stand for: its last offset delta is an i32. */
const HOLE_OFFSETS_MAX = 2n ** 31n;

export interface SalvagedBatch {
  readonly baseOffset: bigint;
  /** Inclusive. */
  readonly lastOffset: bigint;
  readonly origin: BatchOrigin;
  readonly bytes: Buffer;
  /** It is empty because its records are in no place any more. */
  readonly isGivenUp: boolean;
}

export interface SalvageOptions {
  readonly store: ObjectStore;
  readonly clusterId: string;
  readonly group: number;
  readonly log: ClusterLog;
  readonly keyRing: KeyRing;
  readonly walFiles: WalFiles;
  readonly leader: PartitionLeader;
  /** Where the broker's log begins. */
  readonly logStart: bigint;
}

export class Salvage {
  readonly #options: SalvageOptions;

  constructor(options: SalvageOptions) {
    this.#options = options;
  }

  /**
   * Out of the broker's log and WAL files.
   *
   * @param to exclusive; the high watermark ends it too
   * @param leaderEpoch for what the broker does not have any more
   * @throws `WORKER_…` or what broker and store throw: what cannot be asked is not given up
   */
  async *fromLog(from: bigint, to: bigint, leaderEpoch: number): AsyncGenerator<SalvagedBatch> {
    const { log, leader, logStart } = this.#options;
    yield* holes(from, lower(to, logStart), leaderEpoch);
    let offset = from > logStart ? from : logStart;
    while (offset < to) {
      const request = { leader, offset, lastFetchedEpoch: -1, bytesMax: READ_BYTES };
      const read = await log.read(request);
      if (read.kind !== 'read') throw unreadable(leader, `the broker answered ${read.kind}`);
      if (read.batches.length === 0) return;
      for (const batch of read.batches) {
        if (baseOffset(batch) >= to) return;
        offset = lastOffset(batch) + 1n;
        yield await this.#resolve(batch);
      }
    }
  }

  /** What is sound in the file; out of the log what is not. As `fromLog`. */
  async *fromExtent(extent: Extent): AsyncGenerator<SalvagedBatch> {
    const { startOffset, endOffset, leaderEpoch } = extent;
    const index = await this.#indexOf(extent);
    if (index === undefined) {
      yield* this.fromLog(startOffset, endOffset, leaderEpoch);
      return;
    }
    const { store, group } = this.#options;
    for (let row = index.find(startOffset); row < index.batchCount; row++) {
      const indexed = index.at(row);
      const { position, length, ...batch } = indexed;
      if (batch.baseOffset >= endOffset) return;
      const read = await store.getRange(entryKey(group, extent.file), position, length);
      const bytes = read.kind === 'found' ? read.bytes : Buffer.alloc(0);
      if (isSound(() => readMergedBatch(bytes, position, indexed))) {
        yield { ...batch, bytes, isGivenUp: false };
      } else yield* this.fromLog(batch.baseOffset, batch.lastOffset + 1n, leaderEpoch);
    }
  }

  /** The segment's batches up to the first that is damaged; out of the log what follows. */
  async *fromSegment(segment: Segment, leaderEpoch: number): AsyncGenerator<SalvagedBatch> {
    const { store, leader } = this.#options;
    const range = { from: segment.baseOffset, to: segment.endOffset, blockBytes: BLOCK_BYTES };
    let next = segment.baseOffset;
    try {
      for await (const bytes of segmentBatches(store, leader, segment, range)) {
        next = lastOffset(bytes) + 1n;
        const offsets = { baseOffset: baseOffset(bytes), lastOffset: lastOffset(bytes) };
        yield { ...offsets, origin: realOrigin(bytes), bytes, isGivenUp: false };
      }
    } catch (error) {
      if (!isDamage(error)) throw error;
    }
    yield* this.fromLog(next, segment.endOffset, leaderEpoch);
  }

  async #indexOf(extent: Extent): Promise<ExtentIndex | undefined> {
    const { store, group } = this.#options;
    try {
      return await new StoredBatches({ store, group }).index(extent);
    } catch (error) {
      if (isDamage(error)) return undefined;
      throw error;
    }
  }

  async #resolve(inLog: Buffer): Promise<SalvagedBatch> {
    const { leader, keyRing } = this.#options;
    const reading = readLogBatch(inLog, leader, keyRing);
    if (reading.kind === 'unknown') throw reading.error;
    const { baseOffset, lastOffset, origin, bytes } = reading.batch;
    const batch = { baseOffset, lastOffset, origin };
    if (bytes.kind === 'real') return { ...batch, bytes: inLog, isGivenUp: false };
    const found = await this.#options.walFiles.get(bytes.pointer.fileId, this.#options);
    if (found.kind === 'found') {
      const real = walBatchIn(found.file, bytes.pointer, leader);
      if (real.kind === 'found') {
        const restored = Buffer.concat(restoreBatch(real.batch, inLog));
        return { ...batch, bytes: restored, isGivenUp: false };
      }
    }
    return { ...batch, bytes: emptyBatchOf(inLog), isGivenUp: true };
  }
}

/** Empty batches for offsets of which nothing is known. */
function* holes(from: bigint, to: bigint, leaderEpoch: number): Generator<SalvagedBatch> {
  for (let start = from; start < to; start += HOLE_OFFSETS_MAX) {
    const end = lower(start + HOLE_OFFSETS_MAX, to);
    const bytes = buildRecordBatch(
      {
        baseOffset: start,
        lastOffsetDelta: Number(end - start) - 1,
        partitionLeaderEpoch: leaderEpoch,
        maxTimestamp: -1n,
      },
      [],
    );
    const offsets = { baseOffset: start, lastOffset: end - 1n };
    yield { ...offsets, origin: realOrigin(bytes), bytes, isGivenUp: true };
  }
}

function realOrigin(batch: Buffer): BatchOrigin {
  return { kind: 'real', crc: batchCrc(batch) };
}

/** Codes that say that an object is gone or damaged, and not that the store cannot be asked. */
const DAMAGE: ReadonlySet<string> = new Set([
  'STORAGE_MERGED_CORRUPT',
  'STORAGE_SEGMENT_CORRUPT',
  'WORKER_OBJECT_MISSING',
  'WORKER_OBJECT_CORRUPT',
]);

function isDamage(error: unknown): boolean {
  return error instanceof OutriggerError && DAMAGE.has(error.code);
}

function isSound(check: () => void): boolean {
  try {
    check();
    return true;
  } catch (error) {
    assert(isDamage(error), error instanceof Error ? error : 'not an error');
    return false;
  }
}

function unreadable({ topic, partition }: PartitionLeader, reason: string): Error {
  const message = `The log of ${topic}-${partition} cannot be read: ${reason}.`;
  return workerError('WORKER_LOG_UNREADABLE', message, {
    retriable: true,
    details: { topic, partition },
  });
}

function lower(left: bigint, right: bigint): bigint {
  return left < right ? left : right;
}
