/**
 * `outrigger repair`: lets merging and reading of one partition go on after an object was lost for
 * good. It finds out what is left, and puts empty batches in the place of the rest, by entries of
 * the journal like any worker's. It promises to give up nothing that is still anywhere, to say
 * exactly what it gives up, and to commit nothing in a dry run.
 */
import assert from 'node:assert/strict';
import type { KeyRing } from '../../kafka/index.ts';
import type { Clock } from '../../runtime/index.ts';
import { initialSegmentState, MergedFileBuilder, partitionKey } from '../../storage/index.ts';
import type {
  Change,
  Extent,
  Journal,
  ObjectStore,
  PartitionState,
  Segment,
  SegmentState,
  TopicRecordStore,
} from '../../storage/index.ts';
import { workerError } from '../errors.ts';
import { SegmentBuild } from '../extents/segment-build.ts';
import { openSegment } from '../extents/segment-log.ts';
import type { ClusterLog, PartitionLeader } from '../log/cluster-log.ts';
import { WalFiles } from '../wal/wal-files.ts';
import { findDamage } from './find-damage.ts';
import { Salvage, type SalvagedBatch } from './salvage.ts';
import { type Repaired, Tally } from './tally.ts';

/** How often everything is looked at anew because a worker has committed meanwhile. */
const ATTEMPTS_MAX = 5;
/** Of unmerged data that goes into one merged file. */
const FILE_BYTES = 64 * 1024 * 1024;
const WAL_CACHE_BYTES = 128 * 1024 * 1024;
/** Kafka's own limit: what is repaired is never larger than what was lost. */
const SEGMENT_BYTES_MAX = 1024 * 1024 * 1024;
/** Above every offset. */
const OFFSET_END = 2n ** 63n;

export interface RepairOptions {
  /** Of the partition's group, opened for writing unless it is a dry run. */
  readonly journal: Journal;
  readonly group: number;
  readonly clusterId: string;
  readonly store: ObjectStore;
  readonly log: ClusterLog;
  readonly keyRing: KeyRing;
  /** They say where the merge of a partition begins that the journal does not know yet. */
  readonly records: Pick<TopicRecordStore, 'get'>;
  readonly clock: Clock;
  readonly random: (byteCount: number) => Buffer;
  readonly topic: string;
  readonly partition: number;
  /** Also reads every byte of what seems to be there. */
  readonly isDeep: boolean;
  /** Commits nothing. */
  readonly isDryRun: boolean;
}

/**
 * @returns what was repaired, or would be; nothing if nothing is lost
 * @throws `WORKER_PARTITION_UNKNOWN`, `WORKER_LOG_UNREADABLE`, `WORKER_REPAIR_OVERTAKEN`, and what
 *   broker and store throw
 */
export async function repair(options: RepairOptions): Promise<readonly Repaired[]> {
  const leader = await leaderOf(options);
  const repaired: Repaired[] = [];
  for (let attempts = 0; attempts < ATTEMPTS_MAX; attempts++) {
    await options.journal.catchUp();
    const run = new RepairRun(options, leader, repaired);
    if (await run.run()) return repaired;
  }
  throw workerError(
    'WORKER_REPAIR_OVERTAKEN',
    'Workers have changed the partition each time that it was to be repaired. Repeat the command.',
    { retriable: true, details: { topic: options.topic, partition: options.partition } },
  );
}

async function leaderOf({ log, topic, partition }: RepairOptions): Promise<PartitionLeader> {
  const found = (await log.topics([topic])).get(topic);
  const leader = found?.partitions.find((other) => other.partition === partition);
  if (leader !== undefined && leader.brokerId >= 0) return leader;
  const message = `The cluster has no leader of ${topic}-${partition} now, or no such partition.`;
  throw workerError('WORKER_PARTITION_UNKNOWN', message, { details: { topic, partition } });
}

class RepairRun {
  readonly #options: RepairOptions;
  readonly #leader: PartitionLeader;
  readonly #repaired: Repaired[];

  constructor(options: RepairOptions, leader: PartitionLeader, repaired: Repaired[]) {
    this.#options = options;
    this.#leader = leader;
    this.#repaired = repaired;
  }

