/** The codes of every error that workers raise on purpose; `docs/errors.md` explains each. */
import { OutriggerError, type ErrorContext } from '../kafka/index.ts';

export const WORKER_ERROR_CODES = [
  /** A batch in a broker's log is damaged, or of a message format before v2. */
  'WORKER_BATCH_UNSUPPORTED',
  /** No broker answered at start. */
  'WORKER_BROKER_UNREACHABLE',
  /** A partition's keys or aborted transactions are more than compaction may hold. */
  'WORKER_COMPACTION_TOO_LARGE',
  /** The port of health checks and metrics cannot be had. */
  'WORKER_LISTEN_FAILED',
  /** The brokers do not let Outrigger's own principal do what a job needs. */
  'WORKER_LOG_DENIED',
  /** A broker answered a job's request with an error that it cannot go on with. */
  'WORKER_LOG_UNREADABLE',
  /** An object that a log or a journal refers to is gone from the bucket. */
  'WORKER_OBJECT_MISSING',
  /** A WAL file is damaged, or does not hold what a log says that it holds. */
  'WORKER_OBJECT_CORRUPT',
  /** The cluster does not have the partition, or it has no leader. */
  'WORKER_PARTITION_UNKNOWN',
  /** A placeholder of a version, or signed with a key, that is not known here. */
  'WORKER_PLACEHOLDER_UNKNOWN',
  /** Workers changed a partition each time that it was to be repaired. */
  'WORKER_REPAIR_OVERTAKEN',
  /** No Redis is configured. */
  'WORKER_REDIS_MISSING',
  /** A backfill of a topic that is not diskless. */
  'WORKER_TOPIC_NOT_DISKLESS',
] as const;

export type WorkerErrorCode = (typeof WORKER_ERROR_CODES)[number];

/** @returns an error with one of the workers' own codes */
export function workerError(
  code: WorkerErrorCode,
  message: string,
  context: ErrorContext = {},
): OutriggerError<WorkerErrorCode> {
  return new OutriggerError(code, message, context);
}
