/**
 * ShareFetch: acquires and reads records for a share group (KIP-932, KIP-1206, KIP-1222). Version
 * 0, in Kafka 3.9, was unstable and another layout. The leader acquires before it answers.
 */

import { ApiKey } from '../api-keys.ts';
import { message } from '../wire/message.ts';
import type { MessageOf } from '../wire/message.ts';
import {
  array,
  bool,
  bytes,
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

export const ShareFetchRequest = message(
  { apiKey: ApiKey.ShareFetch, kind: 'request', versions: [1, 2] },
  {
    groupId: nullable(string()),
    memberId: nullable(string()),
    shareSessionEpoch: int32(),
    maxWaitMs: int32(),
    minBytes: int32(),
    maxBytes: int32(0x7fff_ffff),
    maxRecords: int32(),
    batchSize: int32(),
    shareAcquireMode: since(2, int8(0)),
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
    forgottenTopicsData: array(
      struct({
        topicId: uuid(),
        partitions: array(int32()),
      }),
    ),
  },
);

export type ShareFetchRequest = MessageOf<typeof ShareFetchRequest>;

export const ShareFetchResponse = message(
  { apiKey: ApiKey.ShareFetch, kind: 'response', versions: [1, 2] },
  {
    throttleTimeMs: int32(),
    errorCode: int16(),
    errorMessage: nullable(string()),
    acquisitionLockTimeoutMs: int32(),
    responses: array(
      struct({
        topicId: uuid(),
        partitions: array(
          struct({
            partitionIndex: int32(),
            errorCode: int16(),
            errorMessage: nullable(string()),
            acknowledgeErrorCode: int16(),
            acknowledgeErrorMessage: nullable(string()),
            currentLeader: leaderIdAndEpoch,
            records: bytes(),
            acquiredRecords: array(
              struct({
                firstOffset: int64(),
                lastOffset: int64(),
                deliveryCount: int16(),
              }),
            ),
          }),
        ),
      }),
    ),
    nodeEndpoints,
  },
);

export type ShareFetchResponse = MessageOf<typeof ShareFetchResponse>;
