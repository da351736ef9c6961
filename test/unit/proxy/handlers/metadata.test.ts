import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ApiKey, isFlexible, MetadataResponse, ZERO_UUID } from '../../../../kafka/index.ts';
import { DisklessLeaders } from '../../../../proxy/handlers/diskless-leaders.ts';
import { metadataHandler } from '../../../../proxy/handlers/metadata.ts';
import { brokerIdOf } from '../../../../proxy/nodes/node-id.ts';
import { FakeTopics } from '../../../support/fake-topics.ts';
import { answerTo, bodylessRequest } from '../../../support/handler-calls.ts';
import { broker, directoryOf, member } from '../../../support/members.ts';
import { sampleOf } from '../../kafka/messages/message-samples.ts';

const IDS = [1, 2, 3];
const MEMBERS = [member(0, 'a', IDS), member(1, 'a', IDS), member(2, 'b', IDS)] as const;
const RUNS_PER_VERSION = 40;

type Topic = MetadataResponse['topics'][number];

function setUp(brokers = IDS.map(broker)) {
  const topics = new FakeTopics((nameOrId) => nameOrId.length % 2 === 0);
  const directory = directoryOf(MEMBERS, brokers);
  const leaders = new DisklessLeaders({ directory, catalog: topics });
  const noticed: unknown[] = [];
  const cluster = { notice: (seen: unknown) => void noticed.push(seen) };
  return {
    topics,
    directory,
    noticed,
    metadata: metadataHandler({ directory, leaders, cluster }),
  };
}

/** Makes a few brokers out of all int32, so that leaders are found among replicas. */
function withFewBrokers<T extends Topic>(topics: readonly T[]): T[] {
  const few = (id: number): number => [1, 2, 3, -1][Math.abs(id) % 4] ?? -1;
  const list = (ids: number[] | null): number[] | null => ids?.map(few) ?? null;
  return topics.map((topic) => ({
    ...topic,
    partitions: topic.partitions.map((partition) => {
      const lists = Object.entries(partition).filter(([, value]) => Array.isArray(value));
      const ids = lists.filter(([name]) => name !== 'unknownTags');
      return {
        ...partition,
        leaderId: few(partition.leaderId),
        ...Object.fromEntries(ids.map(([name, value]) => [name, list(value as number[])])),
      };
    }),
  }));
}

/** The same by decoding: what the splicing must come to. */
function rewritten<T extends Topic>(
  topics: readonly T[],
  leaderOf: (topic: Topic, brokerId: number, partition: number) => number,
): T[] {
  return topics.map((topic) => ({
    ...topic,
    partitions: topic.partitions.map((partition) => {
      const { leaderId, partitionIndex } = partition;
      const node = leaderId < 0 ? leaderId : leaderOf(topic, leaderId, partitionIndex);
      const lists = Object.entries(partition).flatMap(([name, value]) =>
        Array.isArray(value) && name !== 'unknownTags'
          ? [[name, (value as number[]).map((id) => (id === leaderId ? node : id))]]
          : [],
      );
      return { ...partition, leaderId: node, ...Object.fromEntries(lists) };
    }),
  }));
}

describe.each([...Array(14).keys()])('Metadata v%i', (version) => {
  const flexible = isFlexible(ApiKey.Metadata, version);

  test('names the nodes of the rack and the diskless leaders, and nothing else changes', async () => {
    await fc.assert(
      fc.asyncProperty(sampleOf(MetadataResponse, version, flexible), async (sample) => {
        const { metadata, directory, topics: catalog } = setUp();
        const body = {
          ...sample,
          brokers: IDS.map((id) => ({ nodeId: id, ...address(id), rack: null })),
          topics: withFewBrokers(sample.topics),
        };
        const answer = await answerTo(
          metadata,
          MetadataResponse,
          bodylessRequest(ApiKey.Metadata, version),
          body,
        );
        const expected = rewritten(body.topics, (topic, brokerId, partition) => {
          const known =
            topic.name === null ? catalog.byId(topic.topicId) : catalog.byName(topic.name);
          if (known?.diskless !== true) return brokerId;
          return directory.leaderOf('a', brokerId, known.name, partition);
        });
        expect(answer.topics).toEqual(expected);
        expect(answer.brokers).toEqual(
          [...directory.brokers('a'), ...directory.disklessNodes('a')].map((node) =>
            version === 0 ? { ...node, rack: null } : node,
          ),
        );
        expect({ ...answer, brokers: [], topics: [] }).toEqual({
          ...body,
          brokers: [],
          topics: [],
        });
        expect(JSON.stringify(answer.brokers)).not.toContain('real-');
      }),
      { numRuns: RUNS_PER_VERSION },
    );
  });
});

