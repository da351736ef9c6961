/**
 * The brokers' logs in memory, for tests and simulations of workers: batches with the offsets and
 * epochs that a broker gives them, high watermark and last stable offset, leader epochs (with
 * Kafka's `LeaderEpochFileCache.endOffsetFor`), followers that lag, elections clean and unclean,
 * log starts, share groups, topics deleted and made again.
 */
import assert from 'node:assert/strict';
import {
  BATCH_FIELD,
  baseOffset,
  batchAttributes,
  isControl,
  isTransactional,
  lastOffset,
  lastOffsetDelta,
  producerId,
} from '../../kafka/index.ts';
import { partitionKey } from '../../storage/index.ts';
import type {
  ClusterLog,
  LogEnd,
  LogPartition,
  LogTopic,
  PartitionLeader,
  ReadOutcome,
  ReadRequest,
} from '../../workers/log/cluster-log.ts';

interface EpochStart {
  readonly epoch: number;
  readonly startOffset: bigint;
}

/** One partition as its leader has it. What it holds may be read by tests, and is theirs to set. */
export class FakePartition {
  readonly id: LogPartition;
  readonly batches: Buffer[] = [];
  readonly epochs: EpochStart[] = [{ epoch: 0, startOffset: 0n }];
  logStartOffset = 0n;
  endOffset = 0n;
  /** While set the high watermark stays where it is: no follower fetches. */
  followersLag = false;
  hasLeader = true;
  brokerId = 1;
  /** Whether a majority of the brokers names the leader. */
  isAgreed = true;
  /** Whether every broker names the leader. */
  isNamedByAll = true;
  shareGroupStart: bigint | undefined;
  #highWatermark = 0n;
  readonly #transactions = new Map<bigint, bigint>();

  constructor(id: LogPartition) {
    this.id = id;
  }

  get leader(): PartitionLeader {
    return { ...this.id, brokerId: this.hasLeader ? this.brokerId : -1, leaderEpoch: this.epoch };
  }

  get epoch(): number {
    return this.epochs.at(-1)?.epoch ?? 0;
  }

  get highWatermark(): bigint {
    if (!this.followersLag) this.#highWatermark = this.endOffset;
    return this.#highWatermark;
  }

