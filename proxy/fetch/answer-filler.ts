/**
 * Puts the real batches into a broker's answer to a Fetch, within the client's limits, and learns
 * from it how the log of each partition relates to what it stands for.
 */
import type { FetchResponse, KeyRing, MessageInput } from '../../kafka/index.ts';
import { nextTurn } from '../../runtime/index.ts';
import type { Reply } from '../connection/handler.ts';
import { AnswerCut } from './answer-cut.ts';
import type { BatchFiller, Filled, FilledReply } from './batch-filler.ts';
import { findTopic, namesTopicsById, partitionKey } from './fetch.ts';
import type { Fetch, FetchTopics, TopicName } from './fetch.ts';
import { hasPlaceholder, readLogBatches, type LogBatch, type LogPosition } from './log-batches.ts';
import type { ObservedRatios } from './observed-ratios.ts';
import { Pace } from '../pace.ts';

type PartitionResponse = FetchResponse['responses'][number]['partitions'][number];
/** What is sent of partitions that are not answered by the broker. */
type StoredBatches = ReadonlyMap<PartitionResponse, readonly LogBatch[]>;

/** One partition of the broker's answer. */
interface Part {
  readonly named: TopicName;
  readonly response: PartitionResponse;
  readonly records: Buffer;
  readonly position: LogPosition;
}

export interface AnswerFillerOptions {
  readonly catalog: FetchTopics;
  readonly keyRing: KeyRing;
  readonly filler: BatchFiller;
  readonly ratios: ObservedRatios;
}

const NO_RECORDS = Buffer.alloc(0);

export class AnswerFiller {
  readonly #catalog: FetchTopics;
  readonly #keyRing: KeyRing;
  readonly #filler: BatchFiller;
  readonly #ratios: ObservedRatios;

  constructor({ catalog, keyRing, filler, ratios }: AnswerFillerOptions) {
    this.#catalog = catalog;
    this.#keyRing = keyRing;
    this.#filler = filler;
    this.#ratios = ratios;
  }

  /**
   * @param stored batches that take the place of the broker's records
   * @param encode makes the reply of the answer with real batches
   * @returns null if nothing is to be filled and the answer can be passed on as it is
   */
  fill(
    fetch: Fetch,
    answer: FetchResponse,
    stored: StoredBatches,
    encode: (body: MessageInput<typeof FetchResponse>) => Reply,
  ): Promise<FilledReply> | null {
    const parts = this.#partsOf(fetch, answer);
    const hollow = parts.some(({ records, position }) =>
      hasPlaceholder(records, position, this.#keyRing),
    );
    if (hollow || stored.size > 0) return this.#fill(fetch, answer, stored, encode);
    this.#learnReal(fetch, parts);
    return null;
  }

  async #fill(
    fetch: Fetch,
    answer: FetchResponse,
    stored: StoredBatches,
    encode: (body: MessageInput<typeof FetchResponse>) => Reply,
  ): Promise<FilledReply> {
    await this.#lookUpTopics(fetch, answer);
    const parts = this.#partsOf(fetch, answer);
    const batches = await this.#take(fetch, parts, stored);
    return this.#filler.fillBatches(batches, (filled) => {
      const byResponse = new Map<PartitionResponse, Filled>();
      for (const [index, part] of parts.entries()) {
        const one = filled[index];
        if (one === undefined) continue;
        this.#noteStarved(fetch, part, (batches[index] ?? []).length > 0);
        byResponse.set(part.response, one);
      }
      return encode(withBatches(answer, byResponse));
    });
  }

  /**
   * Tags are over names and merged data goes by ids, and an answer in a session may name what its
   * request did not.
   */
  async #lookUpTopics({ request }: Fetch, { responses }: FetchResponse): Promise<void> {
    const unknown = responses.filter((named) => !findTopic(this.#catalog, request, named));
    if (unknown.length === 0) return;
    const byId = namesTopicsById(request);
    const keys = unknown.map(({ topic, topicId }) => (byId ? topicId : topic));
    await this.#catalog.lookUp(byId ? { ids: keys } : { names: keys });
  }

  #partsOf({ request }: Fetch, { responses }: FetchResponse): Part[] {
    const parts: Part[] = [];
    for (const named of responses) {
      const known = findTopic(this.#catalog, request, named);
      const topic = namesTopicsById(request) ? (known?.name ?? null) : named.topic;
      const topicId = known?.topicId ?? null;
      const deep = known?.record != null;
      for (const response of named.partitions) {
        const position = { topic, topicId, partition: response.partitionIndex, deep };
        parts.push({ named, response, records: response.records ?? NO_RECORDS, position });
      }
    }
    return parts;
  }

  /** The batches of each part that are sent, if they can be had; learns from them. */
  async #take(
    { maxBytes, demands }: Fetch,
    parts: readonly Part[],
    stored: StoredBatches,
  ): Promise<LogBatch[][]> {
    const cut = new AnswerCut(maxBytes);
    const pace = new Pace();
    const taken: LogBatch[][] = [];
    for (const { named, response, records, position } of parts) {
      const key = partitionKey(named, position.partition);
      cut.startPartition(demands().get(key)?.partitionMaxBytes ?? maxBytes);
      const batches: LogBatch[] = [];
      const seen: LogBatch[] = [];
      const own = stored.get(response);
      for (const batch of own ?? readLogBatches(records, position, this.#keyRing)) {
        if (own === undefined) seen.push(batch);
        if (!cut.takes(batch.realBytes)) break;
        batches.push(batch);
        if (pace.isDue(batch.realBytes)) await nextTurn();
      }
      this.#ratios.observe(key, seen);
      taken.push(batches);
    }
    return taken;
  }

  /** Of topics that were never marked there is nothing to be learned. */
  #learnReal(fetch: Fetch, parts: readonly Part[]): void {
    const marked = parts.filter(({ position }) => position.deep);
    if (marked.length === 0) return;
    for (const part of marked) {
      const batches = Array.from(readLogBatches(part.records, part.position, this.#keyRing));
      this.#ratios.observe(partitionKey(part.named, part.position.partition), batches);
      this.#noteStarved(fetch, part, batches.length > 0);
    }
  }

  #noteStarved(
    { starved, readCommitted, demands }: Fetch,
    { named, response }: Part,
    isServed: boolean,
  ): void {
    const key = partitionKey(named, response.partitionIndex);
    const demand = demands().get(key);
    const end = readCommitted ? response.lastStableOffset : response.highWatermark;
    if (!isServed && demand !== undefined && demand.fetchOffset < end) starved.add(key);
    else starved.delete(key);
  }
}

function withBatches(
  answer: FetchResponse,
  filled: ReadonlyMap<PartitionResponse, Filled>,
): MessageInput<typeof FetchResponse> {
  const responses = answer.responses.map((topic) => ({
    ...topic,
    partitions: topic.partitions.map((partition) => {
      const one = filled.get(partition);
      if (one === undefined || partition.records === null) return partition;
      const errorCode = partition.errorCode || one.errorCode;
      return { ...partition, records: one.chunks, errorCode };
    }),
  }));
  return { ...answer, responses };
}
