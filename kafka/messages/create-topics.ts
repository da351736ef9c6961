/**
 * CreateTopics: creates topics, with partition counts or with explicit replica assignments.
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
  tagged,
  uuid,
} from '../wire/schema.ts';

export const CreateTopicsRequest = message(
  { apiKey: ApiKey.CreateTopics, kind: 'request', versions: [0, 7] },
  {
    topics: array(
      struct({
        name: string(),
        numPartitions: int32(),
        replicationFactor: int16(),
        assignments: array(
          struct({
            partitionIndex: int32(),
            brokerIds: array(int32()),
          }),
        ),
        configs: array(
          struct({
            name: string(),
            value: nullable(string()),
          }),
        ),
      }),
    ),
    timeoutMs: int32(60000),
    validateOnly: since(1, bool(false)),
  },
);

export type CreateTopicsRequest = MessageOf<typeof CreateTopicsRequest>;

export const CreateTopicsResponse = message(
  { apiKey: ApiKey.CreateTopics, kind: 'response', versions: [0, 7] },
  {
    throttleTimeMs: since(2, int32()),
    topics: array(
      struct({
        name: string(),
        topicId: since(7, uuid()),
        errorCode: int16(),
        errorMessage: since(1, nullable(string())),
        topicConfigErrorCode: tagged(0, 5, int16()),
        numPartitions: since(5, int32(-1)),
        replicationFactor: since(5, int16(-1)),
        configs: since(
          5,
          nullable(
            array(
              struct({
                name: string(),
                value: nullable(string()),
                readOnly: bool(),
                configSource: int8(-1),
                isSensitive: bool(),
              }),
            ),
          ),
        ),
      }),
    ),
  },
);

export type CreateTopicsResponse = MessageOf<typeof CreateTopicsResponse>;
