/**
 * UnregisterBroker: removes a broker that will not come back (KIP-631).
 */

import { ApiKey } from '../api-keys.ts';
import { message } from '../wire/message.ts';
import type { MessageOf } from '../wire/message.ts';
import { int16, int32, nullable, string } from '../wire/schema.ts';

export const UnregisterBrokerRequest = message(
  { apiKey: ApiKey.UnregisterBroker, kind: 'request', versions: [0, 0] },
  {
    brokerId: int32(),
  },
);

export type UnregisterBrokerRequest = MessageOf<typeof UnregisterBrokerRequest>;

export const UnregisterBrokerResponse = message(
  { apiKey: ApiKey.UnregisterBroker, kind: 'response', versions: [0, 0] },
  {
    throttleTimeMs: int32(),
    errorCode: int16(),
    errorMessage: nullable(string()),
  },
);

export type UnregisterBrokerResponse = MessageOf<typeof UnregisterBrokerResponse>;
