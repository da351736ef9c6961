/** Which topics and partitions the large cluster has, who leads them, and what is in their logs. */
import { BATCH_FIELD, buildRecordBatch } from '../../../kafka/index.ts';

export const CLUSTER_ID = 'many-partitions';
export const BROKERS = 3;
export const LEADER_EPOCH = 3;
const RECORDS_PER_BATCH = 2;
const VALUE_BYTES = 10;
/** Of the older half of a partition's extents: large enough not to be merged again. */
const BATCHES_OF_LARGE = 4;
const ID_BYTES = 16;

export interface ClusterShape {
  readonly topics: number;
  readonly partitionsPerTopic: number;
  readonly groups: number;
  /** Of each partition. */
  readonly extents: number;
  /** Partitions of which something is new, where a round has news. */
  readonly busy: number;
}

/** What is measured unless something else is asked for. */
export const LARGE_CLUSTER: ClusterShape = {
  topics: 1_000,
  partitionsPerTopic: 100,
  groups: 4,
  extents: 10,
  busy: 100,
};

export interface ShapedPartition {
  readonly topicId: string;
  readonly topic: string;
  readonly partition: number;
}

/** @returns the id of a topic, which tells its number */
export function topicIdOf(topic: number): string {
  const bytes = Buffer.alloc(ID_BYTES, 0xa5);
  bytes.writeUInt32BE(topic);
  return bytes.toString('base64url');
}

export function topicNumberOf(topicId: string): number {
  return Buffer.from(topicId, 'base64url').readUInt32BE();
}

export function topicNameOf(topic: number): string {
  return `orders.eu-west-1.${topic}`;
}

/** @returns from 1 */
export function leaderOf(topic: number, partition: number): number {
  return ((topic + partition) % BROKERS) + 1;
}

/** @returns every partition, topic by topic */
export function* allPartitions(shape: ClusterShape): Iterable<ShapedPartition> {
  for (let number = 0; number < shape.topics; number++) {
    const [topicId, topic] = [topicIdOf(number), topicNameOf(number)];
    for (let partition = 0; partition < shape.partitionsPerTopic; partition++) {
      yield { topicId, topic, partition };
    }
  }
}

/** Partitions that have news, from many topics. */
export function* busyPartitions(shape: ClusterShape): Iterable<ShapedPartition> {
  const all = shape.topics * shape.partitionsPerTopic;
  const stride = Math.max(1, Math.floor(all / shape.busy));
  let index = 0;
  for (const partition of allPartitions(shape)) {
    if (index % stride === 0 && index < stride * shape.busy) yield partition;
    index++;
  }
}

/** @returns how many batches are in a partition's extent of that number, from 0 */
export function batchesIn(extent: number, { extents }: ClusterShape): number {
  return extent < extents / 2 ? BATCHES_OF_LARGE : 1;
}

/** @returns how many batches of each partition are merged at the beginning */
export function batchesMerged(shape: ClusterShape): number {
  let batches = 0;
  for (let extent = 0; extent < shape.extents; extent++) batches += batchesIn(extent, shape);
  return batches;
}

/** The logs consist of batches that are alike but for their offsets. */
export class LogTemplate {
  readonly #template: Buffer;

  /** @param timestampMs of all records */
  constructor(timestampMs: number) {
    const value = Buffer.alloc(VALUE_BYTES, 'outrigger ');
    const records = Array.from({ length: RECORDS_PER_BATCH }, () => ({ key: null, value }));
    const header = { baseTimestamp: BigInt(timestampMs), partitionLeaderEpoch: LEADER_EPOCH };
    this.#template = buildRecordBatch(header, records);
  }

  /** @returns the offset at which the log's batch of that number begins */
  static offsetOf(batch: number): bigint {
    return BigInt(batch * RECORDS_PER_BATCH);
  }

  /** @returns the number of the batch with the offset */
  static batchAt(offset: bigint): number {
    return Math.floor(Number(offset) / RECORDS_PER_BATCH);
  }

  batch(number: number): Buffer {
    const batch = Buffer.from(this.#template);
    batch.writeBigInt64BE(LogTemplate.offsetOf(number), BATCH_FIELD.baseOffset);
    return batch;
  }
}
