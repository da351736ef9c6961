/**
 * Reads of partitions' logs. Those that are asked for at about the same time go to a broker in one
 * Fetch: a merge of very many partitions, each with a batch or two, would otherwise spend its time
 * on requests.
 *
 * Of a Fetch a broker lets only the first partition that has anything exceed its limit (KIP-74).
 * Another one whose next batch is larger comes back empty, and is asked for again on its own.
 */
import { completeBatches, KafkaErrorCode, ZERO_UUID } from '../../kafka/index.ts';
import type { apis, FetchResponse, MessageInput } from '../../kafka/index.ts';
import { partitionKey } from '../../storage/index.ts';
import { ELSEWHERE, refused } from './broker-errors.ts';
import type { ReadOutcome, ReadRequest } from './cluster-log.ts';

/** Of one Fetch, so that an answer is not large. */
const PARTITIONS_MAX = 128;
const BYTES_MAX = 4 * 1024 * 1024;
/** Who wants less wants a certain batch, whatever its size. */
const JOINED_BYTES_MIN = 4 * 1024;
const CONSUMER = -1;

type Fetch = MessageInput<(typeof apis.Fetch)['request']>;
type Answered = FetchResponse['responses'][number]['partitions'][number];

/** @returns undefined if the broker cannot be reached */
export type AskFetch = (brokerId: number, body: Fetch) => Promise<FetchResponse | undefined>;

interface Waiting {
  readonly request: ReadRequest;
  readonly resolve: (outcome: ReadOutcome | Promise<ReadOutcome>) => void;
  readonly reject: (error: unknown) => void;
}

export class LogReads {
  readonly #ask: AskFetch;
  /** By broker. Bounded by those who read at once. */
  readonly #waiting = new Map<number, Waiting[]>();

  constructor(ask: AskFetch) {
    this.#ask = ask;
  }

  /** @see ClusterLog.read */
  async read(request: ReadRequest): Promise<ReadOutcome> {
    if (request.bytesMax < JOINED_BYTES_MIN) return await this.#readAlone(request);
    const { brokerId } = request.leader;
    return await new Promise<ReadOutcome>((resolve, reject) => {
      const waiting = { request, resolve, reject };
      const known = this.#waiting.get(brokerId);
      if (known === undefined) {
        this.#waiting.set(brokerId, [waiting]);
        setImmediate(() => this.#send(brokerId));
      } else known.push(waiting);
    });
  }

  async #readAlone(request: ReadRequest): Promise<ReadOutcome> {
    const response = await this.#ask(request.leader.brokerId, fetchOf([request]));
    if (response === undefined) return { kind: 'not-leader' };
    return readingOf(request, response.errorCode, new Answers(response).to(request));
  }

  #send(brokerId: number): void {
    const waiting = this.#waiting.get(brokerId) ?? [];
    this.#waiting.delete(brokerId);
    for (const together of inFetches(waiting)) {
      this.#sendOne(brokerId, together).catch((error: unknown) => {
        for (const { reject } of together) reject(error);
      });
    }
  }

  async #sendOne(brokerId: number, together: readonly Waiting[]): Promise<void> {
    const requests = together.map(({ request }) => request);
    const response = await this.#ask(brokerId, fetchOf(requests));
    if (response === undefined) {
      for (const { resolve } of together) resolve({ kind: 'not-leader' });
      return;
    }
    const answers = new Answers(response);
    for (const { request, resolve, reject } of together) {
      try {
        const outcome = readingOf(request, response.errorCode, answers.to(request));
        if (together.length === 1) resolve(outcome);
        else resolve(hasMore(request, outcome) ? this.#readAlone(request) : apart(outcome));
      } catch (error) {
        reject(error);
      }
    }
  }
}

