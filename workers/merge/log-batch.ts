/**
 * A batch of a partition's log on its way into a merged file: what the broker has of it, and where
 * its bytes are. Pure.
 */
import {
  BATCH_HEADER_BYTES,
  baseOffset,
  batchBytes,
  batchCrc,
  batchMagic,
  computeBatchCrc,
  lastOffset,
  MAGIC_V2,
  readPlaceholder,
  type KeyRing,
  type OutriggerError,
  type Pointer,
} from '../../kafka/index.ts';
import type { LogBatch } from '../../storage/index.ts';
import { workerError } from '../errors.ts';
import type { LogPartition } from '../log/cluster-log.ts';

export type BatchBytes =
  /** The log has the batch itself. */
  | { readonly kind: 'real'; readonly batch: Buffer }
  /** A WAL file has it; `header` is the placeholder's, with what the broker assigned. */
  | { readonly kind: 'wal'; readonly pointer: Pointer; readonly header: Buffer };

export interface MergeBatch extends LogBatch {
  /** Of the batch as consumers get it. */
  readonly length: number;
  readonly bytes: BatchBytes;
}

export type LogBatchReading =
  | { readonly kind: 'batch'; readonly batch: MergeBatch }
  /** It cannot be merged. */
  | { readonly kind: 'unknown'; readonly error: OutriggerError };

/**
 * @param bytes one whole batch of the log
 * @param id whose log it is
 */
export function readLogBatch(bytes: Buffer, id: LogPartition, keyRing: KeyRing): LogBatchReading {
  const { topic, partition } = id;
  const reading = readPlaceholder({ buf: bytes, at: 0, topic, partition, keyRing, deep: true });
  if (reading.kind === 'unknown') {
    const message = 'A placeholder has a version or key that this worker does not know.';
    return unknown('WORKER_PLACEHOLDER_UNKNOWN', message, bytes, id);
  }
  const offsets = { baseOffset: baseOffset(bytes), lastOffset: lastOffset(bytes) };
  if (reading.kind === 'placeholder') {
    const { pointer } = reading;
    const { fileId, position, crc, length } = pointer;
    const origin = { kind: 'wal', fileId, position, crc } as const;
    // A copy, or the whole answer of the broker would stay in memory for it.
    const header = Buffer.from(bytes.subarray(0, BATCH_HEADER_BYTES));
    const batch = { ...offsets, origin, length, bytes: { kind: 'wal', pointer, header } } as const;
    return { kind: 'batch', batch };
  }
  if (!isSoundV2(bytes)) {
    const message = 'A batch of a log is damaged, or has a format older than 0.11.';
    return unknown('WORKER_BATCH_UNSUPPORTED', message, bytes, id);
  }
  const origin = { kind: 'real', crc: batchCrc(bytes) } as const;
  const batch = { kind: 'real', batch: bytes } as const;
  return { kind: 'batch', batch: { ...offsets, origin, length: bytes.length, bytes: batch } };
}

function isSoundV2(bytes: Buffer): boolean {
  if (batchMagic(bytes) !== MAGIC_V2 || batchBytes(bytes) !== bytes.length) return false;
  return computeBatchCrc(bytes, 0, bytes.length) === batchCrc(bytes);
}

function unknown(
  code: 'WORKER_PLACEHOLDER_UNKNOWN' | 'WORKER_BATCH_UNSUPPORTED',
  message: string,
  bytes: Buffer,
  { topic, partition }: LogPartition,
): LogBatchReading {
  const details = { topic, partition, offset: baseOffset(bytes) };
  return { kind: 'unknown', error: workerError(code, message, { details }) };
}
