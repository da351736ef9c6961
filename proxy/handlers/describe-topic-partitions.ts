/**
 * DescribeTopicPartitions (KIP-966): the leaders of diskless partitions become their diskless nodes,
 * in place. The answer has no addresses.
 */
import { Reader, parseResponseHeader } from '../../kafka/index.ts';
import type { RequestHandler } from '../connection/handler.ts';
import type { NodeDirectory } from '../nodes/node-directory.ts';
import type { DisklessLeaders } from './diskless-leaders.ts';
import { skimTopics, type TopicLayout } from './topic-skim.ts';

export interface DescribeTopicPartitionsDependencies {
  readonly directory: NodeDirectory;
  readonly leaders: DisklessLeaders;
}

const THROTTLE_TIME_BYTES = 4;
const LAYOUT: TopicLayout = {
  flexible: true,
  topicId: true,
  isInternal: true,
  authorizedOperations: true,
  leaderEpoch: true,
  // Replicas, ISR, eligible leaders, last known eligible leaders, offline replicas.
  replicaLists: 5,
};

/** @returns the handler of DescribeTopicPartitions */
export function describeTopicPartitionsHandler({
  directory,
  leaders,
}: DescribeTopicPartitionsDependencies): RequestHandler {
  return {
    handle: (request, { log }) => ({
      kind: 'forward',
      frame: [request.frame],
      reply: (frame) => {
        const { bodyOffset } = parseResponseHeader(frame, request.apiKey, request.apiVersion);
        const topics = skimTopics(new Reader(frame, bodyOffset + THROTTLE_TIME_BYTES), LAYOUT);
        const rack = directory.rackOf(request.clientId);
        const patched = leaders.patch({ frame, layout: LAYOUT, topics, rack, log });
        const reply = { chunks: [frame] };
        return patched === undefined ? reply : patched.then(() => reply);
      },
    }),
  };
}
