/**
 * `ClusterLog` over the brokers' own protocol. It keeps nothing but connections, retries nothing
 * and judges nothing but who has answered: what names another leader or epoch than was asked for is
 * no answer.
 */
import type { Logger } from 'pino';
import { apis, KafkaErrorCode } from '../../kafka/index.ts';
import { OutriggerError } from '../../kafka/index.ts';
import type { ClusterClient, MetadataResponse } from '../../kafka/index.ts';
import { partitionKey } from '../../storage/index.ts';
import { AnswerSize } from './answer-size.ts';
import { DENIED, ELSEWHERE, refused } from './broker-errors.ts';
import type {
  ClusterLog,
  LogEnd,
  LogPartition,
  LogTopic,
  PartitionLeader,
  ReadOutcome,
  ReadRequest,
} from './cluster-log.ts';
import { askEveryBroker, type AskedTopic, type EveryAnswer } from './every-broker.ts';
import { LogReads } from './log-reads.ts';
import { ShareGroupStarts } from './share-group-starts.ts';

/** So that nobody waits long for an answer to be decoded. */
const PARTITIONS_PER_REQUEST = 2_000;

/** Kafka's `ListOffsetsRequest` timestamps. */
const TIMESTAMP = { latest: -1n, earliest: -2n } as const;
const CONSUMER = -1;
/**
 * With any replica id but -1 and -2 the leader, and only the leader, answers its log end instead of
 * the high watermark (`Partition.fetchOffsetForTimestamp`).
 */
const LOG_END_REPLICA = 0x7fff_ffff;
const DELETE_TIMEOUT_MS = 20_000;
/** A broker that hangs keeps nobody waiting for long. */
const ANSWER_TIMEOUT = { timeoutMs: 10_000 };
/** The connection to a broker that hangs is closed, and another one asked. */
const TOPICS_ATTEMPTS_MAX = 2;

export interface KafkaClusterLogOptions {
  /** On Outrigger's own principal. */
  readonly client: Pick<ClusterClient, 'metadata' | 'refresh' | 'toAny' | 'toBroker'>;
  readonly monotonicMs: () => number;
  readonly logger: Logger;
}

interface Votes {
  /** By `voteOf`. */
  readonly votes: ReadonlyMap<string, number>;
  readonly brokerCount: number;
}

