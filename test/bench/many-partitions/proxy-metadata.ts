/**
 * What a member does with an answer of the cluster that names every partition: rewrites it for a
 * client, and decodes it at its own start if `diskless.topics` is set.
 */
import { threadCpuUsage } from 'node:process';
import { apis, ApiKey, MetadataResponse } from '../../../kafka/index.ts';
import { DisklessLeaders } from '../../../proxy/handlers/diskless-leaders.ts';
import { metadataHandler } from '../../../proxy/handlers/metadata.ts';
import { FakeTopics } from '../../support/fake-topics.ts';
import { brokerFrame, bodylessRequest, replyTo } from '../../support/handler-calls.ts';
import { broker, directoryOf, member } from '../../support/members.ts';
import {
  BROKERS,
  leaderOf,
  LEADER_EPOCH,
  topicIdOf,
  topicNameOf,
  type ClusterShape,
} from './cluster-shape.ts';

const VERSION = 12;
const RACKS = ['a', 'b', 'c'];
const RUNS = 9;

/** CPU time in milliseconds, at the median, all of it within one turn of the event loop. */
export interface MetadataFigures {
  readonly answerBytes: number;
  readonly classicMs: number;
  readonly disklessMs: number;
  readonly decodeMs: number;
}

export async function measureMetadata(shape: ClusterShape): Promise<MetadataFigures> {
  const frame = answerOf(shape);
  const request = bodylessRequest(ApiKey.Metadata, VERSION);
  const rewriteMs = async (isDiskless: boolean): Promise<number> => {
    const handler = handlerOf(isDiskless);
    return await medianMs(async () => void (await replyTo(handler, request, Buffer.from(frame))));
  };
  return {
    answerBytes: frame.length,
    classicMs: await rewriteMs(false),
    disklessMs: await rewriteMs(true),
    // Behind the correlation id and an empty section of tags.
    decodeMs: await medianMs(async () => void apis.Metadata.response.decode(frame, VERSION, 5)),
  };
}

function handlerOf(isDiskless: boolean) {
  const ids = Array.from({ length: BROKERS }, (_, index) => index + 1);
  const [first, ...others] = RACKS.map((rack, index) => member(index, rack, ids));
  if (first === undefined) throw new Error('there are members');
  const directory = directoryOf([first, ...others], ids.map(broker));
  const catalog = new FakeTopics(() => isDiskless);
  const leaders = new DisklessLeaders({ directory, catalog });
  return metadataHandler({ directory, leaders, cluster: { notice: () => {} } });
}

function answerOf({ topics, partitionsPerTopic }: ClusterShape): Buffer {
  const replicas = Array.from({ length: BROKERS }, (_, index) => index + 1);
  return brokerFrame(MetadataResponse, VERSION, {
    brokers: replicas.map((nodeId) => ({ nodeId, host: 'kafka', port: 9092, rack: null })),
    clusterId: 'cluster',
    topics: Array.from({ length: topics }, (_, topic) => ({
      errorCode: 0,
      name: topicNameOf(topic),
      topicId: topicIdOf(topic),
      partitions: Array.from({ length: partitionsPerTopic }, (_, partition) => ({
        errorCode: 0,
        partitionIndex: partition,
        leaderId: leaderOf(topic, partition),
        leaderEpoch: LEADER_EPOCH,
        replicaNodes: replicas,
        isrNodes: replicas,
      })),
    })),
  });
}

async function medianMs(work: () => Promise<void>): Promise<number> {
  const runs: number[] = [];
  for (let run = 0; run < RUNS; run++) {
    const before = threadCpuUsage();
    await work();
    const { user, system } = threadCpuUsage(before);
    runs.push((user + system) / 1_000);
  }
  return runs.toSorted((left, right) => left - right)[Math.floor(RUNS / 2)] ?? 0;
}
