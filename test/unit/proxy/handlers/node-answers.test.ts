import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  AlterPartitionReassignmentsRequest,
  ApiKey,
  CreatePartitionsRequest,
  DescribeClusterResponse,
  DescribeLogDirsResponse,
  FindCoordinatorResponse,
  isFlexible,
  KafkaErrorCode,
  ListGroupsResponse,
  ListTransactionsResponse,
  type Message,
  SaslHandshakeRequest,
  SaslHandshakeResponse,
  UnregisterBrokerRequest,
} from '../../../../kafka/index.ts';
import type { Node, RequestHandler } from '../../../../proxy/connection/handler.ts';
import {
  alterPartitionReassignmentsHandler,
  createPartitionsHandler,
  unregisterBrokerHandler,
} from '../../../../proxy/handlers/broker-ids.ts';
import { describeClusterHandler } from '../../../../proxy/handlers/describe-cluster.ts';
import { findCoordinatorHandler } from '../../../../proxy/handlers/find-coordinator.ts';
import {
  describeLogDirsHandler,
  listGroupsHandler,
  listTransactionsHandler,
} from '../../../../proxy/handlers/node-scoped.ts';
import { saslHandshakeHandler } from '../../../../proxy/handlers/sasl.ts';
import { disklessNodeId } from '../../../../proxy/nodes/node-id.ts';
import {
  answerTo,
  bodylessRequest,
  bytesOf,
  clientRequest,
  decoded,
  forwarded,
  handledAtOnce,
} from '../../../support/handler-calls.ts';
import { broker, directoryOf, member } from '../../../support/members.ts';
import { sampleOf } from '../../kafka/messages/message-samples.ts';

const IDS = [1, 2, 3];
const directory = directoryOf([member(0, 'a', IDS)], IDS.map(broker));
const RUNS_PER_VERSION = 30;

function versionsOf({ versions: [first, last] }: Message): number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}

function countingCluster() {
  let asked = 0;
  return { askSoon: () => void (asked += 1), asked: () => asked };
}

describe.each(versionsOf(FindCoordinatorResponse))('FindCoordinator v%i', (version) => {
  const request = bodylessRequest(ApiKey.FindCoordinator, version);
  const coordinator = (nodeId: number, errorCode = 0) => {
    const found = { nodeId, host: `real-${nodeId}`, port: 9092, errorCode };
    return version < 4 ? found : { coordinators: [{ ...found, key: 'group' }] };
  };
  const found = (answer: FindCoordinatorResponse) =>
    version < 4 ? answer : answer.coordinators[0];

  test('gives the address of the classic node', async () => {
    const cluster = countingCluster();
    const handler = findCoordinatorHandler({ directory, cluster });
    const answer = await answerTo(handler, FindCoordinatorResponse, request, coordinator(2));
    expect(found(answer)).toMatchObject({ nodeId: 2, host: 'proxy-0', port: 19_102, errorCode: 0 });
    expect(cluster.asked()).toBe(0);
  });

  test('leaves an answer without a coordinator as it is', async () => {
    const handler = findCoordinatorHandler({ directory, cluster: countingCluster() });
    const none = coordinator(-1, KafkaErrorCode.COORDINATOR_NOT_AVAILABLE);
    const answer = await answerTo(handler, FindCoordinatorResponse, request, none);
    expect(found(answer)).toMatchObject({ nodeId: -1, errorCode: 15 });
  });

  test('does not show a broker that has no node yet', async () => {
    const cluster = countingCluster();
    const handler = findCoordinatorHandler({ directory, cluster });
    const answer = await answerTo(handler, FindCoordinatorResponse, request, coordinator(9));
    expect(found(answer)).toMatchObject({ nodeId: -1, host: '', port: -1, errorCode: 15 });
    expect(cluster.asked()).toBe(1);
  });
});

test.each(versionsOf(DescribeClusterResponse))(
  'DescribeCluster v%i lists the brokers under our addresses, fenced ones without',
  async (version) => {
    const cluster = countingCluster();
    const handler = describeClusterHandler({ directory, cluster });
    const request = bodylessRequest(ApiKey.DescribeCluster, version);
    const brokers = [1, 8, 9].map((id) => ({
      brokerId: id,
      host: `real-${id}`,
      port: 9092,
      rack: 'r',
      isFenced: version >= 2 && id === 9,
    }));
    const body = { errorCode: 0, errorMessage: null, clusterId: 'c', controllerId: 2, brokers };
    const answer = await answerTo(handler, DescribeClusterResponse, request, {
      throttleTimeMs: 1,
      clusterAuthorizedOperations: 5,
      ...body,
    });
    expect(answer).toMatchObject({ clusterId: 'c', controllerId: 2, throttleTimeMs: 1 });
    expect(answer.brokers).toEqual([
      { brokerId: 1, host: 'proxy-0', port: 19_100, rack: 'r', isFenced: false },
      ...(version >= 2 ? [{ brokerId: 9, host: '', port: -1, rack: 'r', isFenced: true }] : []),
    ]);
    expect(cluster.asked()).toBe(version >= 2 ? 1 : 2);
  },
);

