/**
 * DescribeCluster: brokers and controller of the cluster (KIP-700).
 */

import { ApiKey } from '../api-keys.ts';
import { message } from '../wire/message.ts';
import type { MessageOf } from '../wire/message.ts';
import {
  array,
  bool,
  int16,
  int32,
  int8,
  nullable,
  since,
  string,
  struct,
} from '../wire/schema.ts';

export const DescribeClusterRequest = message(
  { apiKey: ApiKey.DescribeCluster, kind: 'request', versions: [0, 2] },
  {
    includeClusterAuthorizedOperations: bool(),
    endpointType: since(1, int8(1)),
    includeFencedBrokers: since(2, bool()),
  },
);

export type DescribeClusterRequest = MessageOf<typeof DescribeClusterRequest>;

export const DescribeClusterResponse = message(
  { apiKey: ApiKey.DescribeCluster, kind: 'response', versions: [0, 2] },
  {
    throttleTimeMs: int32(),
    errorCode: int16(),
    errorMessage: nullable(string()),
    endpointType: since(1, int8(1)),
    clusterId: string(),
    controllerId: int32(-1),
    brokers: array(
      struct({
        brokerId: int32(),
        host: string(),
        port: int32(),
        rack: nullable(string()),
        isFenced: since(2, bool()),
      }),
    ),
    clusterAuthorizedOperations: int32(-0x8000_0000),
  },
);

export type DescribeClusterResponse = MessageOf<typeof DescribeClusterResponse>;
