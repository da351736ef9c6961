/**
 * AlterPartitionReassignments: moves replicas between brokers, or cancels a move with null
 * replicas (KIP-455).
 */

import { ApiKey } from '../api-keys.ts';
import { message } from '../wire/message.ts';
import type { MessageOf } from '../wire/message.ts';
import { array, bool, int16, int32, nullable, since, string, struct } from '../wire/schema.ts';

export const AlterPartitionReassignmentsRequest = message(
  { apiKey: ApiKey.AlterPartitionReassignments, kind: 'request', versions: [0, 1] },
  {
    timeoutMs: int32(60000),
    allowReplicationFactorChange: since(1, bool(true)),
    topics: array(
      struct({
        name: string(),
        partitions: array(
          struct({
            partitionIndex: int32(),
            replicas: nullable(array(int32())),
          }),
        ),
      }),
    ),
  },
);

export type AlterPartitionReassignmentsRequest = MessageOf<
  typeof AlterPartitionReassignmentsRequest
>;

export const AlterPartitionReassignmentsResponse = message(
  { apiKey: ApiKey.AlterPartitionReassignments, kind: 'response', versions: [0, 1] },
  {
    throttleTimeMs: int32(),
    allowReplicationFactorChange: since(1, bool(true)),
    errorCode: int16(),
    errorMessage: nullable(string()),
    responses: array(
      struct({
        name: string(),
        partitions: array(
          struct({
            partitionIndex: int32(),
            errorCode: int16(),
            errorMessage: nullable(string()),
          }),
        ),
      }),
    ),
  },
);

export type AlterPartitionReassignmentsResponse = MessageOf<
  typeof AlterPartitionReassignmentsResponse
>;
