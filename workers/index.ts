/** The package's public face: the worker process, and what commands do to a bucket. */
export * from './errors.ts';
export * from './worker-options.ts';
export * from './worker.ts';
export * from './backfill/backfill.ts';
export type { ClusterLog } from './log/cluster-log.ts';
export { KafkaClusterLog } from './log/kafka-cluster-log.ts';
export * from './rebuild/rebuild.ts';
export * from './repair/repair.ts';
export type { GivenUp, Repaired } from './repair/tally.ts';
export type { Finding, FindingKind, Severity, Unchecked } from './verify/finding.ts';
export * from './verify/verify.ts';
