/**
 * AlterConfigs: replaces the whole configuration of resources: keys that are not named fall back
 * to defaults.
 */

import { ApiKey } from '../api-keys.ts';
import { message } from '../wire/message.ts';
import type { MessageOf } from '../wire/message.ts';
import { array, bool, int16, int32, int8, nullable, string, struct } from '../wire/schema.ts';

export const AlterConfigsRequest = message(
  { apiKey: ApiKey.AlterConfigs, kind: 'request', versions: [0, 2] },
  {
    resources: array(
      struct({
        resourceType: int8(),
        resourceName: string(),
        configs: array(
          struct({
            name: string(),
            value: nullable(string()),
          }),
        ),
      }),
    ),
    validateOnly: bool(),
  },
);

export type AlterConfigsRequest = MessageOf<typeof AlterConfigsRequest>;

export const AlterConfigsResponse = message(
  { apiKey: ApiKey.AlterConfigs, kind: 'response', versions: [0, 2] },
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

export type AlterConfigsResponse = MessageOf<typeof AlterConfigsResponse>;
