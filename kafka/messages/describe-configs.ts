/**
 * DescribeConfigs: configurations of topics (resource type 2), brokers (4), loggers (8), client
 * metrics (16), groups (32).
 */

import { ApiKey } from '../api-keys.ts';
import { message } from '../wire/message.ts';
import type { MessageOf } from '../wire/message.ts';
import {
  array,
  bool,
  int16,
  int32,
  int8,
  nullable,
  since,
  string,
  struct,
  until,
} from '../wire/schema.ts';

export const DescribeConfigsRequest = message(
  { apiKey: ApiKey.DescribeConfigs, kind: 'request', versions: [0, 4] },
  {
    resources: array(
      struct({
        resourceType: int8(),
        resourceName: string(),
        configurationKeys: nullable(array(string())),
      }),
    ),
    includeSynonyms: since(1, bool(false)),
    includeDocumentation: since(3, bool(false)),
  },
);

export type DescribeConfigsRequest = MessageOf<typeof DescribeConfigsRequest>;

export const DescribeConfigsResponse = message(
  { apiKey: ApiKey.DescribeConfigs, kind: 'response', versions: [0, 4] },
  {
    throttleTimeMs: int32(),
    results: array(
      struct({
        errorCode: int16(),
        errorMessage: nullable(string()),
        resourceType: int8(),
        resourceName: string(),
        configs: array(
          struct({
            name: string(),
            value: nullable(string()),
            readOnly: bool(),
            isDefault: until(0, bool()),
            configSource: since(1, int8(-1)),
            isSensitive: bool(),
            synonyms: since(
              1,
              array(
                struct({
                  name: string(),
                  value: nullable(string()),
                  source: int8(),
                }),
              ),
            ),
            configType: since(3, int8(0)),
            documentation: since(3, nullable(string())),
          }),
        ),
      }),
    ),
  },
);

export type DescribeConfigsResponse = MessageOf<typeof DescribeConfigsResponse>;
