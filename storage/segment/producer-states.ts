/**
 * What the batches of a partition, read in order, say of its producers and their transactions:
 * Kafka's `ProducerStateManager` as a follower runs it. It takes what the leader has let into the
 * log without judging sequences and epochs anew.
 */
import {
  ATTRIBUTE,
  BATCH_HEADER_BYTES,
  baseOffset,
  baseSequence,
  baseTimestamp,
  batchAttributes,
  codecOf,
  isControl,
  isLogAppendTime,
  isTransactional,
  lastOffset,
  lastOffsetDelta,
  maxTimestamp,
  producerEpoch,
  producerId,
  recordCount,
  records,
} from '../../kafka/index.ts';
import type { ProducerState } from './producer-snapshot.ts';
import { segmentCorrupt } from './segment-error.ts';
import type { AbortedTransaction } from './transaction-index.ts';

const WHAT = 'A log';
const SEQUENCE_MAX = 0x7fff_ffff;
const NO_SEQUENCE = -1;
const NO_OFFSET = -1n;
/** A control record's key: version and type. Its value: version and coordinator epoch. */
const MARKER_KEY_BYTES = 4;
const MARKER_VALUE_BYTES = 6;
const MARKER_TYPES = ['abort', 'commit'] as const;

interface Marker {
  readonly type: (typeof MARKER_TYPES)[number];
  readonly coordinatorEpoch: number;
  readonly timestamp: bigint;
}

/** `ProducerStateEntry.empty`. */
function unknownProducer(id: bigint): ProducerState {
  return {
    producerId: id,
    epoch: -1,
    lastSequence: NO_SEQUENCE,
    lastOffset: NO_OFFSET,
    offsetDelta: 0,
    lastTimestamp: -1n,
    coordinatorEpoch: -1,
    transactionFirstOffset: undefined,
  };
}

export class ProducerStates {
  readonly #producers = new Map<bigint, ProducerState>();
  /** First offsets by producer id, in the order of the offsets: new ones are always higher. */
  readonly #open = new Map<bigint, bigint>();

  /** @param producers as of the first batch to come */
  constructor(producers: readonly ProducerState[]) {
    const open: (readonly [bigint, bigint])[] = [];
    for (const producer of producers) {
      this.#producers.set(producer.producerId, producer);
      const first = producer.transactionFirstOffset;
      if (first !== undefined) open.push([producer.producerId, first]);
    }
    for (const [id, first] of open.sort(([, a], [, b]) => (a < b ? -1 : 1))) {
      this.#open.set(id, first);
    }
  }

  get count(): number {
    return this.#producers.size;
  }

  /** @returns all of them, in no order */
  list(): ProducerState[] {
    return [...this.#producers.values()];
  }

  /**
   * Takes the next batch.
   *
   * @param batch a whole v2 batch
   * @returns the transaction that it aborts, if it does
   * @throws `STORAGE_SEGMENT_CORRUPT` for what no leader lets into a log; nothing is changed then
   */
  append(batch: Buffer): AbortedTransaction | undefined {
    const id = producerId(batch);
    if (id < 0n) return undefined;
    const before = this.#producers.get(id) ?? unknownProducer(id);
    if (!isControl(batchAttributes(batch))) {
      this.#appendData(before, batch);
      return undefined;
    }
    // A transaction that was cleaned away leaves a control batch without a record.
    const marker = recordCount(batch) === 0 ? undefined : readMarker(batch);
    if (marker !== undefined) return this.#appendMarker(before, marker, batch);
    this.#producers.set(id, before);
    return undefined;
  }

  #appendData(before: ProducerState, batch: Buffer): void {
    const transactional = isTransactional(batchAttributes(batch));
    let { transactionFirstOffset } = before;
    if (transactionFirstOffset !== undefined && !transactional) {
      throw segmentCorrupt(WHAT, 'a plain batch lies in an open transaction of its producer', {
        producerId: before.producerId,
        offset: baseOffset(batch),
      });
    }
    if (transactional && transactionFirstOffset === undefined) {
      transactionFirstOffset = baseOffset(batch);
      this.#open.set(before.producerId, transactionFirstOffset);
    }
    this.#producers.set(before.producerId, {
      producerId: before.producerId,
      epoch: producerEpoch(batch),
      lastSequence: lastSequence(batch),
      lastOffset: lastOffset(batch),
      offsetDelta: lastOffsetDelta(batch),
      lastTimestamp: maxTimestamp(batch),
      coordinatorEpoch: before.coordinatorEpoch,
      transactionFirstOffset,
    });
  }

  #appendMarker(
    before: ProducerState,
    marker: Marker,
    batch: Buffer,
  ): AbortedTransaction | undefined {
    const epoch = producerEpoch(batch);
    // Transactions v2 end each transaction with a new epoch, which has written nothing yet.
    const kept = epoch === before.epoch ? before : unknownProducer(before.producerId);
    this.#producers.set(before.producerId, {
      ...kept,
      epoch,
      lastTimestamp: marker.timestamp,
      coordinatorEpoch: marker.coordinatorEpoch,
      transactionFirstOffset: undefined,
    });
    const firstOffset = before.transactionFirstOffset;
    // A marker without data of its transaction here decides nothing here.
    if (firstOffset === undefined) return undefined;
    this.#open.delete(before.producerId);
    if (marker.type === 'commit') return undefined;
    const markerOffset = baseOffset(batch);
    const [firstOpen = markerOffset + 1n] = this.#open.values();
    return {
      producerId: before.producerId,
      firstOffset,
      lastOffset: markerOffset,
      lastStableOffset: firstOpen,
    };
  }
}

/** As `DefaultRecordBatch.lastSequence`: after the largest comes 0. */
function lastSequence(batch: Buffer): number {
  const first = baseSequence(batch);
  if (first === NO_SEQUENCE) return NO_SEQUENCE;
  const last = first + lastOffsetDelta(batch);
  return last <= SEQUENCE_MAX ? last : last - SEQUENCE_MAX - 1;
}

/** As `EndTransactionMarker.deserialize`. */
function readMarker(batch: Buffer): Marker {
  const attributes = batchAttributes(batch);
  const body = batch.subarray(BATCH_HEADER_BYTES);
  const [record] = codecOf(attributes) === 0 ? records(body, recordCount(batch)) : [];
  const { key = null, value = null } = record ?? {};
  const isWhole =
    key !== null &&
    value !== null &&
    key.length >= MARKER_KEY_BYTES &&
    value.length >= MARKER_VALUE_BYTES;
  const type = isWhole ? MARKER_TYPES[key.readInt16BE(2)] : undefined;
  if (record === undefined || value === null || type === undefined) {
    throw segmentCorrupt(WHAT, 'a control batch of a producer holds no transaction marker', {
      offset: baseOffset(batch),
      attributes: attributes & ~ATTRIBUTE.control,
    });
  }
  return {
    type,
    coordinatorEpoch: value.readInt32BE(2),
    timestamp: isLogAppendTime(attributes)
      ? maxTimestamp(batch)
      : BigInt.asIntN(64, baseTimestamp(batch) + BigInt(record.timestampDelta)),
  };
}
