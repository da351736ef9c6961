/**
 * The producer snapshot (`<next offset>.snapshot`, Kafka's `ProducerStateManager.writeSnapshot`):
 * `i16 version 1 · u32 CRC32C of what follows · i32 count`, then an entry of 46 bytes a producer.
 * Written in the order of producer ids, where a broker writes in that of its hash map; readers
 * make a map of it.
 */
import { crc32c } from '../../kafka/index.ts';
import { segmentCorrupt } from './segment-error.ts';

const VERSION = 1;
const CHECKED_FROM = 6;
const HEADER_BYTES = 10;
const ENTRY_BYTES = 46;
const WHAT = 'A producer snapshot';
/** In the file: no transaction is open. */
const NONE = -1n;

/** What a partition's log says of one producer (Kafka's `ProducerStateEntry`). */
export interface ProducerState {
  readonly producerId: bigint;
  readonly epoch: number;
  /** -1 if this epoch has written no data. */
  readonly lastSequence: number;
  /** Of its last data batch; -1 if this epoch has written none. */
  readonly lastOffset: bigint;
  /** Last offset less first offset of that batch. */
  readonly offsetDelta: number;
  /** Of its last data batch or marker, ms; -1 if unknown. */
  readonly lastTimestamp: bigint;
  /** Of the last marker; -1 if there was none. */
  readonly coordinatorEpoch: number;
  /** Of the transaction that is open, if one is. */
  readonly transactionFirstOffset: bigint | undefined;
}

/** @returns the file */
export function encodeProducerSnapshot(producers: readonly ProducerState[]): Buffer {
  const file = Buffer.allocUnsafe(HEADER_BYTES + producers.length * ENTRY_BYTES);
  file.writeInt16BE(VERSION, 0);
  file.writeInt32BE(producers.length, CHECKED_FROM);
  let at = HEADER_BYTES;
  for (const producer of producers.toSorted(byProducerId)) {
    file.writeBigInt64BE(producer.producerId, at);
    file.writeInt16BE(producer.epoch, at + 8);
    file.writeInt32BE(producer.lastSequence, at + 10);
    file.writeBigInt64BE(producer.lastOffset, at + 14);
    file.writeInt32BE(producer.offsetDelta, at + 22);
    file.writeBigInt64BE(producer.lastTimestamp, at + 26);
    file.writeInt32BE(producer.coordinatorEpoch, at + 34);
    file.writeBigInt64BE(producer.transactionFirstOffset ?? NONE, at + 38);
    at += ENTRY_BYTES;
  }
  file.writeUInt32BE(crc32c(file.subarray(CHECKED_FROM)), 2);
  return file;
}

/**
 * @returns its producers, by producer id
 * @throws `STORAGE_SEGMENT_CORRUPT` unless it is a whole snapshot with a right checksum
 */
export function parseProducerSnapshot(file: Buffer): ProducerState[] {
  if (file.length < HEADER_BYTES) throw segmentCorrupt(WHAT, 'it is cut short');
  const version = file.readInt16BE(0);
  if (version !== VERSION) throw segmentCorrupt(WHAT, `version ${version} is unknown`);
  if (file.readUInt32BE(2) !== crc32c(file.subarray(CHECKED_FROM))) {
    throw segmentCorrupt(WHAT, 'CRC32C mismatch');
  }
  const count = file.readInt32BE(CHECKED_FROM);
  if (HEADER_BYTES + count * ENTRY_BYTES !== file.length) {
    throw segmentCorrupt(WHAT, `it does not hold ${count} producers`);
  }
  const producers = Array.from({ length: count }, (_, index) =>
    readEntry(file, HEADER_BYTES + index * ENTRY_BYTES),
  );
  if (new Set(producers.map(({ producerId }) => producerId)).size !== count) {
    throw segmentCorrupt(WHAT, 'it holds a producer twice');
  }
  return producers.sort(byProducerId);
}

function readEntry(file: Buffer, at: number): ProducerState {
  const transactionFirstOffset = file.readBigInt64BE(at + 38);
  return {
    producerId: file.readBigInt64BE(at),
    epoch: file.readInt16BE(at + 8),
    lastSequence: file.readInt32BE(at + 10),
    lastOffset: file.readBigInt64BE(at + 14),
    offsetDelta: file.readInt32BE(at + 22),
    lastTimestamp: file.readBigInt64BE(at + 26),
    coordinatorEpoch: file.readInt32BE(at + 34),
    transactionFirstOffset: transactionFirstOffset < 0n ? undefined : transactionFirstOffset,
  };
}

function byProducerId(a: ProducerState, b: ProducerState): number {
  return a.producerId < b.producerId ? -1 : 1;
}
