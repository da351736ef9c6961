/**
 * Produce: appends record batches (KIP-98, KIP-951 for the leader hints, KIP-516 for topic ids in
 * v13). A request with acks 0 has no response at all. Versions 0 to 2 carry message formats older
 * than v2.
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
  records,
  since,
  string,
  struct,
  tagged,
  until,
  uuid,
} from '../wire/schema.ts';
import { leaderIdAndEpoch, nodeEndpoints } from './leader-hints.ts';

export const ProduceRequest = message(
  { apiKey: ApiKey.Produce, kind: 'request', versions: [0, 13] },
  {
    transactionalId: since(3, nullable(string())),
    acks: int16(),
    timeoutMs: int32(),
    topicData: array(
      struct({
        name: until(12, string()),
        topicId: since(13, uuid()),
        partitionData: array(
          struct({
            index: int32(),
            records: records(),
          }),
        ),
      }),
    ),
  },
);

export type ProduceRequest = MessageOf<typeof ProduceRequest>;

export const ProduceResponse = message(
  { apiKey: ApiKey.Produce, kind: 'response', versions: [0, 13] },
  {
    responses: array(
      struct({
        name: until(12, string()),
        topicId: since(13, uuid()),
        partitionResponses: array(
          struct({
            index: int32(),
            errorCode: int16(),
            baseOffset: int64(),
            logAppendTimeMs: since(2, int64(-1n)),
            logStartOffset: since(5, int64(-1n)),
            recordErrors: since(
              8,
              array(
                struct({
                  batchIndex: int32(),
                  batchIndexErrorMessage: nullable(string()),
                }),
              ),
            ),
            errorMessage: since(8, nullable(string())),
            currentLeader: tagged(0, 10, leaderIdAndEpoch),
          }),
        ),
      }),
    ),
    throttleTimeMs: since(1, int32(0)),
    nodeEndpoints: tagged(0, 10, nodeEndpoints),
  },
);

export type ProduceResponse = MessageOf<typeof ProduceResponse>;
