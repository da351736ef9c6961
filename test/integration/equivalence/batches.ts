/** Batches as good and bad clients send them. */
import { randomBytes } from 'node:crypto';
import {
  BATCH_FIELD,
  buildRecordBatch,
  CODEC,
  computeBatchCrc,
  type KafkaRecord,
  type RecordBatchHeader,
} from '../../../kafka/index.ts';

const RECORDS = 3;
/** Large enough for a placeholder to be worth it. */
const VALUE_BYTES = 600;

/** When the records were made, ms: now, so that no topic finds them too old. */
export const MADE_AT = BigInt(Date.now());

const RECORD: readonly Partial<KafkaRecord>[] = Array.from({ length: RECORDS }, (_, index) => ({
  key: Buffer.from(`key ${index}`),
  value: randomBytes(VALUE_BYTES),
  timestampDelta: index * 10,
  headers: [{ key: Buffer.from('h'), value: index === 0 ? null : Buffer.from('x') }],
}));

/** @returns a batch of three records, right but for what is given */
export function goodBatch(
  header: RecordBatchHeader = {},
  record: Partial<KafkaRecord> = {},
): Buffer {
  const records = RECORD.map((one) => ({ ...one, ...record }));
  return buildRecordBatch({ baseTimestamp: MADE_AT, ...header }, records);
}

/** @returns a batch whose header says something else than its records, with a right checksum */
export function alteredBatch(alter: (batch: Buffer) => void, header?: RecordBatchHeader): Buffer {
  const batch = goodBatch(header);
  alter(batch);
  batch.writeUInt32BE(computeBatchCrc(batch, 0, batch.length), BATCH_FIELD.crc);
  return batch;
}

/** @returns a batch with bytes that its checksum does not fit */
export function damagedBatch(): Buffer {
  const batch = goodBatch();
  batch.writeUInt8(batch.readUInt8(batch.length - 1) ^ 1, batch.length - 1);
  return batch;
}

/** @returns batches in each codec */
export function compressedBatches(): Buffer[] {
  return Object.values(CODEC).map((codec) => goodBatch({ codec }));
}

export function batchOfValue(bytes: number, header: RecordBatchHeader = {}): Buffer {
  const record = { key: Buffer.from('k'), value: randomBytes(bytes) };
  return buildRecordBatch({ baseTimestamp: MADE_AT, ...header }, [record]);
}
