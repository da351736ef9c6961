/**
 * CreatePartitions: raises the number of partitions of topics (KIP-195).
 */

import { ApiKey } from '../api-keys.ts';
import { message } from '../wire/message.ts';
import type { MessageOf } from '../wire/message.ts';
import { array, bool, int16, int32, nullable, string, struct } from '../wire/schema.ts';

export const CreatePartitionsRequest = message(
  { apiKey: ApiKey.CreatePartitions, kind: 'request', versions: [0, 3] },
  {
    topics: array(
      struct({
        name: string(),
        count: int32(),
        assignments: nullable(
          array(
            struct({
              brokerIds: array(int32()),
            }),
          ),
        ),
      }),
    ),
    timeoutMs: int32(),
    validateOnly: bool(),
  },
);

export type CreatePartitionsRequest = MessageOf<typeof CreatePartitionsRequest>;

export const CreatePartitionsResponse = message(
  { apiKey: ApiKey.CreatePartitions, kind: 'response', versions: [0, 3] },
  {
    throttleTimeMs: int32(),
    results: array(
      struct({
        name: string(),
        errorCode: int16(),
        errorMessage: nullable(string()),
      }),
    ),
  },
);

export type CreatePartitionsResponse = MessageOf<typeof CreatePartitionsResponse>;
