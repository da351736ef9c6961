/**
 * One stored segment: its indexes, and its batches from an offset on. It owns the way to the
 * segment's three objects and holds two blocks of the `.log` at most.
 */
import {
  BATCH_HEADER_BYTES,
  MAGIC_V2,
  baseOffset,
  batchBytes,
  batchCrc,
  batchMagic,
  computeBatchCrc,
  lastOffset,
} from '../../kafka/index.ts';
import {
  SEGMENT_PREFIX,
  SegmentIndexes,
  parseManifest,
  segmentKeys,
  storageError,
} from '../../storage/index.ts';
import type {
  CallOptions,
  GetOutcome,
  ObjectStore,
  PartitionState,
  Segment,
  SegmentKeys,
  SegmentManifest,
} from '../../storage/index.ts';
import { workerError } from '../errors.ts';
import { readAhead } from './read-ahead.ts';

/** Whose segment it is. */
export type NamedPartition = Pick<PartitionState, 'topicId' | 'topic' | 'partition'>;

export interface OpenedSegment {
  readonly manifest: SegmentManifest;
  readonly indexes: SegmentIndexes;
}

/** @returns where the segment's objects are */
export function keysOf(id: NamedPartition, segment: Segment): SegmentKeys {
  return segmentKeys(SEGMENT_PREFIX, { ...id, segmentId: segment.id }, segment.baseOffset);
}

/**
 * @returns manifest and indexes, which take `.indexes` bytes of memory
 * @throws `WORKER_OBJECT_MISSING`, `STORAGE_SEGMENT_CORRUPT`, or what the store throws
 */
export async function openSegment(
  store: ObjectStore,
  id: NamedPartition,
  segment: Segment,
  call?: CallOptions,
): Promise<OpenedSegment> {
  const keys = keysOf(id, segment);
  const manifest = parseManifest(found(await store.get(keys.manifest, call), keys.manifest));
  const isThatOne =
    manifest.segmentId === segment.id &&
    manifest.startOffset === segment.baseOffset &&
    manifest.logBytes === segment.bytes;
  if (!isThatOne) throw damaged(keys.manifest, 'it is of another segment');
  const indexes = found(await store.get(keys.indexes, call), keys.indexes);
  return { manifest, indexes: new SegmentIndexes(manifest, indexes) };
}

/**
 * The batches that have offsets from `from` to below `to`, whole; views of blocks.
 *
 * @throws as `openSegment`
 */
export async function* segmentBatches(
  store: ObjectStore,
  id: NamedPartition,
  segment: Segment,
  range: { readonly from: bigint; readonly to: bigint; readonly blockBytes: number },
  call?: CallOptions,
): AsyncGenerator<Buffer> {
  const { from, to, blockBytes } = range;
  const key = keysOf(id, segment).log;
  const start = from > segment.baseOffset ? await positionOf(store, id, segment, from, call) : 0;
  const reads = blocksOf(start, segment.bytes, blockBytes).map(({ position, length }) => {
    return async () => found(await store.getRange(key, position, length, call), key);
  });
  let rest: Buffer = Buffer.alloc(0);
  let next = -1n;
  for await (const block of readAhead(reads)) {
    const bytes = rest.length === 0 ? block : Buffer.concat([rest, block]);
    let at = 0;
    for (;;) {
      const size = batchSizeAt(bytes, at, key);
      if (size === undefined || at + size > bytes.length) break;
      const batch = bytes.subarray(at, at + size);
      checkBatch(batch, next, key);
      next = lastOffset(batch) + 1n;
      at += size;
      if (baseOffset(batch) >= to) return;
      if (next > from) yield batch;
    }
    rest = bytes.subarray(at);
  }
  if (rest.length > 0) throw damaged(key, 'its last batch is cut short');
}

/** Where to begin to read, so that no batch with the offset or a higher one is missed. */
async function positionOf(
  store: ObjectStore,
  id: NamedPartition,
  segment: Segment,
  offset: bigint,
  call?: CallOptions,
): Promise<number> {
  const { indexes, manifest } = await openSegment(store, id, segment, call);
  return indexes.rangeOfOffset(offset)?.from ?? manifest.logBytes;
}

interface Block {
  readonly position: number;
  readonly length: number;
}

function blocksOf(start: number, end: number, blockBytes: number): Block[] {
  const count = Math.ceil((end - start) / blockBytes);
  return Array.from({ length: count }, (_, index) => {
    const position = start + index * blockBytes;
    return { position, length: Math.min(blockBytes, end - position) };
  });
}

/** @returns undefined if not even the header is whole */
function batchSizeAt(bytes: Buffer, at: number, key: string): number | undefined {
  if (at + BATCH_HEADER_BYTES > bytes.length) return undefined;
  const size = batchBytes(bytes, at);
  const isBatch = batchMagic(bytes, at) === MAGIC_V2 && size >= BATCH_HEADER_BYTES;
  if (!isBatch) throw damaged(key, 'no batch begins where one should');
  return size;
}

function checkBatch(batch: Buffer, next: bigint, key: string): void {
  if (baseOffset(batch) < next) throw damaged(key, 'its offsets do not rise');
  if (batchCrc(batch) !== computeBatchCrc(batch, 0, batch.length)) {
    throw damaged(key, `the batch at offset ${baseOffset(batch)} has the wrong checksum`);
  }
}

/** @throws `WORKER_OBJECT_MISSING` */
export function found(outcome: GetOutcome, key: string): Buffer {
  if (outcome.kind === 'found') return outcome.bytes;
  throw workerError('WORKER_OBJECT_MISSING', `${key} is gone, and the journal refers to it.`, {
    details: { key },
  });
}

function damaged(key: string, reason: string): Error {
  return storageError('STORAGE_SEGMENT_CORRUPT', `${key} is damaged: ${reason}.`, {
    details: { key },
  });
}