function address(id: number): { host: string; port: number } {
  const { host, port } = broker(id);
  return { host, port };
}

function bodyOf(brokerIds: readonly number[], names: readonly string[], topicId = ZERO_UUID) {
  return {
    brokers: brokerIds.map((id) => ({ nodeId: id, ...address(id) })),
    clusterId: 'cluster',
    controllerId: 1,
    topics: names.map((name) => ({
      errorCode: 0,
      name,
      topicId,
      partitions: [
        { errorCode: 0, partitionIndex: 0, leaderId: 2, replicaNodes: [1, 2], isrNodes: [2] },
      ],
    })),
  };
}

test('clients are given the nodes of the rack in their client id', async () => {
  const { metadata, directory } = setUp();
  const request = bodylessRequest(ApiKey.Metadata, 12, 'app,diskless_az=b');
  const answer = await answerTo(metadata, MetadataResponse, request, bodyOf(IDS, ['even']));
  expect(answer.brokers.every(({ host }) => host === 'proxy-2')).toBe(true);
  expect(answer.topics[0]?.partitions[0]?.leaderId).toBe(directory.leaderOf('b', 2, 'even', 0));
});

test('a broker that no member has a node for is left out, and the cluster is asked', async () => {
  const { metadata, noticed } = setUp();
  const request = bodylessRequest(ApiKey.Metadata, 12);
  const answer = await answerTo(metadata, MetadataResponse, request, bodyOf([1, 9], []));
  expect(new Set(answer.brokers.map(({ nodeId }) => brokerIdOf(nodeId)))).toEqual(new Set([1]));
  expect(noticed).toEqual([[1, 9].map((id) => ({ id, ...address(id) }))]);
});

test('topics are looked up before an answer without topic ids, and learned from one with', async () => {
  const { metadata, topics } = setUp();
  const old = bodylessRequest(ApiKey.Metadata, 9);
  const first = await answerTo(metadata, MetadataResponse, old, bodyOf(IDS, ['even', 'odd']));
  expect(topics.lookedUp).toEqual(['even', 'odd']);
  expect(first.topics.map(({ partitions }) => partitions[0]?.leaderId === 2)).toEqual([
    false,
    true,
  ]);
  await answerTo(metadata, MetadataResponse, old, bodyOf(IDS, ['even', 'odd']));
  expect(topics.lookedUp).toHaveLength(2);

  const id = 'AAAAAAAAAAAAAAAAAAAAAQ';
  const recent = bodylessRequest(ApiKey.Metadata, 10);
  await answerTo(metadata, MetadataResponse, recent, bodyOf(IDS, ['more'], id));
  expect(topics.learned).toEqual([{ name: 'more', topicId: id }]);
  expect(topics.lookedUp).toHaveLength(2);
});

test('an answer passes unchanged in its topics when they cannot be looked up', async () => {
  const { metadata, topics } = setUp();
  topics.lookUp = async () => Promise.reject(new Error('no broker'));
  const request = bodylessRequest(ApiKey.Metadata, 1);
  const answer = await answerTo(metadata, MetadataResponse, request, bodyOf(IDS, ['even']));
  expect(answer.topics[0]?.partitions[0]?.leaderId).toBe(2);
});
