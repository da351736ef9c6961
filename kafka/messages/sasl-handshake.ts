/**
 * SaslHandshake: chooses a SASL mechanism (KIP-43, KIP-152). After version 0 the tokens travel
 * without Kafka frames, after version 1 in SaslAuthenticate.
 */

import { ApiKey } from '../api-keys.ts';
import { message } from '../wire/message.ts';
import type { MessageOf } from '../wire/message.ts';
import { array, int16, string } from '../wire/schema.ts';

export const SaslHandshakeRequest = message(
  { apiKey: ApiKey.SaslHandshake, kind: 'request', versions: [0, 1] },
  {
    mechanism: string(),
  },
);

export type SaslHandshakeRequest = MessageOf<typeof SaslHandshakeRequest>;

export const SaslHandshakeResponse = message(
  { apiKey: ApiKey.SaslHandshake, kind: 'response', versions: [0, 1] },
  {
    errorCode: int16(),
    mechanisms: array(string()),
  },
);

export type SaslHandshakeResponse = MessageOf<typeof SaslHandshakeResponse>;
