/**
 * OffsetForLeaderEpoch: where a leader epoch ended in the log (KIP-101, KIP-320).
 */

import { ApiKey } from '../api-keys.ts';
import { message } from '../wire/message.ts';
import type { MessageOf } from '../wire/message.ts';
import { array, int16, int32, int64, since, string, struct } from '../wire/schema.ts';

export const OffsetForLeaderEpochRequest = message(
  { apiKey: ApiKey.OffsetForLeaderEpoch, kind: 'request', versions: [0, 4] },
  {
    replicaId: since(3, int32(-2)),
    topics: array(
      struct({
        topic: string(),
        partitions: array(
          struct({
            partition: int32(),
            currentLeaderEpoch: since(2, int32(-1)),
            leaderEpoch: int32(),
          }),
        ),
      }),
    ),
  },
);

export type OffsetForLeaderEpochRequest = MessageOf<typeof OffsetForLeaderEpochRequest>;

export const OffsetForLeaderEpochResponse = message(
  { apiKey: ApiKey.OffsetForLeaderEpoch, kind: 'response', versions: [0, 4] },
  {
    throttleTimeMs: since(2, int32()),
    topics: array(
      struct({
        topic: string(),
        partitions: array(
          struct({
            errorCode: int16(),
            partition: int32(),
            leaderEpoch: since(1, int32(-1)),
            endOffset: int64(-1n),
          }),
        ),
      }),
    ),
  },
);

export type OffsetForLeaderEpochResponse = MessageOf<typeof OffsetForLeaderEpochResponse>;
