/** DescribeCluster (KIP-700): the brokers only, under the addresses of their classic nodes. */
import { DescribeClusterResponse } from '../../kafka/index.ts';
import type { ClusterView } from '../cluster/cluster-view.ts';
import type { RequestHandler } from '../connection/handler.ts';
import { changedReply, decodeReply } from '../connection/recode.ts';
import type { NodeDirectory } from '../nodes/node-directory.ts';

export interface DescribeClusterDependencies {
  readonly directory: NodeDirectory;
  readonly cluster: Pick<ClusterView, 'askSoon'>;
}

type DescribedBroker = DescribeClusterResponse['brokers'][number];

/** @returns the handler of DescribeCluster */
export function describeClusterHandler({
  directory,
  cluster,
}: DescribeClusterDependencies): RequestHandler {
  return {
    handle: (request) => ({
      kind: 'forward',
      frame: [request.frame],
      reply: (frame) => {
        const { header, body } = decodeReply(DescribeClusterResponse, request, frame);
        const rack = directory.rackOf(request.clientId);
        const brokers: DescribedBroker[] = [];
        for (const broker of body.brokers) {
          const address = directory.classicAddress(rack, broker.brokerId);
          if (address !== undefined) brokers.push({ ...broker, ...address });
          // A fenced broker serves nobody, but operators want to see it.
          else if (broker.isFenced) brokers.push({ ...broker, host: '', port: -1 });
          else cluster.askSoon();
        }
        return changedReply(DescribeClusterResponse, request, header, { ...body, brokers });
      },
    }),
  };
}
