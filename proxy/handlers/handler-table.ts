/**
 * What becomes of each API of Kafka: parsed by a handler, forwarded as bytes in whatever version
 * the broker offers, or hidden. An API that is not listed is hidden, because its answers might name
 * real brokers, and a request of it closes the connection, as a broker does with one it does not
 * know.
 */
import { apiKeyName, messages, type ApiKeyName } from '../../kafka/index.ts';
import {
  forwardUntouched,
  type ClientRequest,
  type RequestHandler,
} from '../connection/handler.ts';
import { proxyError } from '../errors.ts';

type Treatment = 'parsed' | 'opaque' | 'hidden';

const TREATMENTS = {
  Produce: 'parsed',
  Fetch: 'parsed',
  ListOffsets: 'parsed',
  Metadata: 'parsed',
  OffsetCommit: 'opaque',
  OffsetFetch: 'opaque',
  FindCoordinator: 'parsed',
  JoinGroup: 'opaque',
  Heartbeat: 'opaque',
  LeaveGroup: 'opaque',
  SyncGroup: 'opaque',
  DescribeGroups: 'opaque',
  ListGroups: 'parsed',
  SaslHandshake: 'parsed',
  ApiVersions: 'parsed',
  CreateTopics: 'parsed',
  DeleteTopics: 'parsed',
  DeleteRecords: 'parsed',
  InitProducerId: 'opaque',
  OffsetForLeaderEpoch: 'parsed',
  AddPartitionsToTxn: 'opaque',
  AddOffsetsToTxn: 'opaque',
  EndTxn: 'opaque',
  // Also how an operator aborts a hanging transaction.
  WriteTxnMarkers: 'opaque',
  TxnOffsetCommit: 'opaque',
  DescribeAcls: 'opaque',
  CreateAcls: 'opaque',
  DeleteAcls: 'opaque',
  DescribeConfigs: 'parsed',
  AlterConfigs: 'parsed',
  AlterReplicaLogDirs: 'opaque',
  DescribeLogDirs: 'parsed',
  SaslAuthenticate: 'opaque',
  CreatePartitions: 'parsed',
  CreateDelegationToken: 'opaque',
  RenewDelegationToken: 'opaque',
  ExpireDelegationToken: 'opaque',
  DescribeDelegationToken: 'opaque',
  DeleteGroups: 'opaque',
  ElectLeaders: 'opaque',
  IncrementalAlterConfigs: 'parsed',
  AlterPartitionReassignments: 'parsed',
  // Names brokers by their own ids, which are nodes too.
  ListPartitionReassignments: 'opaque',
  OffsetDelete: 'opaque',
  DescribeClientQuotas: 'opaque',
  AlterClientQuotas: 'opaque',
  DescribeUserScramCredentials: 'opaque',
  AlterUserScramCredentials: 'opaque',
  DescribeQuorum: 'opaque',
  UpdateFeatures: 'opaque',
  DescribeCluster: 'parsed',
  DescribeProducers: 'opaque',
  UnregisterBroker: 'parsed',
  DescribeTransactions: 'opaque',
  ListTransactions: 'parsed',
  ConsumerGroupHeartbeat: 'opaque',
  ConsumerGroupDescribe: 'opaque',
  GetTelemetrySubscriptions: 'opaque',
  PushTelemetry: 'opaque',
  ListConfigResources: 'opaque',
  // Read by people and tools that also ask DescribeCluster: brokers' own ids are right in it.
  DescribeTopicPartitions: 'opaque',
  ShareGroupHeartbeat: 'opaque',
  ShareGroupDescribe: 'opaque',
  ShareFetch: 'parsed',
  ShareAcknowledge: 'parsed',
  StreamsGroupHeartbeat: 'opaque',
  StreamsGroupDescribe: 'opaque',
  DescribeShareGroupOffsets: 'opaque',
  AlterShareGroupOffsets: 'opaque',
  DeleteShareGroupOffsets: 'opaque',
  // Between brokers and controllers.
  LeaderAndIsr: 'hidden',
  StopReplica: 'hidden',
  UpdateMetadata: 'hidden',
  ControlledShutdown: 'hidden',
  Vote: 'hidden',
  BeginQuorumEpoch: 'hidden',
  EndQuorumEpoch: 'hidden',
  AlterPartition: 'hidden',
  Envelope: 'hidden',
  FetchSnapshot: 'hidden',
  BrokerRegistration: 'hidden',
  BrokerHeartbeat: 'hidden',
  AllocateProducerIds: 'hidden',
  ControllerRegistration: 'hidden',
  AssignReplicasToDirs: 'hidden',
  InitializeShareGroupState: 'hidden',
  ReadShareGroupState: 'hidden',
  WriteShareGroupState: 'hidden',
  DeleteShareGroupState: 'hidden',
  ReadShareGroupStateSummary: 'hidden',
  // Need the controllers' addresses.
  AddRaftVoter: 'hidden',
  RemoveRaftVoter: 'hidden',
  UpdateRaftVoter: 'hidden',
} as const satisfies Record<ApiKeyName, Treatment>;

