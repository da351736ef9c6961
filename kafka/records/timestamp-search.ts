/**
 * Finds offsets by timestamp inside a real batch, as a broker answers ListOffsets: it sees only the
 * placeholder, whose records but the last all have the first one's timestamp (DESIGN §7).
 */

import { BODY_BYTES_MAX, decompress } from './compression.ts';
import { recordsError } from './errors.ts';
import {
  baseOffset,
  baseTimestamp,
  batchAttributes,
  codecOf,
  isLogAppendTime,
  maxTimestamp,
  recordCount,
} from './record-batch.ts';
import { RecordScanner } from './record.ts';

export interface TimestampedOffset {
  readonly offset: bigint;
  /** Milliseconds since 1970. */
  readonly timestamp: bigint;
}

/**
 * As `FileRecords.searchForTimestamp` does within a batch.
 *
 * @param header the batch's 61 bytes, restored
 * @param body the bytes after them
 * @param target the timestamp asked for
 * @param fromOffset records below do not count: the log's start
 * @returns the first record with that timestamp or a later one
 * @throws KAFKA_BATCH_CORRUPT, KAFKA_BATCH_TOO_LARGE if the records cannot be read
 */
export function findByTimestamp(
  header: Buffer,
  body: Buffer,
  target: bigint,
  fromOffset = 0n,
): TimestampedOffset | undefined {
  return findRecord(
    header,
    body,
    ({ offset, timestamp }) => timestamp >= target && offset >= fromOffset,
  );
}

/**
 * As `RecordBatch.offsetOfMaxTimestamp` of Kafka 3.8 and later.
 *
 * @param header the batch's 61 bytes, restored
 * @param body the bytes after them
 * @returns the first record that has the batch's largest timestamp, none in an empty batch
 * @throws KAFKA_BATCH_CORRUPT, KAFKA_BATCH_TOO_LARGE if the records cannot be read
 */
export function findMaxTimestamp(header: Buffer, body: Buffer): TimestampedOffset | undefined {
  const latest = maxTimestamp(header);
  return findRecord(header, body, ({ timestamp }) => timestamp === latest);
}

function findRecord(
  header: Buffer,
  body: Buffer,
  matches: (record: TimestampedOffset) => boolean,
): TimestampedOffset | undefined {
  const attributes = batchAttributes(header);
  const firstOffset = baseOffset(header);
  const firstTimestamp = baseTimestamp(header);
  const stamp = isLogAppendTime(attributes) ? maxTimestamp(header) : undefined;
  const scanner = new RecordScanner(readable(codecOf(attributes), body));
  for (let left = recordCount(header); left > 0; left--) {
    scanner.next();
    const offset = firstOffset + BigInt(scanner.offsetDelta);
    const timestamp = stamp ?? firstTimestamp + BigInt(scanner.timestampDelta);
    if (matches({ offset, timestamp })) return { offset, timestamp };
  }
  return undefined;
}

function readable(codec: number, body: Buffer): Buffer {
  const result = decompress(codec, body, BODY_BYTES_MAX);
  if (result.kind === 'body') return result.body;
  if (result.kind === 'corrupt') throw recordsError('KAFKA_BATCH_CORRUPT', result.reason);
  throw recordsError('KAFKA_BATCH_TOO_LARGE', 'the batch is too large to be searched', {
    details: { compressedBytes: body.length, bytesMax: BODY_BYTES_MAX },
  });
}
