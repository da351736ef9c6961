/**
 * What a broker says about the new leader of a partition that it does not lead (KIP-951): the same
 * in Produce, Fetch, ShareFetch and ShareAcknowledge responses.
 */

import { array, int32, nullable, string, struct } from '../wire/schema.ts';
import type { ValueOf } from '../wire/schema.ts';

export const leaderIdAndEpoch = struct({
  leaderId: int32(-1),
  leaderEpoch: int32(-1),
});

export type LeaderIdAndEpoch = ValueOf<typeof leaderIdAndEpoch>;

export const nodeEndpoint = struct({
  nodeId: int32(),
  host: string(),
  port: int32(),
  rack: nullable(string()),
});

export type NodeEndpoint = ValueOf<typeof nodeEndpoint>;

export const nodeEndpoints = array(nodeEndpoint);
