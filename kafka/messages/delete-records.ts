/**
 * DeleteRecords: moves the log start of partitions forward (KIP-107); offset -1 is the high
 * watermark.
 */

import { ApiKey } from '../api-keys.ts';
import { message } from '../wire/message.ts';
import type { MessageOf } from '../wire/message.ts';
import { array, int16, int32, int64, string, struct } from '../wire/schema.ts';

export const DeleteRecordsRequest = message(
  { apiKey: ApiKey.DeleteRecords, kind: 'request', versions: [0, 2] },
  {
    topics: array(
      struct({
        name: string(),
        partitions: array(
          struct({
            partitionIndex: int32(),
            offset: int64(),
          }),
        ),
      }),
    ),
    timeoutMs: int32(),
  },
);

export type DeleteRecordsRequest = MessageOf<typeof DeleteRecordsRequest>;

export const DeleteRecordsResponse = message(
  { apiKey: ApiKey.DeleteRecords, kind: 'response', versions: [0, 2] },
  {
    throttleTimeMs: int32(),
    topics: array(
      struct({
        name: string(),
        partitions: array(
          struct({
            partitionIndex: int32(),
            lowWatermark: int64(),
            errorCode: int16(),
          }),
        ),
      }),
    ),
  },
);

export type DeleteRecordsResponse = MessageOf<typeof DeleteRecordsResponse>;