/** @returns the requests in pieces, of each of which every partition is in once */
function inFetches(waiting: readonly Waiting[]): Waiting[][] {
  const fetches: { keys: Set<string>; bytes: number; waiting: Waiting[] }[] = [];
  for (const one of waiting) {
    const key = partitionKey(one.request.leader);
    const { bytesMax } = one.request;
    const last = fetches.at(-1);
    const fits =
      last !== undefined &&
      last.waiting.length < PARTITIONS_MAX &&
      last.bytes + bytesMax <= BYTES_MAX &&
      !last.keys.has(key);
    const fetch = fits ? last : { keys: new Set<string>(), bytes: 0, waiting: [] };
    if (!fits) fetches.push(fetch);
    fetch.keys.add(key);
    fetch.bytes += bytesMax;
    fetch.waiting.push(one);
  }
  return fetches.map((fetch) => fetch.waiting);
}

function fetchOf(requests: readonly ReadRequest[]): Fetch {
  const byTopic = new Map<string, ReadRequest[]>();
  for (const request of requests) {
    const known = byTopic.get(request.leader.topicId);
    if (known === undefined) byTopic.set(request.leader.topicId, [request]);
    else known.push(request);
  }
  const topics = [...byTopic].map(([topicId, asked]) => ({
    topicId,
    topic: asked[0]?.leader.topic ?? '',
    partitions: asked.map(({ leader, offset, lastFetchedEpoch, bytesMax }) => ({
      partition: leader.partition,
      currentLeaderEpoch: leader.leaderEpoch,
      fetchOffset: offset,
      lastFetchedEpoch,
      partitionMaxBytes: bytesMax,
    })),
  }));
  const maxBytes = requests.reduce((sum, { bytesMax }) => sum + bytesMax, 0);
  const limits = { maxWaitMs: 0, minBytes: 0, maxBytes };
  return { replicaId: CONSUMER, ...limits, topics, forgottenTopicsData: [] };
}

/** The partitions of an answer, by their topics' ids or, from older brokers, names. */
class Answers {
  readonly #byKey = new Map<string, Answered>();

  constructor({ responses }: FetchResponse) {
    for (const { topic, topicId, partitions } of responses) {
      const name = topicId === ZERO_UUID ? topic : topicId;
      for (const answered of partitions) {
        this.#byKey.set(`${name}/${answered.partitionIndex}`, answered);
      }
    }
  }

  to({ leader }: ReadRequest): Answered | undefined {
    const { topic, topicId, partition } = leader;
    return this.#byKey.get(`${topicId}/${partition}`) ?? this.#byKey.get(`${topic}/${partition}`);
  }
}

function readingOf(
  { leader }: ReadRequest,
  answerCode: number,
  answered: Answered | undefined,
): ReadOutcome {
  const errorCode = answerCode || (answered?.errorCode ?? 0);
  if (errorCode === KafkaErrorCode.OFFSET_OUT_OF_RANGE) return { kind: 'out-of-range' };
  if (answered === undefined || ELSEWHERE.has(errorCode)) return { kind: 'not-leader' };
  if (errorCode !== 0) throw refused(leader, 'read', errorCode);
  const { epoch, endOffset } = answered.divergingEpoch;
  if (endOffset >= 0n) return { kind: 'diverged', epoch, endOffset };
  const { highWatermark, lastStableOffset, logStartOffset, records } = answered;
  const batches = records === null ? [] : [...completeBatches(records)];
  return { kind: 'read', batches, highWatermark, lastStableOffset, logStartOffset };
}

function hasMore({ offset }: ReadRequest, outcome: ReadOutcome): boolean {
  return outcome.kind === 'read' && outcome.batches.length === 0 && outcome.highWatermark > offset;
}

/** A batch that waits would keep the whole answer in memory, of all partitions. */
function apart(outcome: ReadOutcome): ReadOutcome {
  if (outcome.kind !== 'read') return outcome;
  return { ...outcome, batches: outcome.batches.map((batch) => Buffer.from(batch)) };
}