/** The APIs that need a handler. */
export type ParsedApi = {
  [Name in ApiKeyName]: (typeof TREATMENTS)[Name] extends 'parsed' ? Name : never;
}[ApiKeyName];

/** Versions of an API, both included. */
export interface VersionRange {
  readonly min: number;
  readonly max: number;
}

/** Below, a broker of 3.x would convert hollow records to a format that cannot point anywhere. */
const FETCH_VERSION_MIN = 4;

/**
 * @param offered what the broker offers
 * @returns what clients are offered, or null if the API is hidden or no version is left
 */
export function offeredVersions(apiKey: number, offered: VersionRange): VersionRange | null {
  const name = apiKeyName(apiKey);
  if (name === null || TREATMENTS[name] === 'hidden') return null;
  if (TREATMENTS[name] === 'opaque') return offered;
  const known = messages.get(apiKey)?.request.versions;
  if (known === undefined) throw new TypeError(`${name} is parsed, but no message is declared`);
  // No other lower end is raised, whatever is refused later: librdkafka takes SaslHandshake without
  // version 0 for no SASL at all, and Produce without it for no compression (KAFKA-18659).
  const min = Math.max(offered.min, known[0], name === 'Fetch' ? FETCH_VERSION_MIN : 0);
  const max = Math.min(offered.max, known[1]);
  return min > max ? null : { min, max };
}

/**
 * @param parsed the handlers of all APIs that are looked into
 * @returns the handler of any API; undefined if it is hidden
 */
export function handlerTable(
  parsed: Readonly<Record<ParsedApi, RequestHandler>>,
): (apiKey: number) => RequestHandler | undefined {
  const handlers = new Map<number, RequestHandler>();
  for (const [apiKey, { request }] of messages) {
    const name = apiKeyName(apiKey);
    if (name === null || !isParsed(name)) continue;
    handlers.set(apiKey, refusingUnknownVersions(parsed[name], request.versions[1]));
  }
  return (apiKey) => {
    const handler = handlers.get(apiKey);
    if (handler !== undefined) return handler;
    const name = apiKeyName(apiKey);
    return name !== null && TREATMENTS[name] === 'opaque' ? forwardUntouched : undefined;
  };
}

function isParsed(name: ApiKeyName): name is ParsedApi {
  return TREATMENTS[name] === 'parsed';
}

/** ApiVersions alone is asked in versions that nobody offered, and answers for itself. */
function refusingUnknownVersions(handler: RequestHandler, versionMax: number): RequestHandler {
  return {
    handle(request, connection) {
      if (request.apiVersion > versionMax && apiKeyName(request.apiKey) !== 'ApiVersions') {
        throw unknownVersion(request);
      }
      return handler.handle(request, connection);
    },
  };
}

function unknownVersion({ apiKey, apiVersion }: ClientRequest): Error {
  const message = `the client sent ${apiKeyName(apiKey)} in version ${apiVersion}, which was not offered`;
  return proxyError('PROXY_CLIENT_PROTOCOL', message);
}
