/**
 * TxnOffsetCommit: commits consumer offsets within a transaction (KIP-98, KIP-447).
 */

import { ApiKey } from '../api-keys.ts';
import { message } from '../wire/message.ts';
import type { MessageOf } from '../wire/message.ts';
import { array, int16, int32, int64, nullable, since, string, struct } from '../wire/schema.ts';

export const TxnOffsetCommitRequest = message(
  { apiKey: ApiKey.TxnOffsetCommit, kind: 'request', versions: [0, 5] },
  {
    transactionalId: string(),
    groupId: string(),
    producerId: int64(),
    producerEpoch: int16(),
    generationId: since(3, int32(-1)),
    memberId: since(3, string('')),
    groupInstanceId: since(3, nullable(string())),
    topics: array(
      struct({
        name: string(),
        partitions: array(
          struct({
            partitionIndex: int32(),
            committedOffset: int64(),
            committedLeaderEpoch: since(2, int32(-1)),
            committedMetadata: nullable(string()),
          }),
        ),
      }),
    ),
  },
);

export type TxnOffsetCommitRequest = MessageOf<typeof TxnOffsetCommitRequest>;

export const TxnOffsetCommitResponse = message(
  { apiKey: ApiKey.TxnOffsetCommit, kind: 'response', versions: [0, 5] },
  {
    throttleTimeMs: int32(),
    topics: array(
      struct({
        name: string(),
        partitions: array(
          struct({
            partitionIndex: int32(),
            errorCode: int16(),
          }),
        ),
      }),
    ),
  },
);

export type TxnOffsetCommitResponse = MessageOf<typeof TxnOffsetCommitResponse>;
