/**
 * IncrementalAlterConfigs: changes single configuration keys (KIP-339): set 0, delete 1, append 2,
 * subtract 3.
 */

import { ApiKey } from '../api-keys.ts';
import { message } from '../wire/message.ts';
import type { MessageOf } from '../wire/message.ts';
import { array, bool, int16, int32, int8, nullable, string, struct } from '../wire/schema.ts';

export const IncrementalAlterConfigsRequest = message(
  { apiKey: ApiKey.IncrementalAlterConfigs, kind: 'request', versions: [0, 1] },
  {
    resources: array(
      struct({
        resourceType: int8(),
        resourceName: string(),
        configs: array(
          struct({
            name: string(),
            configOperation: int8(),
            value: nullable(string()),
          }),
        ),
      }),
    ),
    validateOnly: bool(),
  },
);

export type IncrementalAlterConfigsRequest = MessageOf<typeof IncrementalAlterConfigsRequest>;

export const IncrementalAlterConfigsResponse = message(
  { apiKey: ApiKey.IncrementalAlterConfigs, kind: 'response', versions: [0, 1] },
  {
    throttleTimeMs: int32(),
    responses: array(
      struct({
        errorCode: int16(),
        errorMessage: nullable(string()),
        resourceType: int8(),
        resourceName: string(),
      }),
    ),
  },
);

export type IncrementalAlterConfigsResponse = MessageOf<typeof IncrementalAlterConfigsResponse>;
