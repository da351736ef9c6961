/**
 * Batches in segments, found by offset or timestamp as a broker finds them in its own: by the
 * sparse indexes, and from header to header from there on.
 */
import {
  BATCH_HEADER_BYTES,
  findByTimestamp,
  lastOffset,
  maxTimestamp,
  OutriggerError,
} from '../../kafka/index.ts';
import type { TimestampedOffset } from '../../kafka/index.ts';
import { parseManifest, SegmentIndexes, type LeaderEpoch } from '../../storage/index.ts';
import { LoadingCache } from './loading-cache.ts';
import { ABSENT, type Corrupt, type Lookup } from './lookup.ts';
import type { ObjectReader } from './object-reader.ts';
import type { StoredBatches } from './stored-batches.ts';
import type { SegmentPiece } from './stored-partition.ts';

/** Far above a manifest with thousands of leader epochs. */
const MANIFEST_BYTES_MAX = 4 * 1024 * 1024;

/** A producer's transaction that was not decided at the end of a segment. */
export interface OpenTransaction {
  readonly producerId: bigint;
  readonly firstOffset: bigint;
}

/** What a segment's indexes say that offsets and timestamps do not. */
export interface SegmentEnd {
  readonly openTransactions: readonly OpenTransaction[];
  readonly leaderEpochs: readonly LeaderEpoch[];
}

/** A batch and where the next one begins. */
export interface PlacedBatch {
  readonly batch: Buffer;
  readonly position: number;
}

interface OpenSegment {
  readonly indexes: SegmentIndexes;
  readonly bytes: number;
  end: SegmentEnd | undefined;
  /** Where the batch begins that comes after the one found last, and its lowest offset. */
  nextOffset: bigint;
  nextPosition: number;
}

/** An open segment, or why its files cannot be used. */
interface Opening {
  readonly result: OpenSegment | OutriggerError;
}

export class SegmentReader {
  readonly #reader: ObjectReader;
  readonly #batches: StoredBatches;
  readonly #open: LoadingCache<Opening>;

