/**
 * What the broker sent of one partition, batch by batch: real batches, and placeholders of others.
 */
import {
  baseOffset,
  batchMagic,
  completeBatchBytes,
  hasCode,
  MAGIC_V2,
  readPlaceholder,
  recordCount,
  type KeyRing,
  type UnknownPointer,
} from '../../kafka/index.ts';
import type { BatchRequest } from '../read/batch-source.ts';

/** A batch of a partition's log, the broker's or one in segments. */
export interface LogBatch {
  /** As the log has it, a view. */
  readonly bytes: Buffer;
  /** Where the real batch is; null if this is it. */
  readonly wanted: BatchRequest | null;
  /** Set if it is a placeholder that is not known enough here to be filled. */
  readonly unknown: UnknownPointer | null;
  /** Set if it is known that it cannot be had. */
  readonly failure: Error | null;
  /** Whether the bytes are a view of a cache, which an answer must not hold on to. */
  readonly isShared: boolean;
  /** What the consumer gets for it, in bytes. */
  readonly realBytes: number;
  /** How many records it has; a message of the oldest formats counts as one. */
  readonly records: number;
}

/** Where a records field comes from. */
export interface LogPosition {
  /** Null if its name is not known; a placeholder is then an unknown one. */
  readonly topic: string | null;
  /** Null if it is not known: then merged files cannot be searched. */
  readonly topicId: string | null;
  readonly partition: number;
  /** Whether the broker may have compressed placeholders anew: it may on topics that we know. */
  readonly deep: boolean;
}

/**
 * Runs on every answer: it makes no objects, and stops at the first placeholder.
 *
 * @param records the records field of a fetch response
 * @param keyRing by which placeholders are known
 */
export function hasPlaceholder(records: Buffer, position: LogPosition, keyRing: KeyRing): boolean {
  let size = 0;
  for (let at = 0; (size = batchBytesAt(records, at)) > 0; at += size) {
    if (readPlaceholder({ buf: records, at, keyRing, ...position }).kind !== 'real') return true;
  }
  return false;
}

/**
 * @param records the records field of a fetch response; a partial batch at its end is left out
 * @param keyRing by which placeholders are known
 */
export function* readLogBatches(
  records: Buffer,
  position: LogPosition,
  keyRing: KeyRing,
): Generator<LogBatch> {
  const { topic, topicId, partition } = position;
  let size = 0;
  for (let at = 0; (size = batchBytesAt(records, at)) > 0; at += size) {
    const reading = readPlaceholder({ buf: records, at, keyRing, ...position });
    const bytes = records.subarray(at, at + size);
    const known = { wanted: null, unknown: null, failure: null, isShared: false };
    const batch = { ...known, bytes, realBytes: size, records: 1 };
    if (batchMagic(bytes) === MAGIC_V2) batch.records = recordCount(bytes);
    if (reading.kind === 'unknown') {
      yield { ...batch, unknown: reading };
    } else if (reading.kind === 'placeholder' && topic !== null) {
      const { pointer } = reading;
      const offset = baseOffset(bytes);
      const wanted = { topic, topicId, partition, pointer, offset, placeholder: bytes };
      yield { ...batch, wanted, realBytes: pointer.length };
    } else {
      yield batch;
    }
  }
}

/**
 * As `completeBatchBytes`, but bytes that cannot be a batch count as one, to the end: they are for
 * the consumer to complain about, who would not see what is wrong if they were left out.
 */
function batchBytesAt(records: Buffer, at: number): number {
  try {
    return completeBatchBytes(records, at);
  } catch (error) {
    if (!hasCode(error, 'KAFKA_BATCH_CORRUPT')) throw error;
    return records.length - at;
  }
}
