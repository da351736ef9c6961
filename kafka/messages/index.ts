/**
 * The messages that Outrigger reads and writes, in every version that Kafka 3.7 to 4.3 speaks.
 */

import type { Message } from '../wire/message.ts';
import { AddPartitionsToTxnRequest, AddPartitionsToTxnResponse } from './add-partitions-to-txn.ts';
import { AlterConfigsRequest, AlterConfigsResponse } from './alter-configs.ts';
import {
  AlterPartitionReassignmentsRequest,
  AlterPartitionReassignmentsResponse,
} from './alter-partition-reassignments.ts';
import { ApiVersionsRequest, ApiVersionsResponse } from './api-versions.ts';
import { CreatePartitionsRequest, CreatePartitionsResponse } from './create-partitions.ts';
import { CreateTopicsRequest, CreateTopicsResponse } from './create-topics.ts';
import { DeleteRecordsRequest, DeleteRecordsResponse } from './delete-records.ts';
import { DeleteTopicsRequest, DeleteTopicsResponse } from './delete-topics.ts';
import { DescribeClusterRequest, DescribeClusterResponse } from './describe-cluster.ts';
import { DescribeConfigsRequest, DescribeConfigsResponse } from './describe-configs.ts';
import { DescribeLogDirsRequest, DescribeLogDirsResponse } from './describe-log-dirs.ts';
import { DescribeProducersRequest, DescribeProducersResponse } from './describe-producers.ts';
import {
  DescribeShareGroupOffsetsRequest,
  DescribeShareGroupOffsetsResponse,
} from './describe-share-group-offsets.ts';
import {
  DescribeTopicPartitionsRequest,
  DescribeTopicPartitionsResponse,
} from './describe-topic-partitions.ts';
import { ElectLeadersRequest, ElectLeadersResponse } from './elect-leaders.ts';
import { EndTxnRequest, EndTxnResponse } from './end-txn.ts';
import { FetchRequest, FetchResponse } from './fetch.ts';
import { FindCoordinatorRequest, FindCoordinatorResponse } from './find-coordinator.ts';
import {
  IncrementalAlterConfigsRequest,
  IncrementalAlterConfigsResponse,
} from './incremental-alter-configs.ts';
import { InitProducerIdRequest, InitProducerIdResponse } from './init-producer-id.ts';
import { ListGroupsRequest, ListGroupsResponse } from './list-groups.ts';
import { ListOffsetsRequest, ListOffsetsResponse } from './list-offsets.ts';
import {
  ListPartitionReassignmentsRequest,
  ListPartitionReassignmentsResponse,
} from './list-partition-reassignments.ts';
import { ListTransactionsRequest, ListTransactionsResponse } from './list-transactions.ts';
import { MetadataRequest, MetadataResponse } from './metadata.ts';
import {
  OffsetForLeaderEpochRequest,
  OffsetForLeaderEpochResponse,
} from './offset-for-leader-epoch.ts';
import { ProduceRequest, ProduceResponse } from './produce.ts';
import { SaslAuthenticateRequest, SaslAuthenticateResponse } from './sasl-authenticate.ts';
import { SaslHandshakeRequest, SaslHandshakeResponse } from './sasl-handshake.ts';
import { ShareAcknowledgeRequest, ShareAcknowledgeResponse } from './share-acknowledge.ts';
import { ShareFetchRequest, ShareFetchResponse } from './share-fetch.ts';
import { TxnOffsetCommitRequest, TxnOffsetCommitResponse } from './txn-offset-commit.ts';
import { UnregisterBrokerRequest, UnregisterBrokerResponse } from './unregister-broker.ts';

export { AddPartitionsToTxnRequest, AddPartitionsToTxnResponse };
export { AlterConfigsRequest, AlterConfigsResponse };
export { AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse };
export { ApiVersionsRequest, ApiVersionsResponse };
export { CreatePartitionsRequest, CreatePartitionsResponse };
export { CreateTopicsRequest, CreateTopicsResponse };
export { DeleteRecordsRequest, DeleteRecordsResponse };
export { DeleteTopicsRequest, DeleteTopicsResponse };
export { DescribeClusterRequest, DescribeClusterResponse };
export { DescribeConfigsRequest, DescribeConfigsResponse };
export { DescribeLogDirsRequest, DescribeLogDirsResponse };
export { DescribeProducersRequest, DescribeProducersResponse };
export { DescribeShareGroupOffsetsRequest, DescribeShareGroupOffsetsResponse };
export { DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse };
export { ElectLeadersRequest, ElectLeadersResponse };
export { EndTxnRequest, EndTxnResponse };
export { FetchRequest, FetchResponse };
export { FindCoordinatorRequest, FindCoordinatorResponse };
export { IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse };
export { InitProducerIdRequest, InitProducerIdResponse };
export { ListGroupsRequest, ListGroupsResponse };
export { ListOffsetsRequest, ListOffsetsResponse };
export { ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse };
export { ListTransactionsRequest, ListTransactionsResponse };
export { MetadataRequest, MetadataResponse };
export { OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse };
export { ProduceRequest, ProduceResponse };
export { SaslAuthenticateRequest, SaslAuthenticateResponse };
export { SaslHandshakeRequest, SaslHandshakeResponse };
export { ShareAcknowledgeRequest, ShareAcknowledgeResponse };
export { ShareFetchRequest, ShareFetchResponse };
export { TxnOffsetCommitRequest, TxnOffsetCommitResponse };
export { UnregisterBrokerRequest, UnregisterBrokerResponse };
export type { LeaderIdAndEpoch, NodeEndpoint } from './leader-hints.ts';

