/**
 * Reads just as much of the topics in a Metadata answer as is needed to
 * put diskless nodes in the place of leaders, which are patched where they stand: node ids have a
 * fixed length. Makes one object per topic and none per partition, because a client may ask for
 * 100,000 of them.
 */
import { type Reader, ZERO_UUID } from '../../kafka/index.ts';

/** What a version of an answer has in each topic. The order of the fields is always the same. */
export interface TopicLayout {
  /** Compact lengths and tagged fields. */
  readonly flexible: boolean;
  readonly topicId: boolean;
  readonly isInternal: boolean;
  readonly authorizedOperations: boolean;
  readonly leaderEpoch: boolean;
  /** How many lists of replicas a partition ends with. */
  readonly replicaLists: number;
}

export interface SkimmedTopic {
  readonly errorCode: number;
  readonly name: string | null;
  /** The zero id in versions without topic ids. */
  readonly topicId: string;
  /** Where the partitions start in the frame, their count included. */
  readonly partitionsAt: number;
}

const INT32_BYTES = 4;
/** Within a partition: behind its error code come its number and its leader. */
const PARTITION_OFFSET = 2;
const LEADER_OFFSET = PARTITION_OFFSET + INT32_BYTES;

/**
 * @param reader where the topics start; it is left where they end
 * @throws KAFKA_FRAME_MALFORMED
 */
export function skimTopics(reader: Reader, layout: TopicLayout): SkimmedTopic[] {
  const topics: SkimmedTopic[] = [];
  for (let left = readLength(reader, layout.flexible); left > 0; left--) {
    const errorCode = reader.int16();
    const name = readString(reader, layout.flexible);
    const topicId = layout.topicId ? reader.uuid() : ZERO_UUID;
    if (layout.isInternal) reader.skip(1);
    topics.push({ errorCode, name, topicId, partitionsAt: reader.position });
    skipPartitions(reader, layout);
    if (layout.authorizedOperations) reader.skip(INT32_BYTES);
    if (layout.flexible) skipTags(reader);
  }
  return topics;
}

/**
 * Puts another node in the place of each partition's leader, among its replicas too.
 * @param reader at `partitionsAt` of a skimmed topic; the frame that it reads is changed
 * @param leaderOf gives the node for the leader of a partition; not called where there is none
 */
export function patchLeaders(
  reader: Reader,
  layout: TopicLayout,
  leaderOf: (brokerId: number, partition: number) => number,
): void {
  const { buffer, byteOffset, length } = reader.buffer;
  // Twice as fast as the methods of Buffer, which check each value again.
  const frame = new DataView(buffer, byteOffset, length);
  for (let left = readLength(reader, layout.flexible); left > 0; left--) {
    const start = reader.position;
    reader.skip(fixedBytesOf(layout));
    const partition = frame.getInt32(start + PARTITION_OFFSET);
    const brokerId = frame.getInt32(start + LEADER_OFFSET);
    const nodeId = brokerId < 0 ? brokerId : leaderOf(brokerId, partition);
    frame.setInt32(start + LEADER_OFFSET, nodeId);
    for (let lists = layout.replicaLists; lists > 0; lists--) {
      const bytes = readLength(reader, layout.flexible) * INT32_BYTES;
      const first = reader.position;
      reader.skip(bytes);
      for (let at = first; at < first + bytes; at += INT32_BYTES) {
        if (frame.getInt32(at) === brokerId) frame.setInt32(at, nodeId);
      }
    }
    if (layout.flexible) skipTags(reader);
  }
}

function skipPartitions(
  reader: Reader,
  { flexible, leaderEpoch, replicaLists }: TopicLayout,
): void {
  const fixedBytes = LEADER_OFFSET + INT32_BYTES + (leaderEpoch ? INT32_BYTES : 0);
  for (let left = readLength(reader, flexible); left > 0; left--) {
    reader.skip(fixedBytes);
    for (let lists = replicaLists; lists > 0; lists--) {
      reader.skip(readLength(reader, flexible) * INT32_BYTES);
    }
    if (flexible) skipTags(reader);
  }
}

/** The part of a partition in front of its lists. */
function fixedBytesOf({ leaderEpoch }: TopicLayout): number {
  return LEADER_OFFSET + INT32_BYTES + (leaderEpoch ? INT32_BYTES : 0);
}

/** @returns how many elements or bytes follow; 0 also for null */
function readLength(reader: Reader, flexible: boolean): number {
  if (!flexible) return Math.max(0, reader.int32());
  const byte = reader.buffer[reader.position];
  // Nearly all are below 128: this makes skimming twice as fast.
  if (byte === undefined || byte > 0x7f) return Math.max(0, reader.uvarint() - 1);
  reader.position += 1;
  return byte === 0 ? 0 : byte - 1;
}

/** @returns a string of an answer, or null */
export function readString(reader: Reader, flexible: boolean): string | null {
  const length = flexible ? reader.uvarint() - 1 : reader.int16();
  return length < 0 ? null : reader.utf8(length);
}

/** Moves past the tagged fields of a struct; there are usually none. */
export function skipTags(reader: Reader): void {
  if (reader.buffer[reader.position] === 0) {
    reader.position += 1;
    return;
  }
  for (let left = reader.uvarint(); left > 0; left--) {
    reader.uvarint();
    reader.skip(reader.uvarint());
  }
}
