/** The coordinator package's public face: the state that proxies and workers share. */
export * from './coordinator.ts';
export * from './errors.ts';
export * from './member-id.ts';
export type { RedisAddress, RedisEndpoint } from './redis/endpoint.ts';
export * from './partition-states.ts';
export * from './redis/queue-connection.ts';
export * from './redis-coordinator.ts';
export * from './redis-worker-coordinator.ts';
export {
  settledRange,
  StoreSettledRangeClaims,
  type SettledRangeClaims,
} from './settled-ranges.ts';
export * from './solo-coordinator.ts';
export type { TopicSource } from './topic-copy.ts';
export * from './tuning.ts';
export type * from './worker-coordinator.ts';
