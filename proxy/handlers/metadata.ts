/**
 * Metadata (DESIGN §4): the broker list becomes the list of nodes, and the leaders of diskless
 * partitions their diskless nodes. The rest of the answer, which may have 100,000 partitions, is
 * neither decoded nor copied.
 */
import { Reader, Writer, isFlexible, parseResponseHeader } from '../../kafka/index.ts';
import type { ClusterView } from '../cluster/cluster-view.ts';
import type {
  ClientRequest,
  ConnectionContext,
  Reply,
  RequestHandler,
} from '../connection/handler.ts';
import type { DirectoryNode, NodeDirectory } from '../nodes/node-directory.ts';
import { brokerIdOf } from '../nodes/node-id.ts';
import type { DisklessLeaders } from './diskless-leaders.ts';
import { readString, skimTopics, skipTags, type TopicLayout } from './topic-skim.ts';

export interface MetadataDependencies {
  readonly directory: NodeDirectory;
  readonly leaders: DisklessLeaders;
  readonly cluster: Pick<ClusterView, 'notice'>;
}

const VERSION = {
  rackAndController: 1,
  clusterId: 2,
  throttleTime: 3,
  offlineReplicas: 5,
  leaderEpoch: 7,
  authorizedOperations: 8,
  topicId: 10,
} as const;

interface SeenBroker {
  readonly id: number;
  readonly host: string;
  readonly port: number;
}

/** @returns the handler of Metadata */
export function metadataHandler(dependencies: MetadataDependencies): RequestHandler {
  return {
    handle: (request, connection) => ({
      kind: 'forward',
      frame: [request.frame],
      reply: (frame) => rewrite(dependencies, request, connection, frame),
    }),
  };
}

function rewrite(
  { directory, leaders, cluster }: MetadataDependencies,
  request: ClientRequest,
  { log }: ConnectionContext,
  frame: Buffer,
): Reply | Promise<Reply> {
  const { apiKey, apiVersion: version } = request;
  const flexible = isFlexible(apiKey, version);
  const reader = new Reader(frame, parseResponseHeader(frame, apiKey, version).bodyOffset);
  if (version >= VERSION.throttleTime) reader.skip(4);
  const brokersAt = reader.position;
  const brokers = readBrokers(reader, version, flexible);
  const brokersEnd = reader.position;
  if (version >= VERSION.clusterId) readString(reader, flexible);
  if (version >= VERSION.rackAndController) reader.skip(4);
  const layout = layoutOf(version, flexible);
  const topics = skimTopics(reader, layout);
  cluster.notice(brokers);

  const rack = directory.rackOf(request.clientId);
  const nodes = writeBrokers(nodesFor(directory, rack, brokers), version, flexible);
  const reply: Reply = {
    chunks: [frame.subarray(0, brokersAt), ...nodes, frame.subarray(brokersEnd)],
  };
  const patched = leaders.patch({ frame, layout, topics, rack, log });
  return patched === undefined ? reply : patched.then(() => reply);
}

function layoutOf(version: number, flexible: boolean): TopicLayout {
  return {
    flexible,
    topicId: version >= VERSION.topicId,
    isInternal: version >= VERSION.rackAndController,
    authorizedOperations: version >= VERSION.authorizedOperations,
    leaderEpoch: version >= VERSION.leaderEpoch,
    replicaLists: version >= VERSION.offlineReplicas ? 3 : 2,
  };
}

/** The nodes of the brokers that the answer names; a broker without nodes yet is left out. */
function nodesFor(
  directory: NodeDirectory,
  rack: string,
  brokers: readonly SeenBroker[],
): DirectoryNode[] {
  const named = new Set(brokers.map(({ id }) => id));
  const all = [...directory.brokers(rack), ...directory.disklessNodes(rack)];
  return all.filter(({ nodeId }) => named.has(brokerIdOf(nodeId)));
}

function readBrokers(reader: Reader, version: number, flexible: boolean): SeenBroker[] {
  const brokers: SeenBroker[] = [];
  const count = flexible ? reader.uvarint() - 1 : reader.int32();
  for (let left = count; left > 0; left--) {
    const id = reader.int32();
    const host = readString(reader, flexible) ?? '';
    const port = reader.int32();
    if (version >= VERSION.rackAndController) readString(reader, flexible);
    if (flexible) skipTags(reader);
    brokers.push({ id, host, port });
  }
  return brokers;
}

function writeBrokers(
  nodes: readonly DirectoryNode[],
  version: number,
  flexible: boolean,
): Buffer[] {
  const writer = new Writer();
  const writeLength = (target: Writer, bytes: number): void =>
    flexible ? target.uvarint(bytes + 1) : target.int16(bytes);
  if (flexible) writer.uvarint(nodes.length + 1);
  else writer.int32(nodes.length);
  for (const { nodeId, host, port, rack } of nodes) {
    writer.int32(nodeId);
    writer.utf8(host, writeLength);
    writer.int32(port);
    if (version >= VERSION.rackAndController) {
      if (rack === null) writeLength(writer, -1);
      else writer.utf8(rack, writeLength);
    }
    if (flexible) writer.uvarint(0);
  }
  return writer.chunks();
}
