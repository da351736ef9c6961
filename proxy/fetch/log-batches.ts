/** What the broker sent of one partition, batch by batch: real batches, and placeholders of others. */
import {
  batchMagic,
  completeBatchBytes,
  completeBatches,
  MAGIC_V2,
  readPlaceholder,
  recordCount,
  type KeyRing,
  type Pointer,
  type UnknownPointer,
} from '../../kafka/index.ts';

/** A batch of the broker's log. */
export interface LogBatch {
  /** As the broker sent it, a view. */
  readonly bytes: Buffer;
  /** Where the real batch is; null if this is it. */
  readonly pointer: Pointer | null;
  /** Set if it is a placeholder that only a newer Outrigger, or one with another key, can read. */
  readonly unknown: UnknownPointer | null;
  /** What the consumer gets for it, in bytes. */
  readonly realBytes: number;
  /** How many records it has; a message of the oldest formats counts as one. */
  readonly records: number;
}

/** Where a records field comes from. */
export interface LogPosition {
  readonly topic: string;
  readonly partition: number;
  /** Whether the broker may have compressed placeholders anew: it may on topics that we know. */
  readonly deep: boolean;
}

/**
 * @param records the records field of a fetch response; a partial batch at its end is left out
 * @param keyRing by which placeholders are known
 * @returns its batches, or null if none of them is a placeholder: the usual case, without objects
 */
export function readLogBatches(
  records: Buffer,
  position: LogPosition,
  keyRing: KeyRing,
): LogBatch[] | null {
  const batches: LogBatch[] = [];
  let placeholders = 0;
  let at = 0;
  for (;;) {
    const size = completeBatchBytes(records, at);
    if (size === 0) break;
    const reading = readPlaceholder({ buf: records, at, keyRing, ...position });
    if (reading.kind !== 'real') {
      if (placeholders === 0) addReal(batches, records, at);
      placeholders += 1;
    }
    if (placeholders > 0) {
      const bytes = records.subarray(at, at + size);
      const pointer = reading.kind === 'placeholder' ? reading.pointer : null;
      const unknown = reading.kind === 'unknown' ? reading : null;
      const real = realBatch(bytes);
      batches.push({ ...real, pointer, unknown, realBytes: pointer?.length ?? size });
    }
    at += size;
  }
  return placeholders === 0 ? null : batches;
}

/** Adds the real batches before `end`, passed over while there was no placeholder. */
function addReal(batches: LogBatch[], records: Buffer, end: number): void {
  for (const bytes of completeBatches(records.subarray(0, end))) batches.push(realBatch(bytes));
}

/** @param bytes a batch that is no placeholder */
export function realBatch(bytes: Buffer): LogBatch {
  const records = batchMagic(bytes) < MAGIC_V2 ? 1 : recordCount(bytes);
  return { bytes, pointer: null, unknown: null, realBytes: bytes.length, records };
}
