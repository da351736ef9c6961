/**
 * The batches of a partition between two offsets, in order, out of its segments and the extents of
 * merged files. Extents are read by their index, in ranged reads of bounded size: a small one at
 * once with its index, a large one block by block. Two blocks and one index are held at a time.
 */
import assert from 'node:assert/strict';
import { baseOffset, hasCode, lastOffset } from '../../kafka/index.ts';
import { ExtentIndex, entryKey, readMergedBatch, storageError } from '../../storage/index.ts';
import type {
  BatchOrigin,
  CallOptions,
  Extent,
  IndexedBatch,
  ObjectStore,
  PartitionState,
  Segment,
} from '../../storage/index.ts';
import { readAhead } from './read-ahead.ts';
import { found, openSegment, segmentBatches } from './segment-log.ts';
import type { NamedPartition, OpenedSegment } from './segment-log.ts';

/** What is read at once, unless a single batch is larger. */
export const BLOCK_BYTES = 8 * 1024 * 1024;

export interface StoredBatchesOptions {
  readonly store: ObjectStore;
  /** The partition group, whose merged files the extents are in. */
  readonly group: number;
  /** Default `BLOCK_BYTES`. */
  readonly blockBytes?: number;
}

/** What of a partition's state says where its data is. */
export type StoredPartition = NamedPartition &
  Pick<PartitionState, 'consolidatedTo' | 'extents' | 'segments'>;

export interface StoredBatch {
  readonly baseOffset: bigint;
  /** Inclusive. */
  readonly lastOffset: bigint;
  /** What stood for it in the broker's log; unknown of what is in a segment. */
  readonly origin: BatchOrigin | undefined;
  /** A view of the block that it was read in: whoever keeps it long copies it. */
  readonly bytes: Buffer;
}

export class StoredBatches {
  /** What reading holds at most, the index of an extent apart. */
  readonly bytesHeldMax: number;
  readonly #store: ObjectStore;
  readonly #group: number;
  readonly #blockBytes: number;

  constructor({ store, group, blockBytes = BLOCK_BYTES }: StoredBatchesOptions) {
    this.#store = store;
    this.#group = group;
    this.#blockBytes = blockBytes;
    this.bytesHeldMax = 2 * blockBytes;
  }

  /**
   * Every batch that has an offset from `from` to below `to`, in order, whole, and so perhaps with
   * offsets outside; from segments below `consolidatedTo`, from extents above.
   *
   * @throws `WORKER_OBJECT_MISSING`, `STORAGE_MERGED_CORRUPT`, `STORAGE_SEGMENT_CORRUPT`, or what
   *   the store throws
   */
  async *batches(
    partition: StoredPartition,
    from: bigint,
    to: bigint,
    call?: CallOptions,
  ): AsyncGenerator<StoredBatch> {
    for (const segment of partition.segments) {
      yield* this.segmentBatches(partition, segment, from, to, call);
    }
    const above = from > partition.consolidatedTo ? from : partition.consolidatedTo;
    for (const extent of partition.extents) yield* this.extentBatches(extent, above, to, call);
  }

