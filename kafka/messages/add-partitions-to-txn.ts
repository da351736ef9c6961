/**
 * AddPartitionsToTxn: adds partitions to a transaction (KIP-98). From v4 on it is batched, for
 * brokers (KIP-890); clients stop at v3.
 */

import { ApiKey } from '../api-keys.ts';
import { message } from '../wire/message.ts';
import type { MessageOf } from '../wire/message.ts';
import { array, bool, int16, int32, int64, since, string, struct, until } from '../wire/schema.ts';

const addPartitionsToTxnTopic = struct({
  name: string(),
  partitions: array(int32()),
});

export const AddPartitionsToTxnRequest = message(
  { apiKey: ApiKey.AddPartitionsToTxn, kind: 'request', versions: [0, 5] },
  {
    transactions: since(
      4,
      array(
        struct({
          transactionalId: string(),
          producerId: int64(),
          producerEpoch: int16(),
          verifyOnly: bool(false),
          topics: array(addPartitionsToTxnTopic),
        }),
      ),
    ),
    v3AndBelowTransactionalId: until(3, string()),
    v3AndBelowProducerId: until(3, int64()),
    v3AndBelowProducerEpoch: until(3, int16()),
    v3AndBelowTopics: until(3, array(addPartitionsToTxnTopic)),
  },
);

export type AddPartitionsToTxnRequest = MessageOf<typeof AddPartitionsToTxnRequest>;

const addPartitionsToTxnPartitionResult = struct({
  partitionIndex: int32(),
  partitionErrorCode: int16(),
});

const addPartitionsToTxnTopicResult = struct({
  name: string(),
  resultsByPartition: array(addPartitionsToTxnPartitionResult),
});

export const AddPartitionsToTxnResponse = message(
  { apiKey: ApiKey.AddPartitionsToTxn, kind: 'response', versions: [0, 5] },
  {
    throttleTimeMs: int32(),
    errorCode: since(4, int16()),
    resultsByTransaction: since(
      4,
      array(
        struct({
          transactionalId: string(),
          topicResults: array(addPartitionsToTxnTopicResult),
        }),
      ),
    ),
    resultsByTopicV3AndBelow: until(3, array(addPartitionsToTxnTopicResult)),
  },
);

export type AddPartitionsToTxnResponse = MessageOf<typeof AddPartitionsToTxnResponse>;
