/**
 * The packed form of a partition's state, one value for all that readers need: what becomes of its
 * data is told by few extents, so it is written anew at every change. Extents and segments follow
 * one another, so most of what is packed are small differences (`docs/adr/0008`). The group is not
 * in it, and the topic's id and the partition's number are the name of its field.
 */
import assert from 'node:assert/strict';
import type { Extent, PartitionId, PartitionState, Segment } from '../storage/index.ts';
import { malformed, Packer, Unpacker } from './packing.ts';
import type { PartitionView } from './worker-coordinator.ts';

const VERSION = 1;
const ID_BYTES = 16;
/** The least that one takes: a byte per number, and four for the checksum. */
const EXTENT_BYTES_MIN = 12;
const SEGMENT_BYTES_MIN = ID_BYTES + 6;

/** Bytes of a field's name: no other field of a group has as many. */
export const PARTITION_FIELD_BYTES = ID_BYTES + 4;

/** @returns the name of the partition's field: 16 bytes topic id, u32 partition */
export function partitionField({ topicId, partition }: PartitionId): Buffer {
  return new Packer().bytes(idBytes(topicId)).u32(partition).finish();
}

/** @throws `COORDINATOR_RECORD_MALFORMED` */
export function parsePartitionField(field: Buffer): PartitionId {
  const unpacker = new Unpacker(field);
  const topicId = unpacker.bytes(ID_BYTES).toString('base64url');
  return { topicId, partition: unpacker.u32() };
}

/** @returns the value; the same state gives the same bytes */
export function packPartition(state: PartitionState): Buffer {
  const packer = new Packer()
    .u8(VERSION)
    .text(state.topic)
    .bigVarint(state.cursor)
    .varint(state.leaderEpoch + 1)
    .bigVarint(state.consolidatedTo);
  for (const offset of [state.logicalStart, state.trimIntent, state.cleanedTo ?? null]) {
    packer.bigVarint(offset === null ? 0n : offset + 1n);
  }
  packExtents(packer, state);
  packSegments(packer, state.segments);
  return packer.finish();
}

/** @throws `COORDINATOR_RECORD_MALFORMED` */
export function parsePartition(group: number, id: PartitionId, value: Buffer): PartitionView {
  const unpacker = new Unpacker(value);
  const version = unpacker.u8();
  if (version !== VERSION) throw malformed(`a partition of version ${version}`);
  const topic = unpacker.text();
  const cursor = unpacker.bigVarint();
  const leaderEpoch = unpacker.varint() - 1;
  const consolidatedTo = unpacker.bigVarint();
  const [logicalStart, trimIntent] = [optionalOffset(unpacker), optionalOffset(unpacker)];
  const cleanedTo = optionalOffset(unpacker);
  const extents = parseExtents(unpacker, consolidatedTo, leaderEpoch);
  const segments = parseSegments(unpacker);
  if (unpacker.remainingBytes > 0) throw malformed('a partition is followed by something');
  return {
    group,
    topicId: id.topicId,
    topic,
    partition: id.partition,
    cursor,
    leaderEpoch,
    logicalStart,
    trimIntent,
    consolidatedTo,
    ...(cleanedTo === null ? {} : { cleanedTo }),
    extents,
    segments,
  };
}

function packExtents(packer: Packer, { extents, consolidatedTo, leaderEpoch }: PartitionState) {
  packer.varint(extents.length);
  let [end, epoch, file, timestamp] = [consolidatedTo, leaderEpoch, 0, 0n];
  for (const extent of extents) {
    packer
      .signedVarint(extent.startOffset - end)
      .bigVarint(extent.endOffset - extent.startOffset)
      .signedVarint(BigInt(extent.file - file))
      .varint(extent.position)
      .varint(extent.bytes)
      .varint(extent.indexBytes)
      .u32(extent.indexCrc)
      .signedVarint(BigInt(extent.leaderEpoch - epoch))
      .signedVarint(BigInt.asIntN(64, extent.maxTimestampMs - timestamp));
    end = extent.endOffset;
    epoch = extent.leaderEpoch;
    file = extent.file;
    timestamp = extent.maxTimestampMs;
  }
}

function parseExtents(unpacker: Unpacker, consolidatedTo: bigint, leaderEpoch: number): Extent[] {
  const extents: Extent[] = [];
  let [end, epoch, file, timestamp] = [consolidatedTo, leaderEpoch, 0, 0n];
  for (let left = unpacker.count(EXTENT_BYTES_MIN); left > 0; left--) {
    const startOffset = end + unpacker.signedVarint();
    end = startOffset + unpacker.bigVarint();
    file += Number(unpacker.signedVarint());
    const [position, bytes] = [unpacker.varint(), unpacker.varint()];
    const [indexBytes, indexCrc] = [unpacker.varint(), unpacker.u32()];
    epoch += Number(unpacker.signedVarint());
    timestamp = BigInt.asIntN(64, timestamp + unpacker.signedVarint());
    extents.push({
      file,
      startOffset,
      endOffset: end,
      position,
      bytes,
      indexBytes,
      indexCrc,
      leaderEpoch: epoch,
      maxTimestampMs: timestamp,
    });
  }
  return extents;
}

function packSegments(packer: Packer, segments: readonly Segment[]): void {
  packer.varint(segments.length);
  let [end, timestamp] = [0n, 0n];
  for (const segment of segments) {
    packer
      .bytes(idBytes(segment.id))
      .signedVarint(segment.startOffset - end)
      .signedVarint(segment.startOffset - segment.baseOffset)
      .bigVarint(segment.endOffset - segment.startOffset)
      .varint(segment.bytes)
      .signedVarint(BigInt.asIntN(64, segment.maxTimestampMs - timestamp))
      .varint(segment.createdMs);
    end = segment.endOffset;
    timestamp = segment.maxTimestampMs;
  }
}

function parseSegments(unpacker: Unpacker): Segment[] {
  const segments: Segment[] = [];
  let [end, timestamp] = [0n, 0n];
  for (let left = unpacker.count(SEGMENT_BYTES_MIN); left > 0; left--) {
    const id = unpacker.bytes(ID_BYTES).toString('base64url');
    const startOffset = end + unpacker.signedVarint();
    const baseOffset = startOffset - unpacker.signedVarint();
    end = startOffset + unpacker.bigVarint();
    const bytes = unpacker.varint();
    timestamp = BigInt.asIntN(64, timestamp + unpacker.signedVarint());
    const createdMs = unpacker.varint();
    segments.push({
      id,
      baseOffset,
      startOffset,
      endOffset: end,
      bytes,
      maxTimestampMs: timestamp,
      createdMs,
    });
  }
  return segments;
}

function optionalOffset(unpacker: Unpacker): bigint | null {
  const packed = unpacker.bigVarint();
  return packed === 0n ? null : packed - 1n;
}

function idBytes(id: string): Buffer {
  const bytes = Buffer.from(id, 'base64url');
  assert(bytes.length === ID_BYTES, 'an id has 16 bytes');
  return bytes;
}
