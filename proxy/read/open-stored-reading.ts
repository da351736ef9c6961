/** The parts that read merged files and segments, put together, sharing one memory. */
import type { Logger } from 'pino';
import type { PartitionStates } from '../../coordinator/index.ts';
import type { ByteBudget, Clock } from '../../runtime/index.ts';
import type { ObjectStore } from '../../storage/index.ts';
import { ExtentReader } from './extent-reader.ts';
import { ObjectReader } from './object-reader.ts';
import { PartitionViews } from './partition-views.ts';
import { SegmentReader } from './segment-reader.ts';
import { StoredBatches } from './stored-batches.ts';
import { StoredSource } from './stored-source.ts';

export interface StoredReadingOptions {
  readonly store: Pick<ObjectStore, 'getRange' | 'location'>;
  readonly states: PartitionStates;
  /** Bounds the bytes on their way. */
  readonly loadBudget: ByteBudget;
  /** Of blocks and indexes in memory, together. */
  readonly bytesMax: number;
  readonly clock: Pick<Clock, 'monotonicMs'>;
  readonly log: Logger;
}

export interface StoredReading {
  readonly reader: ObjectReader;
  readonly batches: StoredBatches;
  readonly extents: ExtentReader;
  readonly segments: SegmentReader;
  readonly views: PartitionViews;
  readonly source: StoredSource;
}

/** Of the memory, for the indexes of extents, and for those of segments. */
const INDEX_SHARE = 1 / 8;

/** @returns the parts, ready for the first request */
export function openStoredReading(options: StoredReadingOptions): StoredReading {
  const { store, states, loadBudget, bytesMax, clock, log } = options;
  const indexBytesMax = Math.floor(bytesMax * INDEX_SHARE);
  const reader = new ObjectReader({ store, loadBudget });
  const batches = new StoredBatches(reader, bytesMax - 2 * indexBytesMax);
  const extents = new ExtentReader(reader, batches, indexBytesMax);
  const segments = new SegmentReader(reader, batches, indexBytesMax);
  const views = new PartitionViews({ states, clock, log });
  const source = new StoredSource({ views, extents, segments, batches });
  return { reader, batches, extents, segments, views, source };
}
