/**
 * FindCoordinator: the broker that coordinates a group (key type 0), a transactional id (1) or a
 * share partition (2). From v4 on one request asks for many keys (KIP-699).
 */

import { ApiKey } from '../api-keys.ts';
import { message } from '../wire/message.ts';
import type { MessageOf } from '../wire/message.ts';
import {
  array,
  between,
  int16,
  int32,
  int8,
  nullable,
  since,
  string,
  struct,
  until,
} from '../wire/schema.ts';

export const FindCoordinatorRequest = message(
  { apiKey: ApiKey.FindCoordinator, kind: 'request', versions: [0, 6] },
  {
    key: until(3, string()),
    keyType: since(1, int8(0)),
    coordinatorKeys: since(4, array(string())),
  },
);

export type FindCoordinatorRequest = MessageOf<typeof FindCoordinatorRequest>;

export const FindCoordinatorResponse = message(
  { apiKey: ApiKey.FindCoordinator, kind: 'response', versions: [0, 6] },
  {
    throttleTimeMs: since(1, int32()),
    errorCode: until(3, int16()),
    errorMessage: between(1, 3, nullable(string())),
    nodeId: until(3, int32()),
    host: until(3, string()),
    port: until(3, int32()),
    coordinators: since(
      4,
      array(
        struct({
          key: string(),
          nodeId: int32(),
          host: string(),
          port: int32(),
          errorCode: int16(),
          errorMessage: nullable(string()),
        }),
      ),
    ),
  },
);

export type FindCoordinatorResponse = MessageOf<typeof FindCoordinatorResponse>;
