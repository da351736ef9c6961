/**
 * ListGroups: the groups that the asked broker coordinates: clients ask every broker.
 */

import { ApiKey } from '../api-keys.ts';
import { message } from '../wire/message.ts';
import type { MessageOf } from '../wire/message.ts';
import { array, int16, int32, since, string, struct } from '../wire/schema.ts';

export const ListGroupsRequest = message(
  { apiKey: ApiKey.ListGroups, kind: 'request', versions: [0, 5] },
  {
    statesFilter: since(4, array(string())),
    typesFilter: since(5, array(string())),
  },
);

export type ListGroupsRequest = MessageOf<typeof ListGroupsRequest>;

export const ListGroupsResponse = message(
  { apiKey: ApiKey.ListGroups, kind: 'response', versions: [0, 5] },
  {
    throttleTimeMs: since(1, int32()),
    errorCode: int16(),
    groups: array(
      struct({
        groupId: string(),
        protocolType: string(),
        groupState: since(4, string()),
        groupType: since(5, string()),
      }),
    ),
  },
);

export type ListGroupsResponse = MessageOf<typeof ListGroupsResponse>;
