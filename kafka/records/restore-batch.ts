/**
 * Turns the bytes that a pointer led to into the batch that the broker would have stored in the
 * placeholder's place. The body is never copied. Promises that only bytes that the pointer names
 * pass `verifyBatch`, and that what `restoreBatch` returns has a right checksum.
 */

import { crc32cOfChunks } from './crc32c.ts';
import { recordsError } from './errors.ts';
import type { Pointer } from './pointer.ts';
import {
  ATTRIBUTE,
  BATCH_FIELD,
  BATCH_HEADER_BYTES,
  baseOffset,
  batchAttributes,
  batchBytes,
  batchCrc,
  computeBatchCrc,
  isLogAppendTime,
  lastOffsetDelta,
  maxTimestamp,
  partitionLeaderEpoch,
  recordCount,
} from './record-batch.ts';

/** A broker that rewrites the attributes drops the bits that it does not know. */
const REWRITTEN_BITS =
  ATTRIBUTE.codecMask | ATTRIBUTE.transactional | ATTRIBUTE.control | ATTRIBUTE.deleteHorizon;

/**
 * @param bytes what was found at the pointer's place, as long as the pointer says
 * @param pointer where it was looked for
 * @throws KAFKA_BATCH_MISMATCH unless length, attributes and checksum are the pointer's and the
 *   checksum is right
 */
export function verifyBatch(bytes: Buffer, pointer: Pointer): void {
  const problem = mismatchOf(bytes, pointer);
  if (problem === undefined) return;
  throw recordsError('KAFKA_BATCH_MISMATCH', `these bytes are not the batch: ${problem}`, {
    details: { ...pointer, fileId: pointer.fileId.toString(16) },
  });
}

/**
 * Patches what the broker assigned: base offset and leader epoch, and, where they differ, the
 * timestamp type and `maxTimestamp` (LogAppendTime topics, and clients whose header had a wrong
 * maximum), which the checksum covers.
 *
 * @param realBatch the batch as it was produced, verified
 * @param placeholder the placeholder as the broker returned it
 * @returns the batch in two chunks: a new header, and a view of the rest
 */
export function restoreBatch(realBatch: Buffer, placeholder: Buffer): [Buffer, Buffer] {
  const header = Buffer.allocUnsafe(BATCH_HEADER_BYTES);
  realBatch.copy(header, 0, 0, BATCH_HEADER_BYTES);
  const body = realBatch.subarray(BATCH_HEADER_BYTES);
  header.writeBigInt64BE(baseOffset(placeholder), BATCH_FIELD.baseOffset);
  header.writeInt32BE(partitionLeaderEpoch(placeholder), BATCH_FIELD.partitionLeaderEpoch);
  if (patchTimestamps(header, placeholder)) {
    const covered = [header.subarray(BATCH_FIELD.attributes), body];
    header.writeUInt32BE(crc32cOfChunks(covered), BATCH_FIELD.crc);
  }
  return [header, body];
}

/** @returns whether anything that the checksum covers was changed */
function patchTimestamps(header: Buffer, placeholder: Buffer): boolean {
  const attributes = batchAttributes(header);
  const stampedByBroker = isLogAppendTime(batchAttributes(placeholder));
  if (!stampedByBroker && !isComplete(placeholder)) return false;
  const sameType = stampedByBroker === isLogAppendTime(attributes);
  const latest = maxTimestamp(placeholder);
  if (sameType && latest === maxTimestamp(header)) return false;
  const otherBits = attributes & REWRITTEN_BITS;
  const typeBit = stampedByBroker ? ATTRIBUTE.logAppendTime : 0;
  header.writeUInt16BE(otherBits | typeBit, BATCH_FIELD.attributes);
  header.writeBigInt64BE(latest, BATCH_FIELD.maxTimestamp);
  return true;
}

/**
 * Compaction takes records out of a placeholder and lowers its `maxTimestamp`, but not the real
 * one's.
 */
function isComplete(placeholder: Buffer): boolean {
  return recordCount(placeholder) === lastOffsetDelta(placeholder) + 1;
}

function mismatchOf(bytes: Buffer, pointer: Pointer): string | undefined {
  if (bytes.length !== pointer.length || bytes.length < BATCH_HEADER_BYTES) return 'length';
  if (batchBytes(bytes) !== bytes.length) return 'length in the header';
  if (batchAttributes(bytes) !== pointer.attributes) return 'attributes';
  if (batchCrc(bytes) !== pointer.crc) return 'checksum in the header';
  return computeBatchCrc(bytes, 0, bytes.length) === pointer.crc ? undefined : 'checksum';
}
