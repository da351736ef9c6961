/**
 * Fetches below the log start of the broker (DESIGN §7 and §9): what workers trimmed there is
 * answered from segments, and what is below the logical start is out of range.
 *
 * The broker is asked for such a partition all the same, in the same request, at an offset that it
 * has: so its ACLs, leader epochs and errors decide as ever, and it tells high watermark, last
 * stable offset, log start and the aborted transactions that no segment knows yet.
 */
import type { Logger } from 'pino';
import { LRUCache } from 'lru-cache';
import {
  hasCode,
  KafkaErrorCode,
  lastOffset,
  OutriggerError,
  recordCount,
  type FetchResponse,
} from '../../kafka/index.ts';
import type { ByteBudget } from '../../runtime/index.ts';
import { partitionKey as storedKey, type PartitionId } from '../../storage/index.ts';
import type { LogicalStarts } from '../read/logical-starts.ts';
import type { PartitionViews } from '../read/partition-views.ts';
import type { AbortedData, StoredLog } from '../read/stored-log.ts';
import type { StoredPartition } from '../read/stored-partition.ts';
import { findTopic, partitionKey } from './fetch.ts';
import type { Detour, Fetch, FetchTopic, FetchTopics } from './fetch.ts';
import type { LogBatch } from './log-batches.ts';

type PartitionResponse = FetchResponse['responses'][number]['partitions'][number];
type Demand = FetchTopic['partitions'][number];

/** What is sent of partitions that segments have; `release` once the answer is made. */
export interface StoredAnswers {
  readonly batches: ReadonlyMap<PartitionResponse, readonly LogBatch[]>;
  readonly release: () => void;
}

export interface BelowStartOptions {
  readonly catalog: FetchTopics;
  readonly views: Pick<PartitionViews, 'peek' | 'refresh'>;
  readonly starts: LogicalStarts;
  readonly storedLog: StoredLog;
  /** Bounds what is read for answers that are not made yet. */
  readonly budget: ByteBudget;
  readonly log: Logger;
}

/** Partitions of which the log has been told that something is gone or damaged. */
const ALARMED_MAX = 1_000;
const NO_RECORDS = Buffer.alloc(0);

export class BelowStart {
  readonly #options: BelowStartOptions;
  readonly #alarmed = new LRUCache<string, true>({ max: ALARMED_MAX });

  constructor(options: BelowStartOptions) {
    this.#options = options;
  }

  /** @returns what the broker is asked instead; undefined if it has, or may have, the offset */
  detourOf(id: PartitionId, demand: Demand): Detour | undefined {
    const partition = this.#options.views.peek(id);
    if (partition === undefined || partition === null) return undefined;
    const askedOffset = this.#brokerOffset(partition);
    const { fetchOffset, partitionMaxBytes } = demand;
    if (fetchOffset >= askedOffset) return undefined;
    return { id, partition, fetchOffset, bytesMax: partitionMaxBytes, askedOffset };
  }

  /**
   * Puts logical starts in the place of the broker's.
   * @returns whether the answer was changed
   */
  showStarts({ request }: Fetch, { responses }: FetchResponse): boolean {
    const { catalog, views, starts } = this.#options;
    let isChanged = false;
    for (const named of responses) {
      const topic = findTopic(catalog, request, named);
      if (topic?.record == null) continue;
      for (const response of named.partitions) {
        const { errorCode, logStartOffset, partitionIndex: partition } = response;
        if (errorCode !== KafkaErrorCode.NONE || logStartOffset < 0n) continue;
        const known = views.peek({ topicId: topic.topicId, partition });
        if (known === undefined || known === null) continue;
        response.logStartOffset = starts.of(known, logStartOffset);
        isChanged ||= response.logStartOffset !== logStartOffset;
      }
    }
    return isChanged;
  }

