/**
 * EndTxn: commits or aborts a transaction; from v5 on the answer carries the next epoch (KIP-890).
 */

import { ApiKey } from '../api-keys.ts';
import { message } from '../wire/message.ts';
import type { MessageOf } from '../wire/message.ts';
import { bool, int16, int32, int64, since, string } from '../wire/schema.ts';

export const EndTxnRequest = message(
  { apiKey: ApiKey.EndTxn, kind: 'request', versions: [0, 5] },
  {
    transactionalId: string(),
    producerId: int64(),
    producerEpoch: int16(),
    committed: bool(),
  },
);

export type EndTxnRequest = MessageOf<typeof EndTxnRequest>;

export const EndTxnResponse = message(
  { apiKey: ApiKey.EndTxn, kind: 'response', versions: [0, 5] },
  {
    throttleTimeMs: int32(),
    errorCode: int16(),
    producerId: since(5, int64(-1n)),
    producerEpoch: since(5, int16(-1)),
  },
);

export type EndTxnResponse = MessageOf<typeof EndTxnResponse>;