  get lastStableOffset(): bigint {
    const open = [...this.#transactions.values()];
    return open.reduce((low, first) => (first < low ? first : low), this.highWatermark);
  }

  /** @returns the batch as it is in the log now, a copy with offsets and epoch in it */
  append(batch: Buffer): Buffer {
    if (this.followersLag) this.#highWatermark = this.highWatermark;
    const appended = Buffer.from(batch);
    appended.writeBigInt64BE(this.endOffset, BATCH_FIELD.baseOffset);
    appended.writeInt32BE(this.epoch, BATCH_FIELD.partitionLeaderEpoch);
    this.#follow(appended);
    this.batches.push(appended);
    this.endOffset += BigInt(lastOffsetDelta(appended) + 1);
    return appended;
  }

  /** Followers stop: what is appended from now on is above the high watermark. */
  stopFollowers(): void {
    this.#highWatermark = this.highWatermark;
    this.followersLag = true;
  }

  /** A new leader that has everything. */
  elect(): void {
    this.epochs.push({ epoch: this.epoch + 1, startOffset: this.endOffset });
    this.brokerId += 1;
  }

  /** A new leader that has the log up to the offset, which is the end of a batch. */
  electUnclean(endOffset: bigint): void {
    const epoch = this.epoch + 1;
    let last = this.batches.at(-1);
    while (last !== undefined && lastOffset(last) >= endOffset) {
      assert(baseOffset(last) >= endOffset, 'an election cuts between batches');
      this.batches.pop();
      last = this.batches.at(-1);
    }
    this.endOffset = endOffset;
    this.#highWatermark = endOffset < this.#highWatermark ? endOffset : this.#highWatermark;
    const kept = this.epochs.filter(({ startOffset }) => startOffset < endOffset);
    this.epochs.splice(0, this.epochs.length, ...kept, { epoch, startOffset: endOffset });
    this.brokerId += 1;
    this.#transactions.clear();
    for (const batch of this.batches) this.#follow(batch);
    if (this.logStartOffset > endOffset) this.logStartOffset = endOffset;
  }

  /** As DeleteRecords, and retention on the broker, do it. */
  deleteBelow(offset: bigint): void {
    assert(offset <= this.highWatermark, 'out of range');
    if (offset <= this.logStartOffset) return;
    this.logStartOffset = offset;
    this.batches.splice(0, this.#indexOf(offset));
    const latest = this.epochs.findLast(({ startOffset }) => startOffset <= offset);
    const above = this.epochs.filter(({ startOffset }) => startOffset > offset);
    const oldest = latest === undefined ? [] : [{ epoch: latest.epoch, startOffset: offset }];
    this.epochs.splice(0, this.epochs.length, ...oldest, ...above);
  }

  read({ leader, offset, lastFetchedEpoch, bytesMax }: ReadRequest): ReadOutcome {
    if (!this.isLedBy(leader)) return { kind: 'not-leader' };
    if (lastFetchedEpoch >= 0) {
      const end = this.#endOffsetFor(lastFetchedEpoch);
      if (end === undefined) return { kind: 'out-of-range' };
      if (end.epoch < lastFetchedEpoch || end.endOffset < offset) {
        return { kind: 'diverged', ...end };
      }
    }
    if (offset < this.logStartOffset || offset > this.endOffset) return { kind: 'out-of-range' };
    const { highWatermark, lastStableOffset, logStartOffset } = this;
    const batches: Buffer[] = [];
    let bytes = 0;
    for (let index = this.#indexOf(offset); index < this.batches.length; index++) {
      const batch = this.batches[index];
      if (batch === undefined || lastOffset(batch) >= highWatermark) break;
      bytes += batch.length;
      if (batches.length > 0 && bytes > bytesMax) break;
      batches.push(Buffer.from(batch));
    }
    return { kind: 'read', batches, highWatermark, lastStableOffset, logStartOffset };
  }

  isLedBy({ topicId, brokerId, leaderEpoch }: PartitionLeader): boolean {
    const isNamed = brokerId === this.brokerId && leaderEpoch === this.epoch;
    return this.hasLeader && isNamed && topicId === this.id.topicId;
  }

  /** @returns the index of the first batch that ends at the offset or behind it */
  #indexOf(offset: bigint): number {
    let low = 0;
    let high = this.batches.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const batch = this.batches[middle];
      if (batch !== undefined && lastOffset(batch) < offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #endOffsetFor(epoch: number): { epoch: number; endOffset: bigint } | undefined {
    if (epoch === this.epoch) return { epoch, endOffset: this.endOffset };
    const higher = this.epochs.find((entry) => entry.epoch > epoch);
    if (higher === undefined) return undefined;
    const floor = this.epochs.findLast((entry) => entry.epoch <= epoch);
    return { epoch: floor?.epoch ?? epoch, endOffset: higher.startOffset };
  }

  #follow(batch: Buffer): void {
    const attributes = batchAttributes(batch);
    if (!isTransactional(attributes)) return;
    const producer = producerId(batch);
    if (isControl(attributes)) this.#transactions.delete(producer);
    else if (!this.#transactions.has(producer)) {
      this.#transactions.set(producer, baseOffset(batch));
    }
  }
}

export interface FakeClusterLogOptions {
  /** Awaited before each call: to fail it, or to let something else happen first. */
  readonly onCall?: (name: keyof ClusterLog) => Promise<void>;
}

export class FakeClusterLog implements ClusterLog {
  readonly #onCall: (name: keyof ClusterLog) => Promise<void>;
  readonly #topics = new Map<string, FakePartition[]>();
  #topicsMade = 0;

  constructor({ onCall = async () => {} }: FakeClusterLogOptions = {}) {
    this.#onCall = onCall;
  }

