/**
 * Fetch: reads record batches (KIP-74 limits, KIP-227 sessions, KIP-320 epochs, KIP-392 followers,
 * KIP-516 topic ids in v13, KIP-951 leader hints in v16). A session's incremental response lists
 * only partitions that changed. The last batch of a partition may be cut anywhere.
 */

import { ApiKey } from '../api-keys.ts';
import { message } from '../wire/message.ts';
import type { MessageOf } from '../wire/message.ts';
import {
  array,
  int16,
  int32,
  int64,
  int8,
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

export const FetchRequest = message(
  { apiKey: ApiKey.Fetch, kind: 'request', versions: [0, 18] },
  {
    clusterId: tagged(0, 12, nullable(string())),
    replicaId: until(14, int32(-1)),
    replicaState: tagged(
      1,
      15,
      struct({
        replicaId: int32(-1),
        replicaEpoch: int64(-1n),
      }),
    ),
    maxWaitMs: int32(),
    minBytes: int32(),
    maxBytes: since(3, int32(0x7fff_ffff)),
    isolationLevel: since(4, int8(0)),
    sessionId: since(7, int32(0)),
    sessionEpoch: since(7, int32(-1)),
    topics: array(
      struct({
        topic: until(12, string()),
        topicId: since(13, uuid()),
        partitions: array(
          struct({
            partition: int32(),
            currentLeaderEpoch: since(9, int32(-1)),
            fetchOffset: int64(),
            lastFetchedEpoch: since(12, int32(-1)),
            logStartOffset: since(5, int64(-1n)),
            partitionMaxBytes: int32(),
            replicaDirectoryId: tagged(0, 17, uuid()),
            highWatermark: tagged(1, 18, int64(0x7fff_ffff_ffff_ffffn)),
          }),
        ),
      }),
    ),
    forgottenTopicsData: since(
      7,
      array(
        struct({
          topic: until(12, string()),
          topicId: since(13, uuid()),
          partitions: array(int32()),
        }),
      ),
    ),
    rackId: since(11, string('')),
  },
);

export type FetchRequest = MessageOf<typeof FetchRequest>;

export const FetchResponse = message(
  { apiKey: ApiKey.Fetch, kind: 'response', versions: [0, 18] },
  {
    throttleTimeMs: since(1, int32()),
    errorCode: since(7, int16()),
    sessionId: since(7, int32(0)),
    responses: array(
      struct({
        topic: until(12, string()),
        topicId: since(13, uuid()),
        partitions: array(
          struct({
            partitionIndex: int32(),
            errorCode: int16(),
            highWatermark: int64(),
            lastStableOffset: since(4, int64(-1n)),
            logStartOffset: since(5, int64(-1n)),
            divergingEpoch: tagged(
              0,
              12,
              struct({
                epoch: int32(-1),
                endOffset: int64(-1n),
              }),
            ),
            currentLeader: tagged(1, 12, leaderIdAndEpoch),
            snapshotId: tagged(
              2,
              12,
              struct({
                endOffset: int64(-1n),
                epoch: int32(-1),
              }),
            ),
            abortedTransactions: since(
              4,
              nullable(
                array(
                  struct({
                    producerId: int64(),
                    firstOffset: int64(),
                  }),
                ),
              ),
            ),
            preferredReadReplica: since(11, int32(-1)),
            records: records(),
          }),
        ),
      }),
    ),
    nodeEndpoints: tagged(0, 16, nodeEndpoints),
  },
);

export type FetchResponse = MessageOf<typeof FetchResponse>;