  /** @returns false if a worker came first: look again */
  async run(): Promise<boolean> {
    const { log } = this.#options;
    const logStart = (await log.logStarts([this.#leader])).get(partitionKey(this.#leader));
    if (logStart === undefined) {
      throw workerError('WORKER_LOG_UNREADABLE', 'The leader does not say where its log begins.', {
        retriable: true,
      });
    }
    const walFiles = new WalFiles(WAL_CACHE_BYTES);
    const salvage = new Salvage({ ...this.#options, walFiles, leader: this.#leader, logStart });
    const { state } = this.#options.journal;
    const partition = state.partitions.get(partitionKey(this.#leader));
    if (partition !== undefined) {
      const damage = await findDamage(this.#options, state, partition);
      for (const segment of damage.segments) {
        if (!(await this.#repairSegment(salvage, partition, segment))) return false;
      }
      for (const extent of damage.extents) {
        if (!(await this.#repairExtent(salvage, extent))) return false;
      }
    }
    return await this.#repairUnmerged(salvage, partition?.cursor ?? (await this.#start(logStart)));
  }

  /** @returns where the first merge begins: where the log ended when the topic was marked */
  async #start(logStart: bigint): Promise<bigint> {
    const { topicId, partition } = this.#leader;
    const record = await this.#options.records.get(topicId);
    const marked = BigInt(record?.startOffsets?.[partition] ?? logStart);
    return marked > logStart ? marked : logStart;
  }

  async #repairExtent(salvage: Salvage, extent: Extent): Promise<boolean> {
    const batches: SalvagedBatch[] = [];
    const tally = new Tally('extent', extent);
    for await (const batch of salvage.fromExtent(extent)) {
      tally.add(batch);
      if (!this.#options.isDryRun) batches.push(batch);
    }
    const file = this.#options.isDryRun ? undefined : this.#fileOf(extent, batches);
    return await this.#commit({ kind: 're-merge' }, file, tally);
  }

  async #repairSegment(
    salvage: Salvage,
    partition: PartitionState,
    damaged: Segment,
  ): Promise<boolean> {
    const { store, clock, random, isDryRun } = this.#options;
    const state = await this.#stateBefore(partition, damaged);
    const epoch = state.leaderEpochs.at(-1)?.epoch ?? 0;
    const tally = new Tally('segment', damaged);
    let build: SegmentBuild | undefined;
    for await (const batch of salvage.fromSegment(damaged, epoch)) {
      tally.add(batch);
      if (isDryRun) continue;
      build ??= new SegmentBuild({ ...state, nextOffset: batch.baseOffset }, SEGMENT_BYTES_MAX);
      assert.equal(build.append(batch.bytes), 'appended', 'no more than there was');
    }
    if (build === undefined) {
      assert(isDryRun, 'there is a batch for what the log does not have');
      this.#repaired.push(tally.result());
      return true;
    }
    const { startOffset, endOffset, createdMs } = damaged;
    const { brokerId } = this.#leader;
    const nowMs = clock.wallMs();
    const upload = { store, id: partition, brokerId, nowMs, createdMs, random };
    const { segment } = await build.upload(upload);
    const { topicId, topic, partition: number } = partition;
    const replaced = { ...segment, startOffset, endOffset };
    const segments = [{ topicId, topic, partition: number, segment: replaced }];
    return await this.#commit({ kind: 'consolidate', segments }, undefined, tally);
  }

  /** @returns as far as it can be had */
  async #stateBefore(partition: PartitionState, damaged: Segment): Promise<SegmentState> {
    const { segments } = partition;
    const before = segments[segments.findIndex(({ id }) => id === damaged.id) - 1];
    if (before === undefined) return initialSegmentState(damaged.baseOffset);
    const { indexes } = await openSegment(this.#options.store, partition, before);
    return indexes.state();
  }

  /** Merges up to the last batch that is lost; the merge job takes over behind it. */
  async #repairUnmerged(salvage: Salvage, cursor: bigint): Promise<boolean> {
    const end = await this.#endOfLoss(salvage, cursor);
    let batches: SalvagedBatch[] = [];
    let bytes = 0;
    let startOffset = cursor;
    const flush = async (): Promise<boolean> => {
      const last = batches.at(-1);
      if (last === undefined) return true;
      const range = { startOffset, endOffset: last.lastOffset + 1n };
      const tally = new Tally('unmerged', range);
      for (const batch of batches) tally.add(batch);
      const file = this.#options.isDryRun ? undefined : this.#fileOf(range, batches);
      batches = [];
      bytes = 0;
      startOffset = range.endOffset;
      return await this.#commit({ kind: 'merge', samples: [] }, file, tally);
    };
    for await (const batch of salvage.fromLog(cursor, end, -1)) {
      if (bytes + batch.bytes.length > FILE_BYTES && !(await flush())) return false;
      batches.push(batch);
      bytes += batch.bytes.length;
    }
    return await flush();
  }

  /** @returns the offset behind the last batch above the cursor that is lost; the cursor if none */
  async #endOfLoss(salvage: Salvage, cursor: bigint): Promise<bigint> {
    let end = cursor;
    for await (const batch of salvage.fromLog(cursor, OFFSET_END, -1)) {
      if (batch.isGivenUp) end = batch.lastOffset + 1n;
    }
    return end;
  }

  #fileOf(
    { startOffset, endOffset }: Pick<Extent, 'startOffset' | 'endOffset'>,
    batches: readonly SalvagedBatch[],
  ): MergedFileBuilder {
    const { clusterId, group } = this.#options;
    const { topicId, topic, partition } = this.#leader;
    const planned = batches.map(({ baseOffset, lastOffset, origin, bytes }) => {
      return { baseOffset, lastOffset, origin, length: bytes.length };
    });
    const extent = { topicId, topic, partition, startOffset, endOffset, batches: planned };
    const file = new MergedFileBuilder({ clusterId, group }, [extent]);
    for (const [index, { bytes }] of batches.entries()) file.place(0, index, [bytes]);
    return file;
  }

  async #commit(
    change: Change,
    file: MergedFileBuilder | undefined,
    tally: Tally,
  ): Promise<boolean> {
    if (!this.#options.isDryRun) {
      const outcome = await this.#options.journal.commit(change, file);
      if (outcome.kind !== 'committed') return false;
    }
    this.#repaired.push(tally.result());
    return true;
  }
}