  /** @param indexBytesMax of indexes in memory */
  constructor(reader: ObjectReader, batches: StoredBatches, indexBytesMax: number) {
    this.#reader = reader;
    this.#batches = batches;
    this.#open = new LoadingCache(indexBytesMax, ({ result }) =>
      result instanceof OutriggerError ? 1 : result.bytes,
    );
  }

  get indexBytes(): number {
    return this.#open.bytes;
  }

  /** @returns the segment's indexes, checked */
  indexesOf(piece: SegmentPiece): Lookup<SegmentIndexes> {
    const opened = this.#opened(piece);
    return opened.kind === 'found' ? { kind: 'found', value: opened.value.indexes } : opened;
  }

  /** @returns what is known at the end of the segment */
  endOf(piece: SegmentPiece): Lookup<SegmentEnd> {
    const opened = this.#opened(piece);
    if (opened.kind !== 'found') return opened;
    try {
      opened.value.end ??= endOf(opened.value.indexes);
      return { kind: 'found', value: opened.value.end };
    } catch (error) {
      if (!(error instanceof OutriggerError)) throw error;
      return this.#corrupt(piece, error);
    }
  }

  /** @returns the batch that has the offset or, where there is a gap, the first one behind it */
  batchAt(piece: SegmentPiece, offset: bigint): Lookup<PlacedBatch> {
    const opened = this.#opened(piece);
    if (opened.kind !== 'found') return opened;
    const open = opened.value;
    let position = open.nextPosition;
    if (offset !== open.nextOffset) {
      const range = open.indexes.rangeOfOffset(offset);
      if (range === undefined) return ABSENT;
      position = range.from;
    }
    const found = this.#seek(piece, position, (batch) => lastOffset(batch) >= offset);
    if (found.kind === 'found') {
      open.nextOffset = lastOffset(found.value.batch) + 1n;
      open.nextPosition = found.value.position + found.value.batch.length;
    }
    return found;
  }

  /** @returns the batch at a position, absent at the segment's end */
  batchFrom(piece: SegmentPiece, position: number): Lookup<PlacedBatch> {
    return this.#seek(piece, position, () => true);
  }

  /** @returns the first record from an offset on that has this timestamp or a later one */
  timestampAt(
    piece: SegmentPiece,
    timestamp: bigint,
    fromOffset: bigint,
  ): Lookup<TimestampedOffset> {
    const opened = this.#opened(piece);
    if (opened.kind !== 'found') return opened;
    const range = opened.value.indexes.rangeOfTimestamp(timestamp, fromOffset);
    if (range === undefined) return ABSENT;
    for (let { from } = range; ; ) {
      const reaches = (batch: Buffer): boolean =>
        maxTimestamp(batch) >= timestamp && lastOffset(batch) >= fromOffset;
      const found = this.#seek(piece, from, reaches);
      if (found.kind !== 'found') return found;
      const { batch, position } = found.value;
      const record = recordAt(batch, timestamp, fromOffset);
      this.#batches.giveBack(batch);
      if (record !== undefined) return { kind: 'found', value: record };
      from = position + batch.length;
    }
  }

  #seek(
    piece: SegmentPiece,
    start: number,
    isWanted: (batch: Buffer) => boolean,
  ): Lookup<PlacedBatch> {
    for (let position = start; position < piece.end; ) {
      const lookup = this.#batches.at(piece, position);
      if (lookup.kind !== 'found') return lookup;
      const batch = lookup.value;
      if (isWanted(batch)) return { kind: 'found', value: { batch, position } };
      this.#batches.giveBack(batch);
      position += batch.length;
    }
    return ABSENT;
  }

  #opened(piece: SegmentPiece): Lookup<OpenSegment> {
    const opening = this.#open.peek(piece.key);
    if (opening === undefined) return { kind: 'unread', load: () => this.#load(piece) };
    const { result } = opening;
    if (result instanceof OutriggerError) return this.#corrupt(piece, result);
    return { kind: 'found', value: result };
  }

  #corrupt(piece: SegmentPiece, cause: OutriggerError): Corrupt {
    return { kind: 'corrupt', cause, forget: () => this.#open.delete(piece.key) };
  }

  async #load(piece: SegmentPiece): Promise<boolean> {
    const opening = await this.#open.get(piece.key, async () => {
      const { manifest: manifestKey, indexes: indexesKey } = piece.keys;
      const manifestBytes = await this.#reader.read(manifestKey, 0, MANIFEST_BYTES_MAX);
      if (manifestBytes === undefined) return undefined;
      try {
        const manifest = parseManifest(manifestBytes);
        const indexBytes = bytesOfIndexes(manifest.indexes);
        const bytes = await this.#reader.read(indexesKey, 0, indexBytes);
        if (bytes === undefined) return undefined;
        return { result: openSegment(new SegmentIndexes(manifest, bytes), indexBytes) };
      } catch (error) {
        if (!(error instanceof OutriggerError) || error.retriable) throw error;
        return { result: error };
      }
    });
    return opening !== undefined;
  }
}

function openSegment(indexes: SegmentIndexes, bytes: number): OpenSegment {
  return { indexes, bytes, end: undefined, nextOffset: -1n, nextPosition: 0 };
}

function bytesOfIndexes(
  places: Readonly<Record<string, { readonly position: number; readonly size: number } | null>>,
): number {
  let end = 1;
  for (const place of Object.values(places)) {
    if (place !== null) end = Math.max(end, place.position + place.size);
  }
  return end;
}

function endOf(indexes: SegmentIndexes): SegmentEnd {
  const { producers, leaderEpochs } = indexes.state();
  const openTransactions = producers.flatMap(({ producerId, transactionFirstOffset }) =>
    transactionFirstOffset === undefined
      ? []
      : [{ producerId, firstOffset: transactionFirstOffset }],
  );
  return { openTransactions, leaderEpochs };
}

function recordAt(
  batch: Buffer,
  timestamp: bigint,
  fromOffset: bigint,
): TimestampedOffset | undefined {
  const header = batch.subarray(0, BATCH_HEADER_BYTES);
  return findByTimestamp(header, batch.subarray(BATCH_HEADER_BYTES), timestamp, fromOffset);
}