  /** @returns whether `answer` has something to do */
  concerns({ request, detours }: Fetch, { responses }: FetchResponse): boolean {
    if (detours.size > 0) return true;
    return responses.some(
      (named) =>
        named.partitions.some(isOutOfRange) &&
        findTopic(this.#options.catalog, request, named)?.record != null,
    );
  }

  /**
   * Changes the broker's answer for partitions that it does not have from the client's offset on.
   * They are read at once, as many as fit; the others come first the next time.
   */
  async answer(fetch: Fetch, { responses }: FetchResponse): Promise<StoredAnswers> {
    const { budget, storedLog } = this.#options;
    const reservedBytes = bytesOf(fetch);
    await budget.acquire(reservedBytes);
    const batches = new Map<PartitionResponse, readonly LogBatch[]>();
    const release = (): void => {
      budget.release(reservedBytes);
      for (const found of batches.values()) storedLog.giveBack(found.map(({ bytes }) => bytes));
    };
    const reading: Promise<void>[] = [];
    let bytesLeft = fetch.maxBytes;
    let isFirst = true;
    for (const named of responses) {
      for (const response of named.partitions) {
        if (isOutOfRange(response)) reading.push(this.#reconsider(fetch, named, response));
        const detour = fetch.detours.get(partitionKey(named, response.partitionIndex));
        if (response.errorCode !== KafkaErrorCode.NONE || detour === undefined) continue;
        const bytesMax = Math.max(0, Math.min(detour.bytesMax, bytesLeft));
        const fits = isFirst || bytesMax > 0;
        const fill = async (): Promise<void> => {
          const found = await this.#fill(fetch, detour, response, fits ? bytesMax : null);
          if (found !== undefined) batches.set(response, found);
        };
        reading.push(fill());
        bytesLeft -= bytesMax;
        isFirst = false;
      }
    }
    try {
      await Promise.all(reading);
      return { batches, release };
    } catch (error) {
      release();
      throw error;
    }
  }

  /**
   * The broker does not have the offset. If workers have trimmed it since this member last asked,
   * the partition comes back empty, and the consumer's next fetch is answered from segments.
   */
  async #reconsider(
    fetch: Fetch,
    named: FetchResponse['responses'][number],
    response: PartitionResponse,
  ): Promise<void> {
    const { catalog, views, starts, log } = this.#options;
    const topic = findTopic(catalog, fetch.request, named);
    const demand = fetch.demands().get(partitionKey(named, response.partitionIndex));
    if (topic?.record == null || demand === undefined) return;
    const id = { topicId: topic.topicId, partition: response.partitionIndex };
    try {
      const partition = await views.refresh(id);
      if (partition === null) return;
      const { trimIntent, cursor } = partition.view;
      const start = starts.atLeast(partition);
      const isTrimmed = trimIntent !== null && demand.fetchOffset < trimIntent;
      // A broker that does not have its own trim's offset either was told to delete more.
      const detour = fetch.detours.get(partitionKey(named, response.partitionIndex));
      const isDeleted = demand.fetchOffset < start || detour?.askedOffset === trimIntent;
      if (!isTrimmed || isDeleted) return;
      response.errorCode = KafkaErrorCode.NONE;
      response.highWatermark = cursor;
      response.lastStableOffset = trimIntent;
      response.logStartOffset = start;
      response.abortedTransactions = noneAborted(fetch);
      response.records = NO_RECORDS;
    } catch (error) {
      if (!(error instanceof OutriggerError)) throw error;
      log.warn({ err: error }, 'it is not known whether an offset was trimmed or deleted');
      response.errorCode = KafkaErrorCode.REPLICA_NOT_AVAILABLE;
    }
  }

  /**
   * @param bytesMax null if nothing of it fits any more
   * @returns what is sent of the partition; undefined if that is what the broker has sent, because
   *   nothing below is left
   */
  async #fill(
    fetch: Fetch,
    detour: Detour,
    response: PartitionResponse,
    bytesMax: number | null,
  ): Promise<readonly LogBatch[] | undefined> {
    const start = this.#options.starts.of(detour.partition, response.logStartOffset);
    if (detour.fetchOffset < start) {
      Object.assign(response, OUT_OF_RANGE);
      return undefined;
    }
    if (bytesMax === null) {
      Object.assign(response, { records: NO_RECORDS, abortedTransactions: noneAborted(fetch) });
      return [];
    }
    try {
      const { batches, partition } = await this.#read(detour, bytesMax);
      const last = batches.at(-1);
      if (last === undefined) return undefined;
      const end = lastOffset(last) + 1n;
      const aborted = fetch.readCommitted
        ? await this.#aborted(partition, detour.fetchOffset, end, response)
        : null;
      response.records = NO_RECORDS;
      response.abortedTransactions = aborted ?? noneAborted(fetch);
      // The broker sends its list with its records: it is asked again, and first.
      if (fetch.readCommitted && aborted === undefined) return [];
      return batches.map(storedBatch);
    } catch (error) {
      if (!(error instanceof OutriggerError)) throw error;
      if (!error.retriable) this.#alarm(error, detour);
      response.records = NO_RECORDS;
      return [{ ...storedBatch(NO_RECORDS), failure: error }];
    }
  }

