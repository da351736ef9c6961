/** One partition whose batches were produced through members, then merged by workers. */
import type { PartitionView } from '../../../../coordinator/index.ts';
import {
  BATCH_FIELD,
  batchCrc,
  buildPlaceholder,
  buildRecordBatch,
  KeyRing,
  lastOffset,
  maxTimestamp,
  restoreBatch,
  type RecordBatchHeader,
} from '../../../../kafka/index.ts';
import { walKey } from '../../../../storage/index.ts';
import type { BatchRequest } from '../../../../proxy/read/batch-source.ts';
import { idOf } from '../../../support/fake-catalog.ts';
import { emptyView, type MergedBatch } from '../../../support/stored-log-objects.ts';
import { ReadHarness, TAIL_AGE_MS_MAX, type HarnessOptions } from './read-harness.ts';

const KEY_RING = new KeyRing({ id: 1, secret: Buffer.alloc(32, 'secret') });
export const NAME = { topic: 'orders', topicId: idOf('orders'), partition: 0 };
export const LEADER_EPOCH = 3;
export const OLD_MS = 2 * TAIL_AGE_MS_MAX;
const RECORDS = 10;

export interface Produced {
  readonly request: BatchRequest;
  /** As it lies in the WAL file. */
  readonly produced: Buffer;
  /** As consumers get it. */
  readonly final: Buffer;
  readonly merged: MergedBatch;
}

export class StoredHarness extends ReadHarness {
  nextOffset = 0n;

  constructor(options: HarnessOptions = {}) {
    super({ loadBytesMax: 64 * 1024 * 1024, laggingBytesMax: 8 * 1024 * 1024, ...options });
  }

  /** @returns batches of one WAL file that is that old, each with a placeholder in the log */
  produce(
    count: number,
    ageMs = OLD_MS,
    valueBytes = 20,
    header: RecordBatchHeader = {},
  ): Produced[] {
    const batches = Array.from({ length: count }, (_, index) => {
      const value = Buffer.alloc(valueBytes, `${this.nextOffset}/${index} `);
      const records = Array.from({ length: RECORDS }, () => ({ value }));
      return buildRecordBatch({ baseTimestamp: BigInt(this.clock.wallMs()), ...header }, records);
    });
    const { topic, partition } = NAME;
    const files = this.storeFile(
      batches.map((bytes) => ({ topic, partition, bytes })),
      ageMs,
    );
    return batches.map((realBatch, index) => {
      const stored = files[index];
      if (stored === undefined) throw new TypeError('it was stored');
      return this.#appended(realBatch, stored);
    });
  }

  /** @returns a view of what is merged up to now, besides what the test says */
  view(changes: Partial<PartitionView>): PartitionView {
    return { ...emptyView(NAME), cursor: this.nextOffset, ...changes };
  }

  deleteWalFiles(): void {
    for (const key of this.store.objects.keys()) {
      if (key.startsWith('wal/')) this.store.objects.delete(key);
    }
  }

  /** The kinds of objects that were read. */
  get readFrom(): readonly string[] {
    return [...new Set(this.store.gets.map((key) => key.split('/')[0] ?? ''))];
  }

  #appended(realBatch: Buffer, { pointer }: BatchRequest): Produced {
    const { topic, partition } = NAME;
    const { fileId, position } = pointer;
    const where = { fileId, position, topic, partition, keyRing: KEY_RING, zstd: true };
    const placeholder = buildPlaceholder({
      realBatch,
      maxTimestamp: maxTimestamp(realBatch),
      ...where,
    });
    const offset = this.nextOffset;
    placeholder.writeBigInt64BE(offset, BATCH_FIELD.baseOffset);
    placeholder.writeInt32BE(LEADER_EPOCH, BATCH_FIELD.partitionLeaderEpoch);
    this.nextOffset = lastOffset(placeholder) + 1n;
    const final = Buffer.concat(restoreBatch(realBatch, placeholder));
    const origin = { kind: 'wal', fileId, position, crc: batchCrc(realBatch) } as const;
    const request = { ...NAME, pointer, offset, placeholder };
    return { request, produced: realBatch, final, merged: { bytes: final, origin } };
  }
}

/** @returns the key of the batch's WAL file */
export function walKeyOf({ request }: Produced): string {
  return walKey(request.pointer.fileId);
}
