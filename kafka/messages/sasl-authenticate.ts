/**
 * SaslAuthenticate: carries one SASL token each way (KIP-152, KIP-368 for the session lifetime).
 */

import { ApiKey } from '../api-keys.ts';
import { message } from '../wire/message.ts';
import type { MessageOf } from '../wire/message.ts';
import { bytes, int16, int64, nullable, since, string } from '../wire/schema.ts';

export const SaslAuthenticateRequest = message(
  { apiKey: ApiKey.SaslAuthenticate, kind: 'request', versions: [0, 2] },
  {
    authBytes: bytes(),
  },
);

export type SaslAuthenticateRequest = MessageOf<typeof SaslAuthenticateRequest>;

export const SaslAuthenticateResponse = message(
  { apiKey: ApiKey.SaslAuthenticate, kind: 'response', versions: [0, 2] },
  {
    errorCode: int16(),
    errorMessage: nullable(string()),
    authBytes: bytes(),
    sessionLifetimeMs: since(1, int64(0n)),
  },
);

export type SaslAuthenticateResponse = MessageOf<typeof SaslAuthenticateResponse>;