export class KafkaClusterLog implements ClusterLog {
  readonly #client: KafkaClusterLogOptions['client'];
  readonly #logger: Logger;
  readonly #shareGroups: ShareGroupStarts;
  readonly #answerSize = new AnswerSize();
  readonly #reads = new LogReads(async (brokerId, body) =>
    this.#ask(brokerId, async (broker) => broker.request(apis.Fetch, body, ANSWER_TIMEOUT)),
  );

  constructor({ client, monotonicMs, logger }: KafkaClusterLogOptions) {
    this.#client = client;
    this.#logger = logger;
    this.#shareGroups = new ShareGroupStarts(client, monotonicMs);
  }

  async topics(names: readonly string[]): Promise<ReadonlyMap<string, LogTopic>> {
    const found = new Map<string, LogTopic>();
    for (const piece of this.#answerSize.pieces([...new Set(names)])) {
      const answer = await this.#describe(piece);
      this.#answerSize.note(answer);
      for (const topic of topicsIn(answer)) found.set(topic.topic, topic);
    }
    return found;
  }

  async logEnds(leaders: readonly PartitionLeader[]): Promise<ReadonlyMap<string, LogEnd>> {
    const offsets = await this.#listOffsets(leaders, LOG_END_REPLICA, TIMESTAMP.latest);
    const sampled = leaders.filter((leader) => offsets.has(partitionKey(leader)));
    const ends = new Map<string, LogEnd>();
    const { votes, brokerCount } = await this.#vote(sampled);
    for (const leader of sampled) {
      const key = partitionKey(leader);
      const endOffset = offsets.get(key);
      const named = votes.get(voteOf(leader)) ?? 0;
      if (endOffset === undefined || 2 * named <= brokerCount) continue;
      ends.set(key, { ...leader, endOffset, isNamedByAll: named === brokerCount });
    }
    return ends;
  }

  async highWatermarks(leaders: readonly PartitionLeader[]): Promise<ReadonlyMap<string, bigint>> {
    return await this.#listOffsets(leaders, CONSUMER, TIMESTAMP.latest);
  }

  async logStarts(leaders: readonly PartitionLeader[]): Promise<ReadonlyMap<string, bigint>> {
    return await this.#listOffsets(leaders, CONSUMER, TIMESTAMP.earliest);
  }

  async read(request: ReadRequest): Promise<ReadOutcome> {
    return await this.#reads.read(request);
  }

  async deleteRecords(leader: PartitionLeader, offset: bigint): Promise<bigint> {
    const broker = await this.#client.toBroker(leader.brokerId);
    const partitions = [{ partitionIndex: leader.partition, offset }];
    const { topics } = await broker.request(apis.DeleteRecords, {
      topics: [{ name: leader.topic, partitions }],
      timeoutMs: DELETE_TIMEOUT_MS,
    });
    const answered = topics[0]?.partitions[0];
    const errorCode = answered?.errorCode ?? KafkaErrorCode.UNKNOWN_SERVER_ERROR;
    if (answered === undefined || errorCode !== 0) throw refused(leader, 'trim', errorCode);
    return answered.lowWatermark;
  }

  async shareGroupStart(partition: LogPartition): Promise<bigint | undefined> {
    return await this.#shareGroups.lowest(partition);
  }

  async topicPresence(
    topicIds: readonly string[],
  ): Promise<ReadonlyMap<string, 'present' | 'absent' | 'unknown'>> {
    const presence = new Map<string, 'present' | 'absent' | 'unknown'>();
    for (const piece of this.#answerSize.pieces([...new Set(topicIds)])) {
      const asked = piece.map((topicId) => ({ topicId, name: null }));
      const { brokerCount, answers } = await this.#askEvery(asked);
      const denials = new Map<string, number>();
      for (const { topicId, errorCode } of answers.flatMap(({ topics }) => topics)) {
        if (errorCode === KafkaErrorCode.NONE) presence.set(topicId, 'present');
        if (errorCode !== KafkaErrorCode.UNKNOWN_TOPIC_ID) continue;
        denials.set(topicId, (denials.get(topicId) ?? 0) + 1);
      }
      for (const id of piece) {
        if (presence.has(id)) continue;
        presence.set(id, denials.get(id) === brokerCount ? 'absent' : 'unknown');
      }
    }
    return presence;
  }

  async absentPartitions(
    partitions: readonly Omit<LogPartition, 'topicId'>[],
  ): Promise<ReadonlySet<string>> {
    const absent = new Set<string>();
    const byTopic = groupBy(partitions, ({ topic }) => topic);
    for (const piece of this.#answerSize.pieces([...byTopic.keys()])) {
      const { brokerCount, answers } = await this.#askEvery(piece.map((name) => ({ name })));
      for (const topic of piece) {
        const counts = answers.map((answer) => partitionCountIn(answer, topic));
        if (counts.length !== brokerCount) continue;
        const known = Math.max(...counts);
        for (const { partition } of byTopic.get(topic) ?? []) {
          if (partition >= known) absent.add(`${topic}/${partition}`);
        }
      }
    }
    return absent;
  }

  async #describe(names: readonly string[]): Promise<MetadataResponse> {
    const request = { topics: names.map((name) => ({ name })), allowAutoTopicCreation: false };
    for (let attempt = 1; ; attempt++) {
      const connection = await this.#client.toAny();
      try {
        return await connection.request(apis.Metadata, request, ANSWER_TIMEOUT);
      } catch (error) {
        const isRetriable = error instanceof OutriggerError && error.retriable;
        if (!isRetriable || attempt === TOPICS_ATTEMPTS_MAX) throw error;
        this.#logger.debug({ err: error }, 'another broker is asked for topics');
      }
    }
  }

  /** @returns offsets by partition, of those whose leader has answered as such */
  async #listOffsets(
    leaders: readonly PartitionLeader[],
    replicaId: number,
    timestamp: bigint,
  ): Promise<ReadonlyMap<string, bigint>> {
    const offsets = new Map<string, bigint>();
    const byBroker = groupBy(leaders, ({ brokerId }) => brokerId);
    const list = async (brokerId: number, asked: readonly PartitionLeader[]): Promise<void> => {
      const ids = new Map(asked.map(({ topic, topicId }) => [topic, topicId]));
      const response = await this.#ask(brokerId, async (broker) => {
        const topics = topicsOf(asked, timestamp);
        const request = { replicaId, isolationLevel: 0, topics };
        return await broker.request(apis.ListOffsets, request, ANSWER_TIMEOUT);
      });
      for (const { name, partitions } of response?.topics ?? []) {
        const topicId = ids.get(name) ?? '';
        for (const { partitionIndex: partition, errorCode, offset } of partitions) {
          const id = { topicId, topic: name, partition };
          if (errorCode === 0) offsets.set(partitionKey(id), offset);
          else if (!ELSEWHERE.has(errorCode)) throw refused(id, 'list offsets of', errorCode);
        }
      }
    };
    const perBroker = [...byBroker].map(async ([brokerId, asked]) => {
      for (const chunk of chunksOf(asked, PARTITIONS_PER_REQUEST)) await list(brokerId, chunk);
    });
    await Promise.all(perBroker);
    return offsets;
  }

  /** @returns how many brokers there are, and name each leader with its epoch */
  async #vote(leaders: readonly PartitionLeader[]): Promise<Votes> {
    const votes = new Map<string, number>();
    let brokerCount = 0;
    const names = [...new Set(leaders.map(({ topic }) => topic))];
    for (const piece of this.#answerSize.pieces(names)) {
      const every = await this.#askEvery(piece.map((name) => ({ name })));
      brokerCount = Math.max(brokerCount, every.brokerCount);
      for (const { partitions } of every.answers.flatMap((answer) => topicsIn(answer))) {
        for (const leader of partitions) {
          votes.set(voteOf(leader), (votes.get(voteOf(leader)) ?? 0) + 1);
        }
      }
    }
    return { votes, brokerCount };
  }

  async #askEvery(topics: readonly AskedTopic[]): Promise<EveryAnswer> {
    const every = await askEveryBroker(this.#client, topics, this.#logger);
    for (const answer of every.answers) this.#answerSize.note(answer);
    return every;
  }

  /** @returns undefined if there is no such broker, or it cannot be reached */
  async #ask<Response>(
    brokerId: number,
    ask: (broker: Awaited<ReturnType<ClusterClient['toBroker']>>) => Promise<Response>,
  ): Promise<Response | undefined> {
    if (brokerId < 0) return undefined;
    try {
      return await ask(await this.#client.toBroker(brokerId));
    } catch (error) {
      if (!(error instanceof OutriggerError) || !error.retriable) throw error;
      this.#logger.debug({ err: error, brokerId }, 'a leader could not be asked');
      return undefined;
    }
  }
}