  /** Makes the topic, or makes it anew under another id. */
  createTopic(topic: string, partitionCount = 1): readonly FakePartition[] {
    this.#topicsMade += 1;
    const bytes = Buffer.alloc(16);
    bytes.writeUInt32BE(this.#topicsMade, 12);
    const topicId = bytes.toString('base64url');
    const made = Array.from({ length: partitionCount }, (_, partition) => {
      return new FakePartition({ topicId, topic, partition });
    });
    this.#topics.set(topic, made);
    return made;
  }

  deleteTopic(topic: string): void {
    this.#topics.delete(topic);
  }

  partition(topic: string, partition = 0): FakePartition {
    const found = this.#topics.get(topic)?.[partition];
    assert(found !== undefined, `there is no partition ${topic}-${partition}`);
    return found;
  }

  async topics(names: readonly string[]): Promise<ReadonlyMap<string, LogTopic>> {
    await this.#onCall('topics');
    const found = new Map<string, LogTopic>();
    for (const topic of names) {
      const partitions = (this.#topics.get(topic) ?? []).map(({ leader }) => leader);
      const [first] = partitions;
      if (first !== undefined) found.set(topic, { topicId: first.topicId, topic, partitions });
    }
    return found;
  }

  async logEnds(leaders: readonly PartitionLeader[]): Promise<ReadonlyMap<string, LogEnd>> {
    await this.#onCall('logEnds');
    const ends = new Map<string, LogEnd>();
    for (const leader of leaders) {
      const found = this.#find(leader);
      if (found === undefined || !found.isLedBy(leader) || !found.isAgreed) continue;
      const { endOffset, isNamedByAll } = found;
      ends.set(partitionKey(leader), { ...leader, endOffset, isNamedByAll });
    }
    return ends;
  }

  async highWatermarks(leaders: readonly PartitionLeader[]): Promise<ReadonlyMap<string, bigint>> {
    await this.#onCall('highWatermarks');
    const marks = new Map<string, bigint>();
    for (const leader of leaders) {
      const found = this.#find(leader);
      if (found?.isLedBy(leader)) marks.set(partitionKey(leader), found.highWatermark);
    }
    return marks;
  }

  async logStarts(leaders: readonly PartitionLeader[]): Promise<ReadonlyMap<string, bigint>> {
    await this.#onCall('logStarts');
    const starts = new Map<string, bigint>();
    for (const leader of leaders) {
      const found = this.#find(leader);
      if (found?.isLedBy(leader)) starts.set(partitionKey(leader), found.logStartOffset);
    }
    return starts;
  }

  async absentPartitions(
    partitions: readonly Omit<LogPartition, 'topicId'>[],
  ): Promise<ReadonlySet<string>> {
    await this.#onCall('absentPartitions');
    const absent = partitions.filter(({ topic, partition }) => {
      return this.#topics.get(topic)?.[partition] === undefined;
    });
    return new Set(absent.map(({ topic, partition }) => `${topic}/${partition}`));
  }

  async read(request: ReadRequest): Promise<ReadOutcome> {
    await this.#onCall('read');
    return this.#find(request.leader)?.read(request) ?? { kind: 'not-leader' };
  }

  async deleteRecords(leader: PartitionLeader, offset: bigint): Promise<bigint> {
    await this.#onCall('deleteRecords');
    const found = this.#find(leader);
    assert(found !== undefined && found.isLedBy(leader), 'not the leader');
    found.deleteBelow(offset);
    return found.logStartOffset;
  }

  async shareGroupStart(partition: LogPartition): Promise<bigint | undefined> {
    await this.#onCall('shareGroupStart');
    return this.#find(partition)?.shareGroupStart;
  }

  async topicPresence(
    topicIds: readonly string[],
  ): Promise<ReadonlyMap<string, 'present' | 'absent' | 'unknown'>> {
    await this.#onCall('topicPresence');
    const present = new Set([...this.#topics.values()].map(([first]) => first?.id.topicId));
    return new Map(topicIds.map((id) => [id, present.has(id) ? 'present' : 'absent']));
  }

  #find({ topic, topicId, partition }: LogPartition): FakePartition | undefined {
    const found = this.#topics.get(topic)?.[partition];
    return found?.id.topicId === topicId ? found : undefined;
  }
}
