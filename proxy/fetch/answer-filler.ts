/**
 * Puts the real batches into a broker's answer to a Fetch, within the client's limits, and learns
 * from it how the log of each partition relates to what it stands for.
 */
import {
  completeBatches,
  type BytesInput,
  FetchResponse,
  type KeyRing,
  type MessageInput,
} from '../../kafka/index.ts';
import type { BatchFiller, Filled } from './batch-filler.ts';
import { cutAnswer } from './cut-answer.ts';
import { findTopic, namesTopicsById, partitionKey, type Fetch, type FetchTopics } from './fetch.ts';
import { readLogBatches, realBatch, type LogBatch } from './log-batches.ts';
import type { ObservedRatios } from './observed-ratios.ts';

type PartitionResponse = FetchResponse['responses'][number]['partitions'][number];

/** One partition of the broker's answer. */
interface Part {
  readonly key: string;
  readonly topic: string;
  readonly response: PartitionResponse;
  /** Null while it is not known that there are placeholders among them. */
  readonly batches: readonly LogBatch[] | null;
}

/** The answer with real batches, and what to call once it is sent. */
export interface FilledAnswer {
  readonly body: MessageInput<typeof FetchResponse>;
  readonly release: () => void;
}

export interface AnswerFillerOptions {
  readonly catalog: FetchTopics;
  readonly keyRing: KeyRing;
  readonly filler: BatchFiller;
  readonly ratios: ObservedRatios;
}

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

  /** @returns null if the answer holds no placeholder and can be passed on as it is */
  async fill(fetch: Fetch, answer: FetchResponse): Promise<FilledAnswer | null> {
    await this.#lookUpTopics(fetch, answer);
    const parts = this.#partsOf(fetch, answer);
    if (parts.every(({ batches }) => batches === null)) {
      for (const part of parts) this.#learn(fetch, part, part.response.records?.length ?? 0);
      return null;
    }
    const batches = parts.map(batchesOf);
    const counts = this.#cut(fetch, parts, batches);
    const demands = parts.map(({ topic, response }, index) => ({
      topic,
      partition: response.partitionIndex,
      batches: batches[index]?.slice(0, counts[index]) ?? [],
    }));
    const { filled, release } = await this.#filler.fill(demands);
    const byResponse = new Map<PartitionResponse, Filled>();
    for (const [index, part] of parts.entries()) {
      const one = filled[index];
      if (one === undefined) continue;
      this.#learn(fetch, part, one.batchCount);
      byResponse.set(part.response, one);
    }
    return { body: withBatches(answer, byResponse), release };
  }

  /** Tags are over names, and an answer in a session may name what its request did not. */
  async #lookUpTopics({ request }: Fetch, { responses }: FetchResponse): Promise<void> {
    if (!namesTopicsById(request)) return;
    const ids = responses.map(({ topicId }) => topicId);
    const unknown = ids.filter((id) => this.#catalog.byId(id) === undefined);
    if (unknown.length > 0) await this.#catalog.lookUp({ ids: unknown });
  }

  #partsOf({ request }: Fetch, { responses }: FetchResponse): Part[] {
    return responses.flatMap((named) => {
      const known = findTopic(this.#catalog, request, named);
      const topic = known?.name ?? named.topic;
      const deep = known?.record != null;
      return named.partitions.map((response) => {
        const { partitionIndex: partition, records } = response;
        const key = partitionKey(topic, partition);
        const batches =
          records === null
            ? null
            : readLogBatches(records, { topic, partition, deep }, this.#keyRing);
        return { key, topic, response, batches };
      });
    });
  }

  #cut(
    { demands, maxBytes }: Fetch,
    parts: readonly Part[],
    batches: readonly (readonly LogBatch[])[],
  ): number[] {
    const cutDemands = parts.map(({ key }, index) => ({
      batchBytes: (batches[index] ?? []).map(({ realBytes }) => realBytes),
      maxBytes: demands.get(key)?.maxBytes ?? maxBytes,
    }));
    return cutAnswer(cutDemands, maxBytes);
  }

  /** @param sent what of the partition goes to the client: nothing if 0 */
  #learn({ demands, starved, readCommitted }: Fetch, part: Part, sent: number): void {
    const { key, response, batches } = part;
    if (batches === null) this.#ratios.observeReal(key, response.records?.length ?? 0);
    else this.#ratios.observeBatches(key, batches);
    const demand = demands.get(key);
    if (demand === undefined) return;
    const end = readCommitted ? response.lastStableOffset : response.highWatermark;
    const isStarved = sent === 0 && response.errorCode === 0 && demand.fetchOffset < end;
    if (isStarved) starved.add(key);
    else starved.delete(key);
  }
}

function batchesOf({ batches, response }: Part): readonly LogBatch[] {
  if (batches !== null || response.records === null) return batches ?? [];
  return Array.from(completeBatches(response.records), realBatch);
}

function withBatches(
  answer: FetchResponse,
  filled: ReadonlyMap<PartitionResponse, Filled>,
): FilledAnswer['body'] {
  const responses = answer.responses.map((topic) => ({
    ...topic,
    partitions: topic.partitions.map((partition) => {
      const one = filled.get(partition);
      if (one === undefined || partition.records === null) return partition;
      const records: BytesInput = one.chunks;
      return { ...partition, records, errorCode: partition.errorCode || one.errorCode };
    }),
  }));
  return { ...answer, responses };
}
