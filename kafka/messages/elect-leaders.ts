/**
 * ElectLeaders: starts leader elections: preferred (0) or unclean (1) (KIP-460). Null partitions
 * ask for all.
 */

import { ApiKey } from '../api-keys.ts';
import { message } from '../wire/message.ts';
import type { MessageOf } from '../wire/message.ts';
import { array, int16, int32, int8, nullable, since, string, struct } from '../wire/schema.ts';

export const ElectLeadersRequest = message(
  { apiKey: ApiKey.ElectLeaders, kind: 'request', versions: [0, 2] },
  {
    electionType: since(1, int8()),
    topicPartitions: nullable(
      array(
        struct({
          topic: string(),
          partitions: array(int32()),
        }),
      ),
    ),
    timeoutMs: int32(60000),
  },
);

export type ElectLeadersRequest = MessageOf<typeof ElectLeadersRequest>;

export const ElectLeadersResponse = message(
  { apiKey: ApiKey.ElectLeaders, kind: 'response', versions: [0, 2] },
  {
    throttleTimeMs: int32(),
    errorCode: since(1, int16()),
    replicaElectionResults: array(
      struct({
        topic: string(),
        partitionResult: array(
          struct({
            partitionId: int32(),
            errorCode: int16(),
            errorMessage: nullable(string()),
          }),
        ),
      }),
    ),
  },
);

export type ElectLeadersResponse = MessageOf<typeof ElectLeadersResponse>;
