/**
 * A whole installation in memory, sound as it stands, for tests that break it: a cluster, a bucket
 * with WAL files, merged files and segments, and Redis' copies.
 */
import { pino } from 'pino';
import type {
  FileAnnouncement,
  PartitionView,
  SettledFile,
} from '../../../../coordinator/index.ts';
import {
  baseOffset,
  buildPlaceholder,
  buildRecordBatch,
  KeyRing,
  lastOffset,
} from '../../../../kafka/index.ts';
import {
  buildWalFile,
  joinIndexes,
  encodeManifest,
  initialSegmentState,
  Journal,
  manifestOf,
  MergedFileBuilder,
  newFileId,
  newSegmentId,
  openBucket,
  openGroupCount,
  SEGMENT_PREFIX,
  segmentKeys,
  SegmentWriter,
  SNAPSHOT_EVERY_ENTRIES,
  TopicRecordStore,
  walKey,
} from '../../../../storage/index.ts';
import type {
  Change,
  CommitOutcome,
  GroupState,
  PlannedExtent,
  SegmentKeys,
} from '../../../../storage/index.ts';
import { type MergeBatch, readLogBatch } from '../../../../workers/merge/log-batch.ts';
import type { VerifiedCoordinator } from '../../../../workers/verify/verify.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { FakeClusterLog, type FakePartition } from '../../../support/fake-cluster-log.ts';
import { MemoryStore } from '../../storage/memory-store.ts';

export const CLUSTER_ID = 'cluster';
export const GROUP = 0;
const LEADER_EPOCH = 0;

/** Redis' copies as plain values, for tests to change. */
export class FakeCopies implements VerifiedCoordinator {
  number = 0;
  views: PartitionView[] = [];
  readonly settled: SettledFile[] = [];
  readonly unsettled: FileAnnouncement[] = [];

  load(group: number, { number, partitions }: GroupState): void {
    this.number = number;
    this.views = [...partitions.values()].map((partition) => {
      const { quarantined: _quarantined, asOf: _asOf, ...view } = partition;
      return { ...view, group };
    });
  }

  async appliedNumber(): Promise<number> {
    return this.number;
  }

  async *partitionViews(): AsyncIterable<PartitionView> {
    yield* this.views;
  }

  async knownFiles(fileIds: readonly bigint[]): Promise<ReadonlySet<bigint>> {
    const known = new Set([...this.settled, ...this.unsettled].map(({ fileId }) => fileId));
    return new Set(fileIds.filter((fileId) => known.has(fileId)));
  }

  async settledFiles(after: number, limit: number): Promise<readonly SettledFile[]> {
    return this.settled.filter(({ settledNumber }) => settledNumber > after).slice(0, limit);
  }

  async unsettledFiles(): Promise<readonly FileAnnouncement[]> {
    return this.unsettled;
  }
}

export class Site {
  readonly clock: FakeClock;
  readonly store: MemoryStore;
  readonly log = new FakeClusterLog();
  readonly copies = new FakeCopies();
  readonly journal: Journal;
  readonly keyRing: KeyRing;
  /** Of the WAL files, in the order in which they were written. */
  readonly walFiles: bigint[] = [];
  #randoms = 0;

  private constructor(store: MemoryStore, clock: FakeClock, journal: Journal, keyRing: KeyRing) {
    this.clock = clock;
    this.store = store;
    this.journal = journal;
    this.keyRing = keyRing;
  }

  static async open(): Promise<Site> {
    const store = new MemoryStore();
    const clock = new FakeClock();
    let randoms = 0;
    const random = (byteCount: number): Buffer => Buffer.alloc(byteCount, ++randoms);
    const now = (): number => clock.wallMs();
    const bucket = await openBucket(store, CLUSTER_ID, { random, now });
    await openGroupCount(store, 1);
    const [key] = bucket.keyRing;
    if (key === undefined) throw new Error('no key');
    const logger = pino({ level: 'silent' });
    const owner = { clusterId: CLUSTER_ID, group: GROUP };
    const journal = await Journal.open({ store, ...owner, random, now, logger });
    const site = new Site(store, clock, journal, new KeyRing(key));
    site.log.createTopic('orders', 2);
    const { topicId } = site.partition(0).id;
    await new TopicRecordStore(store).put({
      topicId,
      name: 'orders',
      diskless: true,
      configs: {},
      updatedAtMs: now(),
      version: 1,
    });
    return site;
  }

  /** Another worker on the same group. */
  static async reopen(site: Site): Promise<Journal> {
    const { store, clock } = site;
    const random = (byteCount: number): Buffer => Buffer.alloc(byteCount, 0xee);
    const now = (): number => clock.wallMs();
    const logger = pino({ level: 'silent' });
    return await Journal.open({ store, clusterId: CLUSTER_ID, group: GROUP, random, now, logger });
  }

  partition(number: number): FakePartition {
    return this.log.partition('orders', number);
  }