describe('what clients ask every node', () => {
  const nodes: Node[] = [
    { kind: 'bootstrap' },
    { kind: 'classic', brokerId: 1 },
    { kind: 'diskless', brokerId: 1 },
  ];

  function check<Value, Input>(
    handler: RequestHandler,
    message: Message<Value, Input>,
    emptied: (body: Value) => Value,
  ): void {
    test.each(versionsOf(message))(`${message.name} v%i is empty on diskless nodes`, async (v) => {
      const sample = sampleOf(message, v, isFlexible(message.apiKey, v));
      await fc.assert(
        fc.asyncProperty(sample, async (body) => {
          for (const node of nodes) {
            const request = bodylessRequest(message.apiKey, v);
            // What was decoded can always be encoded.
            const answer = await answerTo(handler, message, request, body as never, node);
            expect(answer).toEqual(node.kind === 'diskless' ? emptied(body) : body);
          }
        }),
        { numRuns: RUNS_PER_VERSION },
      );
    });
  }

  check(listGroupsHandler, ListGroupsResponse, (body) => ({ ...body, groups: [] }));
  check(listTransactionsHandler, ListTransactionsResponse, (body) => {
    return { ...body, transactionStates: [] };
  });
  check(describeLogDirsHandler, DescribeLogDirsResponse, (body) => ({
    ...body,
    results: body.results.map((result) => {
      return { ...result, topics: [], totalBytes: -1n, usableBytes: -1n };
    }),
  }));
});

describe('requests that name diskless nodes mean their brokers', () => {
  const virtual = disklessNodeId(3, 2);

  test.each([0, 1])('AlterPartitionReassignments v%i', (version) => {
    const body = (replicas: number[]) => ({
      topics: [
        {
          name: 't',
          partitions: [
            { partitionIndex: 0, replicas },
            { partitionIndex: 1, replicas: null },
          ],
        },
      ],
    });
    const message = AlterPartitionReassignmentsRequest;
    const request = clientRequest(message, version, body([1, virtual]));
    expect(forwarded(handledAtOnce(alterPartitionReassignmentsHandler, request))).toEqual(
      clientRequest(message, version, body([1, 2])).frame,
    );
  });

  test.each([0, 1, 2, 3])('CreatePartitions v%i', (version) => {
    const body = (brokerIds: number[]) => ({
      topics: [
        { name: 't', count: 2, assignments: [{ brokerIds }] },
        { name: 'u', count: 2, assignments: null },
      ],
      timeoutMs: 1,
      validateOnly: false,
    });
    const message = CreatePartitionsRequest;
    const request = clientRequest(message, version, body([virtual, 3]));
    expect(forwarded(handledAtOnce(createPartitionsHandler, request))).toEqual(
      clientRequest(message, version, body([2, 3])).frame,
    );
  });

  test('UnregisterBroker', () => {
    const message = UnregisterBrokerRequest;
    const request = clientRequest(message, 0, { brokerId: virtual });
    expect(forwarded(handledAtOnce(unregisterBrokerHandler, request))).toEqual(
      clientRequest(message, 0, { brokerId: 2 }).frame,
    );
    const plain = clientRequest(message, 0, { brokerId: 7 });
    expect(forwarded(handledAtOnce(unregisterBrokerHandler, plain))).toEqual(plain.frame);
  });
});

test('SASL tokens that would travel without headers are refused, others are relayed', () => {
  const relayed = clientRequest(SaslHandshakeRequest, 1, { mechanism: 'PLAIN' });
  expect(forwarded(handledAtOnce(saslHandshakeHandler, relayed))).toEqual(relayed.frame);
  const raw = clientRequest(SaslHandshakeRequest, 0, { mechanism: 'PLAIN' });
  const handled = handledAtOnce(saslHandshakeHandler, raw);
  if (handled.kind !== 'answer') throw new Error('the broker was asked');
  expect(handled.close).toBe(true);
  expect(decoded(SaslHandshakeResponse, 0, bytesOf(handled.reply))).toEqual({
    errorCode: KafkaErrorCode.UNSUPPORTED_VERSION,
    mechanisms: [],
  });
});
