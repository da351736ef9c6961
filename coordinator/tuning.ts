/** The coordinator's times and limits. */

/** What keys in Redis begin with. */
export const REDIS_NAMESPACE = 'outrigger';

/** What may be tuned; tests make it fast. */
export interface CoordinatorTuning {
  readonly heartbeatMs: number;
  /** A member that was not heard for so long is dead. At least three heartbeats. */
  readonly memberExpiryMs: number;
  /** The most that one command, or opening a connection, may take. */
  readonly commandTimeoutMs: number;
  /** How long a read of the change stream waits; a lost stream is noticed as fast. */
  readonly changesBlockMs: number;
  /** How long the start waits for Redis, and for the topics. */
  readonly startTimeoutMs: number;
  readonly topicLeaseMs: number;
  /** A worker that was not heard for so long has lost its leases and counts as dead. */
  readonly workerLeaseMs: number;
  /** How long the copy of the topics in Redis is trusted. */
  readonly topicsValidMs: number;
  readonly filesBufferedMax: number;
  readonly fileBytesBufferedMax: number;
  readonly topicsBufferedMax: number;
  /** The most files that Redis keeps: 1 KB each with 100 partitions, 6 KB with 1,000 (measured). */
  readonly filesKeptMax: number;
}

export const DEFAULT_TUNING: CoordinatorTuning = {
  heartbeatMs: 2_000,
  memberExpiryMs: 10_000,
  commandTimeoutMs: 2_000,
  changesBlockMs: 2_000,
  startTimeoutMs: 5_000,
  topicLeaseMs: 60_000,
  workerLeaseMs: 15_000,
  topicsValidMs: 3_600_000,
  filesBufferedMax: 20_000,
  fileBytesBufferedMax: 64 * 1024 * 1024,
  topicsBufferedMax: 10_000,
  filesKeptMax: 1_000_000,
};
