import {
  BATCH_FIELD,
  BATCH_HEADER_BYTES,
  BATCH_LENGTH_OVERHEAD_BYTES,
  crc32c,
  MAGIC_V2,
} from '../../../kafka/index.ts';

/**
 * @returns a record batch as a producer without an id sends it: one record without key and value
 */
export function oneRecordBatch(): Buffer {
  const records = Buffer.from('0c000000010100', 'hex');
  const batch = Buffer.alloc(BATCH_HEADER_BYTES + records.length);
  records.copy(batch, BATCH_HEADER_BYTES);
  batch.writeInt32BE(batch.length - BATCH_LENGTH_OVERHEAD_BYTES, BATCH_FIELD.length);
  batch.writeInt8(MAGIC_V2, BATCH_FIELD.magic);
  batch.writeBigInt64BE(1_700_000_000_000n, BATCH_FIELD.baseTimestamp);
  batch.writeBigInt64BE(1_700_000_000_000n, BATCH_FIELD.maxTimestamp);
  batch.writeBigInt64BE(-1n, BATCH_FIELD.producerId);
  batch.writeInt16BE(-1, BATCH_FIELD.producerEpoch);
  batch.writeInt32BE(-1, BATCH_FIELD.baseSequence);
  batch.writeInt32BE(1, BATCH_FIELD.recordCount);
  batch.writeUInt32BE(crc32c(batch.subarray(BATCH_FIELD.attributes)), BATCH_FIELD.crc);
  return batch;
}