  random(byteCount: number): Buffer {
    return Buffer.alloc(byteCount, ++this.#randoms);
  }

  /** Writes one WAL file with a batch of three records for each, and appends the placeholders. */
  async produce(...partitions: readonly number[]): Promise<void> {
    const createdMs = this.clock.wallMs();
    const batches = partitions.map((partition) => ({
      topic: 'orders',
      partition,
      bytes: buildRecordBatch(
        { lastOffsetDelta: 2 },
        ['a', 'b', 'c'].map((text) => ({ value: Buffer.from(text.repeat(100)) })),
      ),
    }));
    const input = { clusterId: CLUSTER_ID, memberId: 1, createdMs, batches };
    const { file, positions } = buildWalFile(input);
    const fileId = newFileId(createdMs, this.walFiles.length);
    this.walFiles.push(fileId);
    await this.store.put(walKey(fileId), file);
    for (const [index, { topic, partition, bytes }] of batches.entries()) {
      const placeholder = buildPlaceholder({
        realBatch: bytes,
        fileId,
        position: positions[index] ?? 0,
        maxTimestamp: 0n,
        topic,
        partition,
        keyRing: this.keyRing,
        zstd: true,
      });
      this.partition(partition).append(placeholder);
    }
    this.copies.settled.push({
      fileId,
      bytes: file.length,
      memberId: 1,
      rack: 'a',
      createdMs,
      settledNumber: this.walFiles.length,
      partitions: batches.map(({ topic, partition, bytes }) => {
        return { topic, partition, batchCount: 1, bytes: bytes.length };
      }),
    });
  }

  /** A batch that stays in the broker's log as it is. */
  produceReal(partition: number): void {
    this.partition(partition).append(buildRecordBatch({}, [{ value: Buffer.from('real') }]));
  }

  /** Merges everything up to the ends of the logs, as a worker would. */
  async merge(): Promise<void> {
    const plans: { plan: PlannedExtent; bytes: readonly Buffer[] }[] = [];
    for (const number of [0, 1]) {
      const { id, batches } = this.partition(number);
      const cursor = this.journal.state.partitions.get(`${id.topicId}/${number}`)?.cursor ?? 0n;
      const open = batches.filter((batch) => baseOffset(batch) >= cursor);
      if (open.length === 0) continue;
      const bytes = open.map((batch) => this.realBatch(number, batch));
      const planned = open.map((batch, index) => {
        return { ...this.#read(number, batch), length: bytes[index]?.length ?? 0 };
      });
      const endOffset = this.partition(number).endOffset;
      plans.push({ plan: { ...id, startOffset: cursor, endOffset, batches: planned }, bytes });
    }
    const owner = { clusterId: CLUSTER_ID, group: GROUP };
    const file = new MergedFileBuilder(
      owner,
      plans.map(({ plan }) => plan),
    );
    for (const [extent, { bytes }] of plans.entries()) {
      for (const [batch, chunk] of bytes.entries()) file.place(extent, batch, [chunk]);
    }
    await this.commit({ kind: 'merge', samples: [] }, file);
  }

  /** Makes one segment of everything of a partition that was merged. */
  async consolidate(number: number): Promise<SegmentKeys> {
    const { id, batches } = this.partition(number);
    const writer = new SegmentWriter(initialSegmentState(0n));
    const log = batches.map((batch) => this.realBatch(number, batch));
    for (const batch of log) writer.append(batch);
    const made = writer.finish();
    const segmentId = newSegmentId((count) => this.random(count));
    const keys = segmentKeys(SEGMENT_PREFIX, { ...id, segmentId }, 0n);
    const eventTimestampMs = this.clock.wallMs();
    const manifest = manifestOf(made, { ...id, segmentId }, { brokerId: 1, eventTimestampMs });
    await this.store.put(keys.log, log);
    await this.store.put(keys.indexes, joinIndexes(made.files));
    await this.store.put(keys.manifest, encodeManifest(manifest));
    const segment = {
      id: segmentId,
      baseOffset: 0n,
      startOffset: 0n,
      endOffset: made.endOffset + 1n,
      bytes: made.logBytes,
      maxTimestampMs: made.maxTimestamp,
      createdMs: eventTimestampMs,
    };
    await this.commit({ kind: 'consolidate', segments: [{ ...id, segment }] });
    return keys;
  }

  /** Entries that change next to nothing, until a snapshot has everything before them. */
  async fillToSnapshot(): Promise<void> {
    const [known] = this.journal.state.partitions.values();
    if (known === undefined) throw new Error('nothing is merged');
    const { topicId, topic, partition } = known;
    while (this.journal.state.number % SNAPSHOT_EVERY_ENTRIES !== 0) {
      const count = this.journal.state.number;
      await this.commit({ kind: 'merge', samples: [{ topicId, topic, partition, count }] });
    }
  }

  async commit(change: Change, file?: MergedFileBuilder): Promise<CommitOutcome> {
    const outcome = await this.journal.commit(change, file);
    if (outcome.kind !== 'committed') throw new Error(JSON.stringify(outcome));
    this.copies.load(GROUP, this.journal.state);
    return outcome;
  }

  /** What a consumer gets for a batch of the log. */
  realBatch(partition: number, inLog: Buffer): Buffer {
    if (this.#read(partition, inLog).origin.kind !== 'wal') return inLog;
    const values = ['a', 'b', 'c'].map((text) => ({ value: Buffer.from(text.repeat(100)) }));
    return buildRecordBatch(
      {
        baseOffset: baseOffset(inLog),
        lastOffsetDelta: Number(lastOffset(inLog) - baseOffset(inLog)),
        partitionLeaderEpoch: LEADER_EPOCH,
      },
      values,
    );
  }

  #read(partition: number, inLog: Buffer): MergeBatch {
    const reading = readLogBatch(inLog, this.partition(partition).id, this.keyRing);
    if (reading.kind === 'unknown') throw reading.error;
    return reading.batch;
  }
}
