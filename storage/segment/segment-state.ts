/**
 * What crosses from one segment of a partition to the next: producers with their open
 * transactions, and leader epochs. A value: a segment's writer takes one and returns the next. It
 * is made of what Kafka keeps for the same purpose, a producer snapshot and a leader epoch
 * checkpoint, so each stored segment has the state after it among its own files.
 *
 *     magic u32 · version u16 · next offset i64 · snapshot bytes u32 · snapshot · leader epochs ·
 *     CRC32C of all before it u32
 */
import { crc32c } from '../../kafka/index.ts';
import { encodeLeaderEpochs, leaderEpochsBetween, parseLeaderEpochs } from './leader-epochs.ts';
import type { LeaderEpoch } from './leader-epochs.ts';
import { encodeProducerSnapshot, parseProducerSnapshot } from './producer-snapshot.ts';
import type { ProducerState } from './producer-snapshot.ts';
import { segmentCorrupt } from './segment-error.ts';

const MAGIC = 0x4f525347;
const VERSION = 1;
const HEADER_BYTES = 18;
const CHECKSUM_BYTES = 4;
const WHAT = 'A segment state';

/** More are never kept beyond a segment: those unheard of for longest are forgotten first. */
export const PRODUCERS_MAX = 500_000;

export interface SegmentState {
  /** The first offset that is not yet in a segment. */
  readonly nextOffset: bigint;
  readonly producers: readonly ProducerState[];
  /** From the oldest that is known. */
  readonly leaderEpochs: readonly LeaderEpoch[];
}

/** @param nextOffset where the partition's first segment begins */
export function initialSegmentState(nextOffset: bigint): SegmentState {
  return { nextOffset, producers: [], leaderEpochs: [] };
}

/**
 * @param idleSinceMs producers that were last heard of then or earlier are forgotten, unless they
 *   have an open transaction (Kafka's `producer.id.expiration.ms`, a day by default)
 */
export function withoutIdleProducers(state: SegmentState, idleSinceMs: number): SegmentState {
  const since = BigInt(idleSinceMs);
  const producers = state.producers.filter(
    ({ lastTimestamp, transactionFirstOffset }) =>
      transactionFirstOffset !== undefined || lastTimestamp > since,
  );
  return { ...state, producers };
}

/** @param startOffset leader epochs that ended before are forgotten */
export function withoutEpochsBefore(state: SegmentState, startOffset: bigint): SegmentState {
  const end = state.nextOffset > startOffset ? state.nextOffset : startOffset + 1n;
  return { ...state, leaderEpochs: leaderEpochsBetween(state.leaderEpochs, startOffset, end) };
}

/** @returns at most `PRODUCERS_MAX`, and all with an open transaction */
export function boundedProducers(producers: readonly ProducerState[]): readonly ProducerState[] {
  if (producers.length <= PRODUCERS_MAX) return producers;
  const open = producers.filter(({ transactionFirstOffset: first }) => first !== undefined);
  const idle = producers
    .filter(({ transactionFirstOffset: first }) => first === undefined)
    .sort((a, b) => (a.lastTimestamp > b.lastTimestamp ? -1 : 1));
  return [...open, ...idle.slice(0, Math.max(PRODUCERS_MAX - open.length, 0))];
}

/** @returns the state as bytes, the same for equal states */
export function encodeSegmentState(state: SegmentState): Buffer {
  const snapshot = encodeProducerSnapshot(state.producers);
  const epochs = encodeLeaderEpochs(state.leaderEpochs);
  const header = Buffer.allocUnsafe(HEADER_BYTES);
  header.writeUInt32BE(MAGIC, 0);
  header.writeUInt16BE(VERSION, 4);
  header.writeBigInt64BE(state.nextOffset, 6);
  header.writeUInt32BE(snapshot.length, 14);
  const checksum = Buffer.allocUnsafe(CHECKSUM_BYTES);
  const body = Buffer.concat([header, snapshot, epochs]);
  checksum.writeUInt32BE(crc32c(body));
  return Buffer.concat([body, checksum]);
}

/** @throws `STORAGE_SEGMENT_CORRUPT` unless the bytes are a whole state of a known version */
export function parseSegmentState(bytes: Buffer): SegmentState {
  const end = bytes.length - CHECKSUM_BYTES;
  if (end < HEADER_BYTES) throw segmentCorrupt(WHAT, 'it is cut short');
  if (bytes.readUInt32BE(0) !== MAGIC) throw segmentCorrupt(WHAT, 'it is none');
  const version = bytes.readUInt16BE(4);
  if (version !== VERSION) throw segmentCorrupt(WHAT, `version ${version} is unknown`);
  if (crc32c(bytes.subarray(0, end)) !== bytes.readUInt32BE(end)) {
    throw segmentCorrupt(WHAT, 'CRC32C mismatch');
  }
  const snapshotEnd = HEADER_BYTES + bytes.readUInt32BE(14);
  if (snapshotEnd > end) throw segmentCorrupt(WHAT, 'its snapshot is cut short');
  return {
    nextOffset: bytes.readBigInt64BE(6),
    producers: parseProducerSnapshot(bytes.subarray(HEADER_BYTES, snapshotEnd)),
    leaderEpochs: parseLeaderEpochs(bytes.subarray(snapshotEnd, end)),
  };
}
