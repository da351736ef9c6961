/** FindCoordinator: coordinators are reached on the classic nodes of their brokers. */
import { FindCoordinatorResponse, KafkaErrorCode } from '../../kafka/index.ts';
import type { ClusterView } from '../cluster/cluster-view.ts';
import type { RequestHandler } from '../connection/handler.ts';
import { changedReply, decodeReply } from '../connection/recode.ts';
import type { NodeDirectory } from '../nodes/node-directory.ts';

export interface FindCoordinatorDependencies {
  readonly directory: NodeDirectory;
  readonly cluster: Pick<ClusterView, 'askSoon'>;
}

/** From here on one answer has many coordinators (KIP-699). */
const VERSION_BATCHED = 4;

/** What both forms of the answer say about one coordinator. */
interface Coordinator {
  nodeId: number;
  host: string;
  port: number;
  errorCode: number;
  errorMessage: string | null;
}

/** @returns the handler of FindCoordinator */
export function findCoordinatorHandler(dependencies: FindCoordinatorDependencies): RequestHandler {
  return {
    handle: (request) => ({
      kind: 'forward',
      frame: [request.frame],
      reply: (frame) => {
        const { header, body } = decodeReply(FindCoordinatorResponse, request, frame);
        const rack = dependencies.directory.rackOf(request.clientId);
        const found = request.apiVersion < VERSION_BATCHED ? [body] : body.coordinators;
        for (const coordinator of found) relocate(dependencies, rack, coordinator);
        return changedReply(FindCoordinatorResponse, request, header, body);
      },
    }),
  };
}

function relocate(
  { directory, cluster }: FindCoordinatorDependencies,
  rack: string,
  coordinator: Coordinator,
): void {
  if (coordinator.nodeId < 0) return; // none was found
  const address = directory.classicAddress(rack, coordinator.nodeId);
  if (address !== undefined) {
    coordinator.host = address.host;
    coordinator.port = address.port;
    return;
  }
  // A broker that has just joined: clients ask again.
  cluster.askSoon();
  coordinator.nodeId = -1;
  coordinator.host = '';
  coordinator.port = -1;
  coordinator.errorCode = KafkaErrorCode.COORDINATOR_NOT_AVAILABLE;
  coordinator.errorMessage = null;
}
