/**
 * ListTransactions: the transactions that the asked broker coordinates (KIP-664): clients ask
 * every broker.
 */

import { ApiKey } from '../api-keys.ts';
import { message } from '../wire/message.ts';
import type { MessageOf } from '../wire/message.ts';
import { array, int16, int32, int64, nullable, since, string, struct } from '../wire/schema.ts';

export const ListTransactionsRequest = message(
  { apiKey: ApiKey.ListTransactions, kind: 'request', versions: [0, 2] },
  {
    stateFilters: array(string()),
    producerIdFilters: array(int64()),
    durationFilter: since(1, int64(-1n)),
    transactionalIdPattern: since(2, nullable(string())),
  },
);

export type ListTransactionsRequest = MessageOf<typeof ListTransactionsRequest>;

export const ListTransactionsResponse = message(
  { apiKey: ApiKey.ListTransactions, kind: 'response', versions: [0, 2] },
  {
    throttleTimeMs: int32(),
    errorCode: int16(),
    unknownStateFilters: array(string()),
    transactionStates: array(
      struct({
        transactionalId: string(),
        producerId: int64(),
        transactionState: string(),
      }),
    ),
  },
);

export type ListTransactionsResponse = MessageOf<typeof ListTransactionsResponse>;
