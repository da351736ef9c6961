/**
 * The packed form of a file announcement: a few bytes per partition, with each topic name once. The
 * file id is not in it: it is the field's name. Lua stores it without looking inside.
 */
import type { FileAnnouncement, FileHint, FilePartition } from './coordinator.ts';
import { malformed, Packer, Unpacker } from './packing.ts';

const VERSION = 1;
/** The least that one topic, one partition takes: a byte per field. */
const TOPIC_BYTES_MIN = 2;
const PARTITION_BYTES_MIN = 3;

/** An announcement in the form in which it waits for Redis. */
export interface PackedFile {
  readonly fileId: bigint;
  readonly createdMs: number;
  /** What other members are told, behind the id. */
  readonly hint: Buffer;
  readonly record: Buffer;
}

/** @returns the announcement in a form that refers to nothing of the caller's */
export function packFile(file: FileAnnouncement): PackedFile {
  const { fileId, createdMs, bytes, memberId, rack } = file;
  const hint = Buffer.from(new Packer().varint(bytes).varint(memberId).text(rack).finish());
  return { fileId, createdMs, hint, record: packFileRecord(file) };
}

/** @returns `u8 version · bytes · member · rack · created ms · topics`, as a copy */
function packFileRecord(file: FileAnnouncement): Buffer {
  const byTopic = new Map<string, FilePartition[]>();
  for (const partition of file.partitions) {
    const partitions = byTopic.get(partition.topic);
    if (partitions === undefined) byTopic.set(partition.topic, [partition]);
    else partitions.push(partition);
  }
  const packer = new Packer()
    .u8(VERSION)
    .varint(file.bytes)
    .varint(file.memberId)
    .text(file.rack)
    .varint(file.createdMs)
    .varint(byTopic.size);
  for (const [topic, partitions] of byTopic) {
    packer.text(topic).varint(partitions.length);
    for (const { partition, batchCount, bytes } of partitions) {
      packer.varint(partition).varint(batchCount).varint(bytes);
    }
  }
  return Buffer.from(packer.finish());
}

/** @throws `COORDINATOR_RECORD_MALFORMED` */
export function parseFileRecord(fileId: bigint, packed: Buffer): FileAnnouncement {
  const unpacker = new Unpacker(packed);
  const version = unpacker.u8();
  if (version !== VERSION) throw malformed(`file record of version ${version}`);
  const bytes = unpacker.varint();
  const memberId = unpacker.varint();
  const rack = unpacker.text();
  const createdMs = unpacker.varint();
  const partitions: FilePartition[] = [];
  const topicCount = unpacker.count(TOPIC_BYTES_MIN);
  for (let index = 0; index < topicCount; index++) {
    const topic = unpacker.text();
    const partitionCount = unpacker.count(PARTITION_BYTES_MIN);
    for (let index = 0; index < partitionCount; index++) {
      partitions.push({
        topic,
        partition: unpacker.varint(),
        batchCount: unpacker.varint(),
        bytes: unpacker.varint(),
      });
    }
  }
  return { fileId, bytes, memberId, rack, createdMs, partitions };
}

/** @param unpacker at the file id */
export function readFileHint(unpacker: Unpacker): FileHint {
  return {
    fileId: unpacker.u64(),
    bytes: unpacker.varint(),
    memberId: unpacker.varint(),
    rack: unpacker.text(),
  };
}
