/**
 * DescribeTopicPartitions: partitions of topics in pages (KIP-966), in Kafka 3.8 and later.
 */

import { ApiKey } from '../api-keys.ts';
import { message } from '../wire/message.ts';
import type { MessageOf } from '../wire/message.ts';
import { array, bool, int16, int32, nullable, string, struct, uuid } from '../wire/schema.ts';

export const DescribeTopicPartitionsRequest = message(
  { apiKey: ApiKey.DescribeTopicPartitions, kind: 'request', versions: [0, 0] },
  {
    topics: array(
      struct({
        name: string(),
      }),
    ),
    responsePartitionLimit: int32(2000),
    cursor: nullable(
      struct({
        topicName: string(),
        partitionIndex: int32(),
      }),
    ),
  },
);

export type DescribeTopicPartitionsRequest = MessageOf<typeof DescribeTopicPartitionsRequest>;

export const DescribeTopicPartitionsResponse = message(
  { apiKey: ApiKey.DescribeTopicPartitions, kind: 'response', versions: [0, 0] },
  {
    throttleTimeMs: int32(),
    topics: array(
      struct({
        errorCode: int16(),
        name: nullable(string()),
        topicId: uuid(),
        isInternal: bool(false),
        partitions: array(
          struct({
            errorCode: int16(),
            partitionIndex: int32(),
            leaderId: int32(),
            leaderEpoch: int32(-1),
            replicaNodes: array(int32()),
            isrNodes: array(int32()),
            eligibleLeaderReplicas: nullable(array(int32())),
            lastKnownElr: nullable(array(int32())),
            offlineReplicas: array(int32()),
          }),
        ),
        topicAuthorizedOperations: int32(-0x8000_0000),
      }),
    ),
    nextCursor: nullable(
      struct({
        topicName: string(),
        partitionIndex: int32(),
      }),
    ),
  },
);

export type DescribeTopicPartitionsResponse = MessageOf<typeof DescribeTopicPartitionsResponse>;
