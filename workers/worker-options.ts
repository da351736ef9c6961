/** What a worker is told at start; where the values come from is the command's business. */
import type { RedisEndpoint } from '../coordinator/index.ts';
import type { Endpoint, KafkaSecurity } from '../kafka/index.ts';
import type { StoreOptions } from '../storage/index.ts';

export interface WorkerOptions {
  readonly kafka: KafkaSecurity & {
    readonly bootstrap: readonly Endpoint[];
    /** For one connection, and for the cluster at start. */
    readonly connectTimeoutMs: number;
  };
  readonly redis: RedisEndpoint;
  readonly store: StoreOptions;
  /** Of health checks and metrics; null: none. */
  readonly http: { readonly host: string; readonly port: number } | null;
  /** Partition groups, if the bucket does not say yet. */
  readonly groupCount: number;
  readonly memoryBytesMax: number;
  /** To and from the object store; null: no limit. */
  readonly bandwidthBytesPerSecond: number | null;
  /** How long jobs under way may take to come to an end. */
  readonly drainTimeoutMs: number;
  readonly jobs: JobOptions;
}

/** The intervals, thresholds and rates of jobs. Times in milliseconds. */
export interface JobOptions {
  readonly merge: { readonly intervalMs: number; readonly fileBytes: number };
  readonly consolidate: {
    readonly intervalMs: number;
    /** Above any topic's `segment.bytes` that is larger. */
    readonly segmentBytesMax: number;
    /** What is read from the brokers to backfill a topic; null: no limit. */
    readonly backfillBytesPerSecond: number | null;
  };
  readonly trim: { readonly intervalMs: number; readonly keepMs: number };
  readonly retain: {
    readonly intervalMs: number;
    readonly livePercentMin: number;
    readonly rewriteMs: number;
  };
  readonly compact: { readonly intervalMs: number; readonly mapBytes: number };
  readonly sweep: {
    readonly intervalMs: number;
    readonly marginMs: number;
    readonly unsettledMs: number;
    /** Of journal entries that snapshots have. */
    readonly journalRetentionMs: number;
    /** Of all topics may be missing at once. */
    readonly vanishedPercentMax: number;
  };
}
