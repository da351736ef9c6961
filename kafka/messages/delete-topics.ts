/**
 * DeleteTopics: deletes topics, from v6 on by name or by id.
 */

import { ApiKey } from '../api-keys.ts';
import { message } from '../wire/message.ts';
import type { MessageOf } from '../wire/message.ts';
import {
  array,
  int16,
  int32,
  nullable,
  since,
  string,
  struct,
  until,
  uuid,
} from '../wire/schema.ts';

export const DeleteTopicsRequest = message(
  { apiKey: ApiKey.DeleteTopics, kind: 'request', versions: [0, 6] },
  {
    topics: since(
      6,
      array(
        struct({
          name: nullable(string()),
          topicId: uuid(),
        }),
      ),
    ),
    topicNames: until(5, array(string())),
    timeoutMs: int32(),
  },
);

export type DeleteTopicsRequest = MessageOf<typeof DeleteTopicsRequest>;

export const DeleteTopicsResponse = message(
  { apiKey: ApiKey.DeleteTopics, kind: 'response', versions: [0, 6] },
  {
    throttleTimeMs: since(1, int32()),
    responses: array(
      struct({
        name: nullable(string(), 6),
        topicId: since(6, uuid()),
        errorCode: int16(),
        errorMessage: since(5, nullable(string())),
      }),
    ),
  },
);

export type DeleteTopicsResponse = MessageOf<typeof DeleteTopicsResponse>;
