/**
 * ListOffsets: finds an offset by timestamp; negative timestamps name special offsets (KIP-79,
 * KIP-734, KIP-405, KIP-1005, KIP-1023). Version 0, in Kafka 3.x only, answers with a list of
 * segment starts.
 */

import { ApiKey } from '../api-keys.ts';
import { message } from '../wire/message.ts';
import type { MessageOf } from '../wire/message.ts';
import { array, int16, int32, int64, int8, since, string, struct, until } from '../wire/schema.ts';

export const ListOffsetsRequest = message(
  { apiKey: ApiKey.ListOffsets, kind: 'request', versions: [0, 11] },
  {
    replicaId: int32(),
    isolationLevel: since(2, int8()),
    topics: array(
      struct({
        name: string(),
        partitions: array(
          struct({
            partitionIndex: int32(),
            currentLeaderEpoch: since(4, int32(-1)),
            timestamp: int64(),
            maxNumOffsets: until(0, int32(1)),
          }),
        ),
      }),
    ),
    timeoutMs: since(10, int32()),
  },
);

export type ListOffsetsRequest = MessageOf<typeof ListOffsetsRequest>;

export const ListOffsetsResponse = message(
  { apiKey: ApiKey.ListOffsets, kind: 'response', versions: [0, 11] },
  {
    throttleTimeMs: since(2, int32()),
    topics: array(
      struct({
        name: string(),
        partitions: array(
          struct({
            partitionIndex: int32(),
            errorCode: int16(),
            oldStyleOffsets: until(0, array(int64())),
            timestamp: since(1, int64(-1n)),
            offset: since(1, int64(-1n)),
            leaderEpoch: since(4, int32(-1)),
          }),
        ),
      }),
    ),
  },
);

export type ListOffsetsResponse = MessageOf<typeof ListOffsetsResponse>;