function topicsIn({ topics }: MetadataResponse): LogTopic[] {
  return topics.flatMap(({ name: topic, topicId, errorCode, partitions }) => {
    if (topic === null) return [];
    if (DENIED.has(errorCode)) throw refused({ topic }, 'describe', errorCode);
    if (errorCode !== 0) return [];
    const leaders = partitions.map(({ partitionIndex: partition, leaderId, leaderEpoch }) => {
      return { topicId, topic, partition, brokerId: leaderId, leaderEpoch };
    });
    return [{ topicId, topic, partitions: leaders }];
  });
}

/** @returns 0 if the broker denies the topic, and infinity if it gives no clear answer */
function partitionCountIn({ topics }: MetadataResponse, topic: string): number {
  const answered = topics.find(({ name }) => name === topic);
  if (answered === undefined) return Number.POSITIVE_INFINITY;
  if (answered.errorCode === KafkaErrorCode.UNKNOWN_TOPIC_OR_PARTITION) return 0;
  if (answered.errorCode !== KafkaErrorCode.NONE) return Number.POSITIVE_INFINITY;
  return answered.partitions.length;
}

interface AskedOffsets {
  readonly name: string;
  readonly partitions: {
    readonly partitionIndex: number;
    readonly currentLeaderEpoch: number;
    readonly timestamp: bigint;
  }[];
}

function topicsOf(leaders: readonly PartitionLeader[], timestamp: bigint): AskedOffsets[] {
  const byTopic = groupBy(leaders, ({ topic }) => topic);
  return [...byTopic].map(([name, asked]) => ({
    name,
    partitions: asked.map(({ partition, leaderEpoch }) => {
      return { partitionIndex: partition, currentLeaderEpoch: leaderEpoch, timestamp };
    }),
  }));
}

function voteOf(leader: PartitionLeader): string {
  return `${partitionKey(leader)} ${leader.brokerId} ${leader.leaderEpoch}`;
}

function groupBy<Key, Item>(items: readonly Item[], keyOf: (item: Item) => Key): Map<Key, Item[]> {
  const groups = new Map<Key, Item[]>();
  for (const item of items) {
    const group = groups.get(keyOf(item));
    if (group === undefined) groups.set(keyOf(item), [item]);
    else group.push(item);
  }
  return groups;
}

function* chunksOf<Item>(items: readonly Item[], size: number): Generator<readonly Item[]> {
  for (let at = 0; at < items.length; at += size) yield items.slice(at, at + size);
}
