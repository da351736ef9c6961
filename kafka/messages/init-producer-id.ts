/**
 * InitProducerId: gives a producer its id and epoch, and fences the ones before it (KIP-98,
 * KIP-360). Version 6 is for two-phase commit (KIP-939) and unstable in Kafka 4.3.
 */

import { ApiKey } from '../api-keys.ts';
import { message } from '../wire/message.ts';
import type { MessageOf } from '../wire/message.ts';
import { bool, int16, int32, int64, nullable, since, string } from '../wire/schema.ts';

export const InitProducerIdRequest = message(
  { apiKey: ApiKey.InitProducerId, kind: 'request', versions: [0, 6] },
  {
    transactionalId: nullable(string()),
    transactionTimeoutMs: int32(),
    producerId: since(3, int64(-1n)),
    producerEpoch: since(3, int16(-1)),
    enable2Pc: since(6, bool(false)),
    keepPreparedTxn: since(6, bool(false)),
  },
);

export type InitProducerIdRequest = MessageOf<typeof InitProducerIdRequest>;

export const InitProducerIdResponse = message(
  { apiKey: ApiKey.InitProducerId, kind: 'response', versions: [0, 6] },
  {
    throttleTimeMs: int32(),
    errorCode: int16(),
    producerId: int64(-1n),
    producerEpoch: int16(),
    ongoingTxnProducerId: since(6, int64(-1n)),
    ongoingTxnProducerEpoch: since(6, int16(-1)),
  },
);

export type InitProducerIdResponse = MessageOf<typeof InitProducerIdResponse>;
