/**
 * Metadata: brokers, and the partitions of topics with their leaders. A request for null topics
 * asks for all of them; from v1 on an empty list asks for none.
 */

import { ApiKey } from '../api-keys.ts';
import { message } from '../wire/message.ts';
import type { MessageOf } from '../wire/message.ts';
import {
  array,
  between,
  bool,
  int16,
  int32,
  nullable,
  since,
  string,
  struct,
  uuid,
} from '../wire/schema.ts';

export const MetadataRequest = message(
  { apiKey: ApiKey.Metadata, kind: 'request', versions: [0, 13] },
  {
    topics: nullable(
      array(
        struct({
          topicId: since(10, uuid()),
          name: nullable(string(), 10),
        }),
      ),
      1,
    ),
    allowAutoTopicCreation: since(4, bool(true)),
    includeClusterAuthorizedOperations: between(8, 10, bool()),
    includeTopicAuthorizedOperations: since(8, bool()),
  },
);

export type MetadataRequest = MessageOf<typeof MetadataRequest>;

export const MetadataResponse = message(
  { apiKey: ApiKey.Metadata, kind: 'response', versions: [0, 13] },
  {
    throttleTimeMs: since(3, int32()),
    brokers: array(
      struct({
        nodeId: int32(),
        host: string(),
        port: int32(),
        rack: since(1, nullable(string())),
      }),
    ),
    clusterId: since(2, nullable(string())),
    controllerId: since(1, int32(-1)),
    topics: array(
      struct({
        errorCode: int16(),
        name: nullable(string(), 12),
        topicId: since(10, uuid()),
        isInternal: since(1, bool(false)),
        partitions: array(
          struct({
            errorCode: int16(),
            partitionIndex: int32(),
            leaderId: int32(),
            leaderEpoch: since(7, int32(-1)),
            replicaNodes: array(int32()),
            isrNodes: array(int32()),
            offlineReplicas: since(5, array(int32())),
          }),
        ),
        topicAuthorizedOperations: since(8, int32(-0x8000_0000)),
      }),
    ),
    clusterAuthorizedOperations: between(8, 10, int32(-0x8000_0000)),
    errorCode: since(13, int16()),
  },
);

export type MetadataResponse = MessageOf<typeof MetadataResponse>;
