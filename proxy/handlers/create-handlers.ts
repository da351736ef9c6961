/** All handlers, each with what it needs. */
import type { ClusterClient, KeyRing } from '../../kafka/index.ts';
import type { ClusterView } from '../cluster/cluster-view.ts';
import type { RequestHandler } from '../connection/handler.ts';
import type { DataPath } from '../data-path.ts';
import { fetchHandler } from '../fetch/fetch-handler.ts';
import { shareFetchHandler } from '../fetch/share-fetch-handler.ts';
import { LeaderHints } from '../nodes/leader-hints.ts';
import type { NodeDirectory } from '../nodes/node-directory.ts';
import { produceHandler } from '../produce/produce-handler.ts';
import type { ProxyOptions } from '../proxy-options.ts';
import { LogReader } from '../read/log-reader.ts';
import type { Topics } from '../topics/open-topics.ts';
import { systemClock } from '../../runtime/index.ts';
import { alterConfigsHandler, incrementalAlterConfigsHandler } from './alter-configs.ts';
import { apiVersionsHandler } from './api-versions.ts';
import {
  alterPartitionReassignmentsHandler,
  createPartitionsHandler,
  unregisterBrokerHandler,
} from './broker-ids.ts';
import { createTopicsHandler } from './create-topics.ts';
import { deleteRecordsHandler } from './delete-records.ts';
import { deleteTopicsHandler } from './delete-topics.ts';
import { describeClusterHandler } from './describe-cluster.ts';
import { describeConfigsHandler } from './describe-configs.ts';
import { DisklessLeaders } from './diskless-leaders.ts';
import { findCoordinatorHandler } from './find-coordinator.ts';
import { handlerTable } from './handler-table.ts';
import { listOffsetsHandler } from './list-offsets.ts';
import { metadataHandler } from './metadata.ts';
import {
  describeLogDirsHandler,
  listGroupsHandler,
  listTransactionsHandler,
} from './node-scoped.ts';
import { offsetForLeaderEpochHandler } from './offset-for-leader-epoch.ts';
import { saslHandshakeHandler } from './sasl.ts';
import { shareAcknowledgeHandler } from './share-acknowledge.ts';

export interface HandlerDependencies {
  readonly options: ProxyOptions;
  readonly cluster: ClusterView;
  readonly client: ClusterClient;
  readonly directory: NodeDirectory;
  readonly topics: Topics;
  readonly data: DataPath;
  readonly keyRing: KeyRing;
}

/** @returns the handler of any API; undefined if it is hidden */
export function createHandlers(
  dependencies: HandlerDependencies,
): (apiKey: number) => RequestHandler | undefined {
  const { options, cluster, client, directory, topics, data, keyRing } = dependencies;
  const { catalog, admin } = topics;
  const { writer, resolver, filler, answerFiller, belowStart, ratios } = data;
  const { starts, storedOffsets, startRequests: requests } = data;
  const { views } = data.stored;
  const clock = systemClock;
  const answerBytesMax = options.memory.fetchResponseBytesMax;
  const leaders = new DisklessLeaders({ directory, catalog });
  const leaderHints = new LeaderHints({ directory, catalog });
  const storeFailurePolicy = options.store.failurePolicy;
  const storeAvailable = (): boolean => writer.health() === 'ok';
  const share = { catalog, keyRing, filler, ratios, leaderHints, storeAvailable, answerBytesMax };
  return handlerTable({
    Produce: produceHandler({ catalog, writer, keyRing, leaderHints, storeFailurePolicy, clock }),
    Fetch: fetchHandler({
      catalog,
      answerFiller,
      belowStart,
      ratios,
      leaderHints,
      answerBytesMax,
      clock,
    }),
    ShareFetch: shareFetchHandler({ ...share, clock }),
    ShareAcknowledge: shareAcknowledgeHandler(leaderHints),
    ListOffsets: listOffsetsHandler({
      catalog,
      logReader: new LogReader(client),
      resolver,
      keyRing,
      views,
      starts,
      storedOffsets,
    }),
    OffsetForLeaderEpoch: offsetForLeaderEpochHandler({ catalog, views, storedOffsets }),
    DeleteRecords: deleteRecordsHandler({ catalog, views, starts, requests }),
    Metadata: metadataHandler({ directory, leaders, cluster }),
    FindCoordinator: findCoordinatorHandler({ directory, cluster }),
    DescribeCluster: describeClusterHandler({ directory, cluster }),
    ApiVersions: apiVersionsHandler,
    SaslHandshake: saslHandshakeHandler,
    ListGroups: listGroupsHandler,
    ListTransactions: listTransactionsHandler,
    DescribeLogDirs: describeLogDirsHandler,
    AlterPartitionReassignments: alterPartitionReassignmentsHandler,
    CreatePartitions: createPartitionsHandler,
    UnregisterBroker: unregisterBrokerHandler,
    CreateTopics: createTopicsHandler({ admin }),
    DeleteTopics: deleteTopicsHandler({ admin, catalog }),
    DescribeConfigs: describeConfigsHandler({ admin, catalog }),
    AlterConfigs: alterConfigsHandler({ admin }),
    IncrementalAlterConfigs: incrementalAlterConfigsHandler({ admin }),
  });
}
