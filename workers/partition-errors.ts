/**
 * Which errors concern one partition only: an object or batch of it that is lost, damaged or too
 * large. They must not keep a job from looking after the others.
 */
import { OutriggerError } from '../kafka/index.ts';

const CODES: ReadonlySet<string> = new Set([
  'KAFKA_BATCH_CORRUPT',
  'KAFKA_BATCH_TOO_LARGE',
  'STORAGE_KEY_INVALID',
  'STORAGE_MERGED_CORRUPT',
  'STORAGE_SEGMENT_CORRUPT',
  'WORKER_BATCH_UNSUPPORTED',
  'WORKER_COMPACTION_TOO_LARGE',
  'WORKER_OBJECT_CORRUPT',
  'WORKER_OBJECT_MISSING',
  'WORKER_PLACEHOLDER_UNKNOWN',
]);

export function concernsPartition(error: unknown): boolean {
  return error instanceof OutriggerError && CODES.has(error.code);
}
