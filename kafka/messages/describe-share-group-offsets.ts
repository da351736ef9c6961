/**
 * DescribeShareGroupOffsets: start offsets of share groups (KIP-932).
 */

import { ApiKey } from '../api-keys.ts';
import { message } from '../wire/message.ts';
import type { MessageOf } from '../wire/message.ts';
import {
  array,
  int16,
  int32,
  int64,
  nullable,
  since,
  string,
  struct,
  uuid,
} from '../wire/schema.ts';

export const DescribeShareGroupOffsetsRequest = message(
  { apiKey: ApiKey.DescribeShareGroupOffsets, kind: 'request', versions: [0, 1] },
  {
    groups: array(
      struct({
        groupId: string(),
        topics: nullable(
          array(
            struct({
              topicName: string(),
              partitions: array(int32()),
            }),
          ),
        ),
      }),
    ),
  },
);

export type DescribeShareGroupOffsetsRequest = MessageOf<typeof DescribeShareGroupOffsetsRequest>;

export const DescribeShareGroupOffsetsResponse = message(
  { apiKey: ApiKey.DescribeShareGroupOffsets, kind: 'response', versions: [0, 1] },
  {
    throttleTimeMs: int32(),
    groups: array(
      struct({
        groupId: string(),
        topics: array(
          struct({
            topicName: string(),
            topicId: uuid(),
            partitions: array(
              struct({
                partitionIndex: int32(),
                startOffset: int64(),
                leaderEpoch: int32(),
                lag: since(1, int64(-1n)),
                errorCode: int16(),
                errorMessage: nullable(string()),
              }),
            ),
          }),
        ),
        errorCode: int16(),
        errorMessage: nullable(string()),
      }),
    ),
  },
);

export type DescribeShareGroupOffsetsResponse = MessageOf<typeof DescribeShareGroupOffsetsResponse>;
