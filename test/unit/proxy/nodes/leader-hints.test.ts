import { describe, expect, test } from 'vitest';
import {
  ApiKey,
  FetchResponse,
  ProduceResponse,
  ShareAcknowledgeResponse,
  ShareFetchResponse,
} from '../../../../kafka/index.ts';
import { shareAcknowledgeHandler } from '../../../../proxy/handlers/share-acknowledge.ts';
import {
  brokerResourceName,
  brokerThrottledReplicas,
} from '../../../../proxy/nodes/broker-references.ts';
import { disklessNodeId } from '../../../../proxy/nodes/node-id.ts';
import { LeaderHints } from '../../../../proxy/nodes/leader-hints.ts';
import { FakeTopics } from '../../../support/fake-topics.ts';
import { answerTo, bodylessRequest } from '../../../support/handler-calls.ts';
import { broker, directoryOf, member } from '../../../support/members.ts';

const IDS = [1, 2];
const NODE = disklessNodeId(0, 2);
const DISKLESS_ID = 'AAAAAAAAAAAAAAAAAAAAAQ';
const CLASSIC_ID = 'AAAAAAAAAAAAAAAAAAAAAg';
const CLASSIC_ENDPOINT = { nodeId: 2, host: 'proxy-0', port: 19_102, rack: 'rack-of-2' };
const DISKLESS_ENDPOINT = { nodeId: NODE, host: 'proxy-0', port: 19_103, rack: 'a' };
const REAL_ENDPOINTS = IDS.map((id) => ({
  nodeId: id,
  host: `real-${id}`,
  port: 9092,
  rack: null,
}));

const catalog = new FakeTopics((nameOrId) => nameOrId === 'diskless' || nameOrId === DISKLESS_ID);
catalog.learn([
  { name: 'diskless', topicId: DISKLESS_ID },
  { name: 'classic', topicId: CLASSIC_ID },
]);
const directory = directoryOf([member(0, 'a', IDS)], IDS.map(broker));
const hints = new LeaderHints({ directory, catalog });
const currentLeader = () => ({ leaderId: 2, leaderEpoch: 7 });

function produced(name: string, topicId: string): ProduceResponse {
  const partition = {
    index: 0,
    errorCode: 6,
    baseOffset: -1n,
    logAppendTimeMs: -1n,
    logStartOffset: -1n,
    recordErrors: [],
    errorMessage: null,
    currentLeader: currentLeader(),
  };
  return {
    responses: [{ name, topicId, partitionResponses: [partition] }],
    throttleTimeMs: 0,
    nodeEndpoints: REAL_ENDPOINTS,
  };
}

describe.each([
  ['diskless', DISKLESS_ID, NODE, DISKLESS_ENDPOINT],
  ['classic', CLASSIC_ID, 2, CLASSIC_ENDPOINT],
])('the new leader of a %s partition', (name, topicId, nodeId, endpoint) => {
  test.each([12, 13])('is named with the address of its node in Produce v%i', (version) => {
    const body = version < 13 ? produced(name, '') : produced('', topicId);
    expect(hints.rewriteProduce(body, bodylessRequest(ApiKey.Produce, version))).toBe(true);
    expect(body.responses[0]?.partitionResponses[0]?.currentLeader).toEqual({
      leaderId: nodeId,
      leaderEpoch: 7,
    });
    expect(body.nodeEndpoints).toEqual([endpoint]);
  });

  test.each([12, 17])('and the preferred replica are named in Fetch v%i', (version) => {
    const decodedBody = FetchResponse.decode(
      Buffer.concat(
        FetchResponse.encode(
          {
            responses: [
              {
                ...(version < 13 ? { topic: name } : { topicId }),
                partitions: [
                  {
                    partitionIndex: 0,
                    errorCode: 6,
                    highWatermark: 0n,
                    preferredReadReplica: 2,
                    currentLeader: currentLeader(),
                  },
                ],
              },
            ],
            nodeEndpoints: version < 16 ? [] : REAL_ENDPOINTS,
          },
          version,
        ),
      ),
      version,
    );
    expect(hints.rewriteFetch(decodedBody, bodylessRequest(ApiKey.Fetch, version))).toBe(true);
    expect(decodedBody.responses[0]?.partitions[0]).toMatchObject({
      preferredReadReplica: nodeId,
      currentLeader: { leaderId: nodeId, leaderEpoch: 7 },
    });
    expect(decodedBody.nodeEndpoints).toEqual([endpoint]);
  });

  test.each([1, 2])('is named in ShareAcknowledge v%i', async (version) => {
    const partition = { partitionIndex: 0, errorCode: 6, errorMessage: null };
    const answer = await answerTo(
      shareAcknowledgeHandler(hints),
      ShareAcknowledgeResponse,
      bodylessRequest(ApiKey.ShareAcknowledge, version),
      {
        throttleTimeMs: 0,
        errorCode: 0,
        errorMessage: null,
        responses: [{ topicId, partitions: [{ ...partition, currentLeader: currentLeader() }] }],
        nodeEndpoints: REAL_ENDPOINTS,
      },
    );
    expect(answer.responses[0]?.partitions[0]?.currentLeader.leaderId).toBe(nodeId);
    expect(answer.nodeEndpoints).toEqual([endpoint]);
  });
});

test('an answer without hints is left as it is', () => {
  const body = produced('diskless', '');
  body.nodeEndpoints = [];
  for (const { partitionResponses } of body.responses) {
    for (const partition of partitionResponses) partition.currentLeader.leaderId = -1;
  }
  const before = structuredClone(body);
  expect(hints.rewriteProduce(body, bodylessRequest(ApiKey.Produce, 12))).toBe(false);
  expect(body).toEqual(before);
});

test('addresses of brokers that no partition names do not get through', () => {
  const body: ShareFetchResponse = {
    throttleTimeMs: 0,
    errorCode: 0,
    errorMessage: null,
    acquisitionLockTimeoutMs: 0,
    responses: [],
    nodeEndpoints: REAL_ENDPOINTS,
  };
  expect(hints.rewriteShareFetch(body, bodylessRequest(ApiKey.ShareFetch, 1))).toBe(true);
  expect(body.nodeEndpoints).toEqual([]);
});

test('a config resource that names a diskless node means its broker', () => {
  expect(brokerResourceName(String(NODE))).toBe('2');
  for (const name of ['', '2', 'topic', `${NODE}a`, '99999999999']) {
    expect(brokerResourceName(name)).toBe(name);
  }
});

test('throttled replicas that name diskless nodes mean their brokers', () => {
  expect(brokerThrottledReplicas(`0:${NODE},1:3,2:${NODE}`)).toBe('0:2,1:3,2:2');
  for (const value of ['*', '', '0:1,1:2', 'nonsense', '1:', ':5']) {
    expect(brokerThrottledReplicas(value)).toBe(value);
  }
});
