/**
 * ShareAcknowledge: acknowledges records of a share group (KIP-932, KIP-1222). Types: 0 gap, 1
 * accept, 2 release, 3 reject, 4 renew.
 */

import { ApiKey } from '../api-keys.ts';
import { message } from '../wire/message.ts';
import type { MessageOf } from '../wire/message.ts';
import {
  array,
  bool,
  int16,
  int32,
  int64,
  int8,
  nullable,
  since,
  string,
  struct,
  uuid,
} from '../wire/schema.ts';
import { leaderIdAndEpoch, nodeEndpoints } from './leader-hints.ts';

export const ShareAcknowledgeRequest = message(
  { apiKey: ApiKey.ShareAcknowledge, kind: 'request', versions: [1, 2] },
  {
    groupId: nullable(string()),
    memberId: nullable(string()),
    shareSessionEpoch: int32(),
    isRenewAck: since(2, bool(false)),
    topics: array(
      struct({
        topicId: uuid(),
        partitions: array(
          struct({
            partitionIndex: int32(),
            acknowledgementBatches: array(
              struct({
                firstOffset: int64(),
                lastOffset: int64(),
                acknowledgeTypes: array(int8()),
              }),
            ),
          }),
        ),
      }),
    ),
  },
);

export type ShareAcknowledgeRequest = MessageOf<typeof ShareAcknowledgeRequest>;

export const ShareAcknowledgeResponse = message(
  { apiKey: ApiKey.ShareAcknowledge, kind: 'response', versions: [1, 2] },
  {
    throttleTimeMs: int32(),
    errorCode: int16(),
    errorMessage: nullable(string()),
    acquisitionLockTimeoutMs: since(2, int32()),
    responses: array(
      struct({
        topicId: uuid(),
        partitions: array(
          struct({
            partitionIndex: int32(),
            errorCode: int16(),
            errorMessage: nullable(string()),
            currentLeader: leaderIdAndEpoch,
          }),
        ),
      }),
    ),
    nodeEndpoints,
  },
);

export type ShareAcknowledgeResponse = MessageOf<typeof ShareAcknowledgeResponse>;
