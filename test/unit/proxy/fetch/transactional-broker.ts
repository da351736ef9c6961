/**
 * One partition's log on a broker whose beginning was deleted, with transactions: as much of
 * `UnifiedLog.read` as a read_committed fetch shows.
 */
import {
  baseOffset,
  batchAttributes,
  BATCH_HEADER_BYTES,
  FetchRequest,
  FetchResponse,
  isControl,
  isTransactional,
  KafkaErrorCode,
  lastOffset,
  producerId,
  records,
} from '../../../../kafka/index.ts';
import type { ClientRequest } from '../../../../proxy/connection/handler.ts';
import { AbortedSearch, type AbortedTransaction } from '../../../../storage/index.ts';
import { brokerFrame } from '../../../support/handler-calls.ts';

export class TransactionalBroker {
  readonly batches: readonly Buffer[];
  readonly aborted: readonly AbortedTransaction[];
  readonly startOffset: bigint;
  readonly highWatermark: bigint;
  readonly lastStableOffset: bigint;

  /** @param startOffset batches that end below it were deleted */
  constructor(batches: readonly Buffer[], startOffset: bigint) {
    this.batches = batches.filter((batch) => lastOffset(batch) >= startOffset);
    this.startOffset = startOffset;
    const last = batches.at(-1);
    this.highWatermark = last === undefined ? 0n : lastOffset(last) + 1n;
    const { aborted, open } = transactionsIn(batches);
    this.aborted = aborted;
    this.lastStableOffset = smallest([...open.values(), this.highWatermark]);
  }

  /** @returns the answer for the only partition that is asked for */
  answer(frame: Buffer, { apiVersion, bodyOffset }: ClientRequest): Buffer {
    const { topics, isolationLevel } = FetchRequest.decode(frame, apiVersion, bodyOffset);
    const [named] = topics;
    const [asked] = named?.partitions ?? [];
    if (named === undefined || asked === undefined) throw new TypeError('nothing is asked for');
    const isCommitted = isolationLevel === 1;
    const responses = [
      {
        topic: named.topic,
        topicId: named.topicId,
        partitions: [{ partitionIndex: asked.partition, ...this.#read(asked, isCommitted) }],
      },
    ];
    const body = { throttleTimeMs: 0, errorCode: 0, sessionId: 0, responses };
    return brokerFrame(FetchResponse, apiVersion, body);
  }

  #read(
    { fetchOffset, partitionMaxBytes }: { fetchOffset: bigint; partitionMaxBytes: number },
    isCommitted: boolean,
  ) {
    if (fetchOffset < this.startOffset || fetchOffset > this.highWatermark) {
      return { ...OUT_OF_RANGE, errorCode: KafkaErrorCode.OFFSET_OUT_OF_RANGE };
    }
    const end = isCommitted ? this.lastStableOffset : this.highWatermark;
    const found: Buffer[] = [];
    let bytes = 0;
    for (const batch of this.batches) {
      if (lastOffset(batch) < fetchOffset || baseOffset(batch) >= end) continue;
      if (found.length > 0 && bytes + batch.length > partitionMaxBytes) break;
      found.push(batch);
      bytes += batch.length;
    }
    const last = found.at(-1);
    const search = new AbortedSearch(fetchOffset, last === undefined ? 0n : lastOffset(last) + 1n);
    search.add(this.aborted);
    return {
      errorCode: 0,
      highWatermark: this.highWatermark,
      lastStableOffset: this.lastStableOffset,
      logStartOffset: this.startOffset,
      abortedTransactions: isCommitted ? (last === undefined ? [] : search.result()) : null,
      records: Buffer.concat(found),
    };
  }
}

const OUT_OF_RANGE = {
  highWatermark: -1n,
  lastStableOffset: -1n,
  logStartOffset: -1n,
  abortedTransactions: null,
  records: Buffer.alloc(0),
};

/** The transactions of a log: which were aborted, and where those begin that are not decided. */
function transactionsIn(batches: readonly Buffer[]): {
  aborted: AbortedTransaction[];
  open: Map<bigint, bigint>;
} {
  const open = new Map<bigint, bigint>();
  const aborted: AbortedTransaction[] = [];
  for (const batch of batches) {
    const attributes = batchAttributes(batch);
    if (!isTransactional(attributes)) continue;
    const id = producerId(batch);
    if (!isControl(attributes)) {
      if (!open.has(id)) open.set(id, baseOffset(batch));
      continue;
    }
    const firstOffset = open.get(id);
    open.delete(id);
    if (!isAbort(batch) || firstOffset === undefined) continue;
    const marker = lastOffset(batch);
    const lastStableOffset = smallest([...open.values(), marker + 1n]);
    aborted.push({ producerId: id, firstOffset, lastOffset: marker, lastStableOffset });
  }
  return { aborted, open };
}

export function isAbort(marker: Buffer): boolean {
  const [record] = records(marker.subarray(BATCH_HEADER_BYTES), 1);
  return record?.key?.readInt16BE(2) === 0;
}

function smallest(offsets: readonly bigint[]): bigint {
  return offsets.reduce((least, offset) => (offset < least ? offset : least));
}

/** What an application gets of an answer: Kafka's `CompletedFetch`, offsets only. */
export function consumed(
  batches: readonly Buffer[],
  aborted: readonly { readonly producerId: bigint; readonly firstOffset: bigint }[],
  fromOffset: bigint,
): bigint[] {
  const queue = [...aborted];
  const aborting = new Set<bigint>();
  const offsets: bigint[] = [];
  for (const batch of batches) {
    while (queue[0] !== undefined && queue[0].firstOffset <= lastOffset(batch)) {
      aborting.add(queue.shift()?.producerId ?? -1n);
    }
    const attributes = batchAttributes(batch);
    if (isControl(attributes)) {
      if (isAbort(batch)) aborting.delete(producerId(batch));
      continue;
    }
    if (isTransactional(attributes) && aborting.has(producerId(batch))) continue;
    offsets.push(...recordOffsets(batch).filter((offset) => offset >= fromOffset));
  }
  return offsets;
}

/** @returns the offsets of a data batch's records */
export function recordOffsets(batch: Buffer): bigint[] {
  const count = batch.readInt32BE(BATCH_HEADER_BYTES - 4);
  return [...records(batch.subarray(BATCH_HEADER_BYTES), count)].map(
    ({ offsetDelta }) => baseOffset(batch) + BigInt(offsetDelta),
  );
}

/** @returns the offsets of the records that were committed, or never needed to be */
export function committedOffsets(batches: readonly Buffer[], below: bigint): bigint[] {
  const { aborted } = transactionsIn(batches);
  return batches
    .filter((batch) => !isControl(batchAttributes(batch)) && baseOffset(batch) < below)
    .filter(
      (batch) =>
        !isTransactional(batchAttributes(batch)) ||
        !aborted.some(
          (one) =>
            one.producerId === producerId(batch) &&
            one.firstOffset <= baseOffset(batch) &&
            one.lastOffset > baseOffset(batch),
        ),
    )
    .flatMap(recordOffsets);
}
