/**
 * DescribeProducers: the producers that a partition's leader knows (KIP-664).
 */

import { ApiKey } from '../api-keys.ts';
import { message } from '../wire/message.ts';
import type { MessageOf } from '../wire/message.ts';
import { array, int16, int32, int64, nullable, string, struct } from '../wire/schema.ts';

export const DescribeProducersRequest = message(
  { apiKey: ApiKey.DescribeProducers, kind: 'request', versions: [0, 0] },
  {
    topics: array(
      struct({
        name: string(),
        partitionIndexes: array(int32()),
      }),
    ),
  },
);

export type DescribeProducersRequest = MessageOf<typeof DescribeProducersRequest>;

export const DescribeProducersResponse = message(
  { apiKey: ApiKey.DescribeProducers, kind: 'response', versions: [0, 0] },
  {
    throttleTimeMs: int32(),
    topics: array(
      struct({
        name: string(),
        partitions: array(
          struct({
            partitionIndex: int32(),
            errorCode: int16(),
            errorMessage: nullable(string()),
            activeProducers: array(
              struct({
                producerId: int64(),
                producerEpoch: int32(),
                lastSequence: int32(-1),
                lastTimestamp: int64(-1n),
                coordinatorEpoch: int32(),
                currentTxnStartOffset: int64(-1n),
              }),
            ),
          }),
        ),
      }),
    ),
  },
);

export type DescribeProducersResponse = MessageOf<typeof DescribeProducersResponse>;
