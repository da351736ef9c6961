/** The packed list of the partitions whose log ends merges are asked to sample. */
import { malformed, Packer, Unpacker } from './packing.ts';
import type { NamedTopicPartition } from './worker-coordinator.ts';

const VERSION = 1;
/** The least that one topic, one partition takes. */
const TOPIC_BYTES_MIN = 2;
const PARTITION_BYTES_MIN = 1;

/** @returns each topic's name once, with its partitions */
export function packSampleRequests(partitions: readonly NamedTopicPartition[]): Buffer {
  const byTopic = new Map<string, Set<number>>();
  for (const { topic, partition } of partitions) {
    const known = byTopic.get(topic);
    if (known === undefined) byTopic.set(topic, new Set([partition]));
    else known.add(partition);
  }
  const packer = new Packer().u8(VERSION).varint(byTopic.size);
  for (const [topic, numbers] of byTopic) {
    packer.text(topic).varint(numbers.size);
    for (const number of numbers) packer.varint(number);
  }
  return packer.finish();
}

/** @throws `COORDINATOR_RECORD_MALFORMED` */
export function parseSampleRequests(packed: Buffer): NamedTopicPartition[] {
  const unpacker = new Unpacker(packed);
  const version = unpacker.u8();
  if (version !== VERSION) throw malformed(`requests for samples of version ${version}`);
  const partitions: NamedTopicPartition[] = [];
  for (let topics = unpacker.count(TOPIC_BYTES_MIN); topics > 0; topics--) {
    const topic = unpacker.text();
    for (let left = unpacker.count(PARTITION_BYTES_MIN); left > 0; left--) {
      partitions.push({ topic, partition: unpacker.varint() });
    }
  }
  return partitions;
}
