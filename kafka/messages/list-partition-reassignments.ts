/**
 * ListPartitionReassignments: replica moves that are going on (KIP-455). Null topics ask for all.
 */

import { ApiKey } from '../api-keys.ts';
import { message } from '../wire/message.ts';
import type { MessageOf } from '../wire/message.ts';
import { array, int16, int32, nullable, string, struct } from '../wire/schema.ts';

export const ListPartitionReassignmentsRequest = message(
  { apiKey: ApiKey.ListPartitionReassignments, kind: 'request', versions: [0, 0] },
  {
    timeoutMs: int32(60000),
    topics: nullable(
      array(
        struct({
          name: string(),
          partitionIndexes: array(int32()),
        }),
      ),
    ),
  },
);

export type ListPartitionReassignmentsRequest = MessageOf<typeof ListPartitionReassignmentsRequest>;

export const ListPartitionReassignmentsResponse = message(
  { apiKey: ApiKey.ListPartitionReassignments, kind: 'response', versions: [0, 0] },
  {
    throttleTimeMs: int32(),
    errorCode: int16(),
    errorMessage: nullable(string()),
    topics: array(
      struct({
        name: string(),
        partitions: array(
          struct({
            partitionIndex: int32(),
            replicas: array(int32()),
            addingReplicas: array(int32()),
            removingReplicas: array(int32()),
          }),
        ),
      }),
    ),
  },
);

export type ListPartitionReassignmentsResponse = MessageOf<
  typeof ListPartitionReassignmentsResponse
>;