  /** Once for each partition; whoever reads it asks on and on. */
  #alarm(error: OutriggerError, { id, fetchOffset }: Detour): void {
    const name = storedKey(id);
    if (this.#alarmed.has(name)) return;
    this.#alarmed.set(name, true);
    const details = { err: error, ...id, fetchOffset };
    this.#options.log.fatal(details, 'ALARM: acknowledged data cannot be served');
  }

  /** Goes by what the journals say now if what they said before leads to what is gone. */
  async #read(
    { id, partition, fetchOffset }: Detour,
    bytesMax: number,
  ): Promise<{ readonly batches: readonly Buffer[]; readonly partition: StoredPartition }> {
    const { storedLog, views } = this.#options;
    try {
      const batches = await storedLog.read(partition, fetchOffset, endOf(partition), bytesMax);
      return { batches, partition };
    } catch (error) {
      if (!hasCode(error, 'PROXY_OBJECT_MISSING')) throw error;
      const known = await views.refresh(id);
      if (known === null || known === partition) throw error;
      const batches = await storedLog.read(known, fetchOffset, endOf(known), bytesMax);
      return { batches, partition: known };
    }
  }

  /** @returns undefined while it is not known */
  async #aborted(
    partition: StoredPartition,
    from: bigint,
    to: bigint,
    { records, abortedTransactions }: PartitionResponse,
  ): Promise<AbortedData[] | undefined> {
    const { aborted, undecided } = await this.#options.storedLog.aborted(partition, from, to);
    if (undecided.length === 0) return aborted.map(dataOf);
    if (records === null || records.length === 0) return undefined;
    // What the broker lists was aborted behind the offset that it was asked for; a producer may
    // have begun other transactions there.
    const brokers = (abortedTransactions ?? []).filter(({ firstOffset }) => firstOffset < to);
    const also = undecided.filter((open) =>
      brokers.some(({ producerId }) => producerId === open.producerId),
    );
    return [...aborted.map(dataOf), ...also.map(dataOf)].sort(byFirstOffset);
  }

  /** A broker that has not heard of the trim yet has that offset too. */
  #brokerOffset(partition: StoredPartition): bigint {
    const start = this.#options.starts.atLeast(partition);
    const { trimIntent } = partition.view;
    return trimIntent !== null && trimIntent > start ? trimIntent : start;
  }
}

function bytesOf({ detours, maxBytes }: Fetch): number {
  let bytes = 0;
  for (const { bytesMax } of detours.values()) bytes += bytesMax;
  return Math.max(0, Math.min(bytes, maxBytes));
}

function noneAborted({ readCommitted }: Fetch): [] | null {
  return readCommitted ? [] : null;
}

function isOutOfRange({ errorCode }: PartitionResponse): boolean {
  return errorCode === KafkaErrorCode.OFFSET_OUT_OF_RANGE;
}

/** As a broker answers. */
const OUT_OF_RANGE = {
  errorCode: KafkaErrorCode.OFFSET_OUT_OF_RANGE,
  highWatermark: -1n,
  lastStableOffset: -1n,
  logStartOffset: -1n,
  abortedTransactions: null,
  records: NO_RECORDS,
} as const;

function endOf({ view }: StoredPartition): bigint {
  return view.trimIntent ?? 0n;
}

function storedBatch(bytes: Buffer): LogBatch {
  const records = bytes.length === 0 ? 0 : recordCount(bytes);
  const base = { wanted: null, unknown: null, failure: null, isShared: true };
  return { ...base, bytes, realBytes: bytes.length, records };
}

function dataOf({ producerId, firstOffset }: AbortedData): AbortedData {
  return { producerId, firstOffset };
}

function byFirstOffset(left: AbortedData, right: AbortedData): number {
  return Number(left.firstOffset - right.firstOffset);
}
