/** What a worker makes of the error codes in brokers' answers. */
import { KafkaErrorCode, kafkaErrorName } from '../../kafka/index.ts';
import { workerError } from '../errors.ts';

/** The partition is elsewhere, or nowhere, for now. */
export const ELSEWHERE: ReadonlySet<number> = new Set([
  KafkaErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
  KafkaErrorCode.LEADER_NOT_AVAILABLE,
  KafkaErrorCode.NOT_LEADER_OR_FOLLOWER,
  KafkaErrorCode.REPLICA_NOT_AVAILABLE,
  KafkaErrorCode.KAFKA_STORAGE_ERROR,
  KafkaErrorCode.FENCED_LEADER_EPOCH,
  KafkaErrorCode.UNKNOWN_LEADER_EPOCH,
  KafkaErrorCode.OFFSET_NOT_AVAILABLE,
  KafkaErrorCode.UNKNOWN_TOPIC_ID,
  KafkaErrorCode.INCONSISTENT_TOPIC_ID,
]);
export const DENIED: ReadonlySet<number> = new Set([
  KafkaErrorCode.TOPIC_AUTHORIZATION_FAILED,
  KafkaErrorCode.GROUP_AUTHORIZATION_FAILED,
  KafkaErrorCode.CLUSTER_AUTHORIZATION_FAILED,
]);

/** @returns `WORKER_LOG_DENIED` or `WORKER_LOG_UNREADABLE` */
export function refused(
  { topic, partition }: { readonly topic: string; readonly partition?: number },
  what: string,
  errorCode: number,
): Error {
  const isDenied = DENIED.has(errorCode);
  const reason = kafkaErrorName(errorCode) ?? String(errorCode);
  const name = partition === undefined ? topic : `${topic}-${partition}`;
  const message = `Outrigger's own principal cannot ${what} ${name}: ${reason}.`;
  const code = isDenied ? 'WORKER_LOG_DENIED' : 'WORKER_LOG_UNREADABLE';
  return workerError(code, message, { retriable: true, details: { topic, errorCode } });
}
