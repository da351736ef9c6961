/**
 * Real batches from merged files and segments, for placeholders that the broker still has. After
 * an unclean election offsets mean other records, so what is stored under an offset is believed
 * only if it fits the placeholder (DESIGN §7); what does not fit is as good as absent.
 */
import {
  baseOffset,
  baseSequence,
  batchCrc,
  emptyBatchOf,
  lastOffset,
  maxTimestamp,
  partitionLeaderEpoch,
  producerEpoch,
  producerId,
  recordCount,
} from '../../kafka/index.ts';
import { fitsLog, type BatchOrigin } from '../../storage/index.ts';
import type { BatchRequest, BatchSource, SourceOutcome } from './batch-source.ts';
import type { ExtentReader } from './extent-reader.ts';
import { ABSENT, complete, type Lookup } from './lookup.ts';
import type { PartitionViews } from './partition-views.ts';
import type { SegmentReader } from './segment-reader.ts';
import type { StoredBatches } from './stored-batches.ts';
import {
  extentAt,
  segmentsFrom,
  type ExtentPiece,
  type SegmentPiece,
  type StoredPartition,
} from './stored-partition.ts';

export interface StoredSourceOptions {
  readonly views: Pick<PartitionViews, 'peek' | 'get' | 'refresh'>;
  readonly extents: ExtentReader;
  readonly segments: SegmentReader;
  readonly batches: Pick<StoredBatches, 'giveBack'>;
}

export class StoredSource implements BatchSource {
  readonly #options: StoredSourceOptions;

  constructor(options: StoredSourceOptions) {
    this.#options = options;
  }

  peek(request: BatchRequest): Buffer | undefined {
    const { topicId, partition } = request;
    if (topicId === null) return undefined;
    const known = this.#options.views.peek({ topicId, partition });
    if (known === undefined || known === null) return undefined;
    const lookup = this.#look(known, request);
    return lookup.kind === 'found' ? lookup.value : undefined;
  }

  /** Goes by what is known of the partition, which may lead to bytes that are gone by now. */
  async fetch(request: BatchRequest): Promise<SourceOutcome> {
    const { topicId, partition } = request;
    if (topicId === null) return ABSENT;
    return await this.#find(await this.#options.views.get({ topicId, partition }), request);
  }

  /** Goes by what the journals say now. */
  async fetchAnew(request: BatchRequest): Promise<SourceOutcome> {
    const { topicId, partition } = request;
    if (topicId === null) return ABSENT;
    return await this.#find(await this.#options.views.refresh({ topicId, partition }), request);
  }

  /** See `BatchResolver.giveBack`. */
  giveBack(batch: Buffer): void {
    this.#options.batches.giveBack(batch);
  }

  async #find(partition: StoredPartition | null, request: BatchRequest): Promise<SourceOutcome> {
    if (partition === null) return ABSENT;
    const settled = await complete(() => this.#look(partition, request));
    if (settled.kind === 'found') return { kind: 'found', batch: settled.value };
    return settled.kind === 'corrupt' ? settled : ABSENT;
  }

  #look(partition: StoredPartition, request: BatchRequest): Lookup<Buffer> {
    const { offset } = request;
    if (offset >= partition.view.cursor) return ABSENT;
    const extent = extentAt(partition, offset);
    if (extent !== undefined) return this.#inExtent(extent, request);
    const [segment] = segmentsFrom(partition, offset);
    return segment === undefined ? ABSENT : this.#inSegment(partition, segment, request);
  }

  #inExtent(piece: ExtentPiece, { pointer, offset, placeholder }: BatchRequest): Lookup<Buffer> {
    const row = this.#options.extents.rowAt(piece, offset);
    if (row.kind !== 'found') return row;
    const origin: BatchOrigin = { ...pointer, kind: 'wal' };
    const inLog = { baseOffset: offset, lastOffset: lastOffset(placeholder), origin };
    return fitsLog(row.value, inLog) ? this.#options.extents.batchOf(piece, row.value) : ABSENT;
  }

  /** A batch that compaction took away is served without records, as a broker keeps some. */
  #inSegment(
    { view }: StoredPartition,
    piece: SegmentPiece,
    request: BatchRequest,
  ): Lookup<Buffer> {
    const { offset, placeholder } = request;
    const found = this.#options.segments.batchAt(piece, offset);
    const isCompacted = offset < (view.cleanedTo ?? 0n);
    const isGap =
      found.kind === 'absent' ||
      (found.kind === 'found' && baseOffset(found.value.batch) > lastOffset(placeholder));
    if (isGap) return isCompacted ? { kind: 'found', value: emptyBatchOf(placeholder) } : ABSENT;
    if (found.kind !== 'found') return found;
    const { batch } = found.value;
    return fits(batch, request, isCompacted) ? { kind: 'found', value: batch } : ABSENT;
  }
}

/**
 * A log has one batch at an offset in a leader epoch. Its bytes may differ from those that were
 * produced where a broker or a worker changed what the checksum covers: timestamps, or records that
 * were compacted away.
 */
function fits(
  batch: Buffer,
  { placeholder, pointer }: BatchRequest,
  isCompacted: boolean,
): boolean {
  const isInPlace =
    baseOffset(batch) === baseOffset(placeholder) &&
    lastOffset(batch) === lastOffset(placeholder) &&
    partitionLeaderEpoch(batch) === partitionLeaderEpoch(placeholder) &&
    producerId(batch) === producerId(placeholder) &&
    producerEpoch(batch) === producerEpoch(placeholder) &&
    baseSequence(batch) === baseSequence(placeholder);
  if (!isInPlace) return false;
  if (batchCrc(batch) === pointer.crc || isCompacted || recordCount(batch) === 0) return true;
  return maxTimestamp(batch) === maxTimestamp(placeholder);
}