/** Both messages of an API. They have the same versions. */
export interface Api<Request extends Message = Message, Response extends Message = Message> {
  readonly request: Request;
  readonly response: Response;
}

/** The APIs by Kafka's names. */
export const apis = {
  AddPartitionsToTxn: { request: AddPartitionsToTxnRequest, response: AddPartitionsToTxnResponse },
  AlterConfigs: { request: AlterConfigsRequest, response: AlterConfigsResponse },
  AlterPartitionReassignments: {
    request: AlterPartitionReassignmentsRequest,
    response: AlterPartitionReassignmentsResponse,
  },
  ApiVersions: { request: ApiVersionsRequest, response: ApiVersionsResponse },
  CreatePartitions: { request: CreatePartitionsRequest, response: CreatePartitionsResponse },
  CreateTopics: { request: CreateTopicsRequest, response: CreateTopicsResponse },
  DeleteRecords: { request: DeleteRecordsRequest, response: DeleteRecordsResponse },
  DeleteTopics: { request: DeleteTopicsRequest, response: DeleteTopicsResponse },
  DescribeCluster: { request: DescribeClusterRequest, response: DescribeClusterResponse },
  DescribeConfigs: { request: DescribeConfigsRequest, response: DescribeConfigsResponse },
  DescribeLogDirs: { request: DescribeLogDirsRequest, response: DescribeLogDirsResponse },
  DescribeProducers: { request: DescribeProducersRequest, response: DescribeProducersResponse },
  DescribeShareGroupOffsets: {
    request: DescribeShareGroupOffsetsRequest,
    response: DescribeShareGroupOffsetsResponse,
  },
  DescribeTopicPartitions: {
    request: DescribeTopicPartitionsRequest,
    response: DescribeTopicPartitionsResponse,
  },
  ElectLeaders: { request: ElectLeadersRequest, response: ElectLeadersResponse },
  EndTxn: { request: EndTxnRequest, response: EndTxnResponse },
  Fetch: { request: FetchRequest, response: FetchResponse },
  FindCoordinator: { request: FindCoordinatorRequest, response: FindCoordinatorResponse },
  IncrementalAlterConfigs: {
    request: IncrementalAlterConfigsRequest,
    response: IncrementalAlterConfigsResponse,
  },
  InitProducerId: { request: InitProducerIdRequest, response: InitProducerIdResponse },
  ListGroups: { request: ListGroupsRequest, response: ListGroupsResponse },
  ListOffsets: { request: ListOffsetsRequest, response: ListOffsetsResponse },
  ListPartitionReassignments: {
    request: ListPartitionReassignmentsRequest,
    response: ListPartitionReassignmentsResponse,
  },
  ListTransactions: { request: ListTransactionsRequest, response: ListTransactionsResponse },
  Metadata: { request: MetadataRequest, response: MetadataResponse },
  OffsetForLeaderEpoch: {
    request: OffsetForLeaderEpochRequest,
    response: OffsetForLeaderEpochResponse,
  },
  Produce: { request: ProduceRequest, response: ProduceResponse },
  SaslAuthenticate: { request: SaslAuthenticateRequest, response: SaslAuthenticateResponse },
  SaslHandshake: { request: SaslHandshakeRequest, response: SaslHandshakeResponse },
  ShareAcknowledge: { request: ShareAcknowledgeRequest, response: ShareAcknowledgeResponse },
  ShareFetch: { request: ShareFetchRequest, response: ShareFetchResponse },
  TxnOffsetCommit: { request: TxnOffsetCommitRequest, response: TxnOffsetCommitResponse },
  UnregisterBroker: { request: UnregisterBrokerRequest, response: UnregisterBrokerResponse },
} as const satisfies Readonly<Record<string, Api>>;

/** The same by API key. */
export const messages: ReadonlyMap<number, Api> = new Map(
  Object.values(apis).map((api) => [api.request.apiKey, api]),
);