  /** As `batches`, of one segment. */
  async *segmentBatches(
    id: NamedPartition,
    segment: Segment,
    from: bigint,
    to: bigint,
    call?: CallOptions,
  ): AsyncGenerator<StoredBatch> {
    const part = overlap(segment, from, to);
    if (part === undefined) return;
    const range = { ...part, blockBytes: this.#blockBytes };
    for await (const bytes of segmentBatches(this.#store, id, segment, range, call)) {
      yield {
        baseOffset: baseOffset(bytes),
        lastOffset: lastOffset(bytes),
        origin: undefined,
        bytes,
      };
    }
  }

  /** As `batches`, of one extent. */
  async *extentBatches(
    extent: Extent,
    from: bigint,
    to: bigint,
    call?: CallOptions,
  ): AsyncGenerator<StoredBatch> {
    const part = overlap(extent, from, to);
    if (part === undefined) return;
    const key = entryKey(this.#group, extent.file);
    const { index, batches } = await this.#open(key, extent, call);
    const runs = this.#runs(index, index.find(part.from), part.to);
    if (batches !== undefined) {
      for (const run of runs) yield* inRun(key, run, batches, extent.position);
      return;
    }
    for await (const { run, position, block } of readAhead(this.#reads(key, runs, call))) {
      yield* inRun(key, run, block, position);
    }
  }

  /**
   * @returns the whole extent's index, also where a cut left only part of it alive
   * @throws as `batches`
   */
  async index(extent: Extent, call?: CallOptions): Promise<ExtentIndex> {
    const key = entryKey(this.#group, extent.file);
    const position = extent.position + extent.bytes;
    const outcome = await this.#store.getRange(key, position, extent.indexBytes, call);
    return inFile(key, () => new ExtentIndex(found(outcome, key), extent));
  }

  /** @throws as `batches` */
  async openSegment(
    id: NamedPartition,
    segment: Segment,
    call?: CallOptions,
  ): Promise<OpenedSegment> {
    return await openSegment(this.#store, id, segment, call);
  }

  /** A small extent comes with its index, in one read; of a large one the batches do not come. */
  async #open(
    key: string,
    extent: Extent,
    call?: CallOptions,
  ): Promise<{ readonly index: ExtentIndex; readonly batches: Buffer | undefined }> {
    const bytes = extent.bytes + extent.indexBytes;
    if (bytes > this.#blockBytes) {
      return { index: await this.index(extent, call), batches: undefined };
    }
    const whole = found(await this.#store.getRange(key, extent.position, bytes, call), key);
    const index = inFile(key, () => new ExtentIndex(whole.subarray(extent.bytes), extent));
    return { index, batches: whole.subarray(0, extent.bytes) };
  }

  /** @returns the batches from row `first` on and below `to`, as they are read: block by block */
  *#runs(index: ExtentIndex, first: number, to: bigint): Generator<Run> {
    let run: IndexedBatch[] = [];
    let bytes = 0;
    for (let row = first; row < index.batchCount; row++) {
      const batch = index.at(row);
      if (batch.baseOffset >= to) break;
      if (run.length > 0 && bytes + batch.length > this.#blockBytes) {
        yield run;
        run = [];
        bytes = 0;
      }
      run.push(batch);
      bytes += batch.length;
    }
    if (run.length > 0) yield run;
  }

  *#reads(key: string, runs: Iterable<Run>, call?: CallOptions): Generator<() => Promise<Block>> {
    for (const run of runs) {
      const { position, bytes } = placeOf(run);
      yield async () => {
        const block = found(await this.#store.getRange(key, position, bytes, call), key);
        return { run, position, block };
      };
    }
  }
}

/** Batches that follow on each other. */
type Run = readonly IndexedBatch[];

interface Block {
  readonly run: Run;
  readonly position: number;
  readonly block: Buffer;
}

function* inRun(key: string, run: Run, bytes: Buffer, position: number): Generator<StoredBatch> {
  for (const indexed of run) {
    const { baseOffset, lastOffset, origin } = indexed;
    const batch = inFile(key, () => readMergedBatch(bytes, position, indexed));
    yield { baseOffset, lastOffset, origin, bytes: batch };
  }
}

function placeOf(run: Run): { position: number; bytes: number } {
  const [first, last] = [run[0], run.at(-1)];
  assert(first !== undefined && last !== undefined, 'a run has batches');
  return { position: first.position, bytes: last.position + last.length - first.position };
}

/** Tells in which file something is damaged. */
function inFile<Result>(key: string, read: () => Result): Result {
  try {
    return read();
  } catch (error) {
    if (!hasCode(error, 'STORAGE_MERGED_CORRUPT')) throw error;
    const message = `${key} is damaged, or was hollowed out meanwhile.`;
    throw storageError('STORAGE_MERGED_CORRUPT', message, { details: { key }, cause: error });
  }
}

/** @returns what of the range is asked for */
function overlap(
  { startOffset, endOffset }: { readonly startOffset: bigint; readonly endOffset: bigint },
  from: bigint,
  to: bigint,
): { readonly from: bigint; readonly to: bigint } | undefined {
  const part = {
    from: from > startOffset ? from : startOffset,
    to: to < endOffset ? to : endOffset,
  };
  return part.from < part.to ? part : undefined;
}
