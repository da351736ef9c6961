/**
 * All that a merge works on, in memory: logs, a bucket, what workers share, and members that
 * produce as the proxy does. Any number of workers, each with its own view of the journals.
 */
import { pino, type Logger } from 'pino';
import {
  buildPlaceholder,
  buildRecordBatch,
  KeyRing,
  maxTimestamp,
  type KafkaRecord,
  type RecordBatchHeader,
} from '../../kafka/index.ts';
import { ByteBudget } from '../../runtime/index.ts';
import {
  buildWalFile,
  entryKey,
  ExtentIndex,
  Journal,
  newFileId,
  partitionKey,
  readMergedBatch,
  walKey,
  type CommitOutcome,
  type Extent,
  type GroupState,
  type ObjectStore,
  type PartitionState,
  type TopicRecord,
} from '../../storage/index.ts';
import type { Group, GroupJob, JobContext } from '../../workers/group-job.ts';
import { MemoryStore } from '../unit/storage/memory-store.ts';
import { FakeClock } from './fake-clock.ts';
import { FakeClusterLog, type FakePartition } from './fake-cluster-log.ts';
import { FakeWorkerCoordinator } from './fake-worker-coordinator.ts';

export const CLUSTER_ID = 'test-cluster';
const MEMBER_ID = 0;
const MEMORY_BYTES = 1 << 30;

/** A batch on its way to a partition. */
export interface Produced {
  readonly topic: string;
  readonly partition?: number;
  readonly batch: Buffer;
}

/** @returns a batch of records with these values */
export function batchOf(values: readonly string[], header: RecordBatchHeader = {}): Buffer {
  const records: Partial<KafkaRecord>[] = values.map((value) => ({ value: Buffer.from(value) }));
  return buildRecordBatch({ baseTimestamp: 1_000n, ...header }, records);
}

/** What workers find when they start. */
export interface WorkerWorld
  extends Pick<JobContext, 'clock' | 'clusterId' | 'coordinator' | 'keyRing' | 'log' | 'store'> {
  readonly groupCount: number;
  /** By topic id. */
  readonly topics: Map<string, TopicRecord>;
}

export class MergeSite implements WorkerWorld {
  readonly clusterId = CLUSTER_ID;
  readonly clock = new FakeClock();
  readonly store = new MemoryStore(() => this.clock.wallMs());
  readonly coordinator = new FakeWorkerCoordinator();
  readonly keyRing = new KeyRing({ id: 1, secret: Buffer.alloc(32, 7) });
  readonly topics = new Map<string, TopicRecord>();
  readonly log: FakeClusterLog;
  readonly groupCount: number;
  #fileCount = 0;

  constructor(groupCount = 1, log = new FakeClusterLog()) {
    this.groupCount = groupCount;
    this.log = log;
  }

  /** Makes a topic that is diskless from its beginning. */
  createTopic(topic: string, partitionCount = 1): readonly FakePartition[] {
    const partitions = this.log.createTopic(topic, partitionCount);
    this.mark(topic, { startOffsets: partitions.map(() => 0) });
    return partitions;
  }

  /** Writes the topic's record. */
  mark(topic: string, fields: Partial<TopicRecord> = {}): void {
    const { topicId } = this.log.partition(topic).id;
    const version = (this.topics.get(topicId)?.version ?? 0) + 1;
    const record = { topicId, name: topic, diskless: true, configs: {}, updatedAtMs: 0, version };
    this.topics.set(topicId, { ...record, ...fields });
  }

  /** A batch that goes to the log as it is. @returns it as the log has it */
  produceReal({ topic, partition = 0, batch }: Produced): Buffer {
    return this.log.partition(topic, partition).append(batch);
  }

  /** Puts the batches into one WAL file. @returns what appends a placeholder for each, in order */
  upload(produced: readonly Produced[]): { fileId: bigint; append: () => void } {
    this.#fileCount += 1;
    const fileId = newFileId(this.clock.wallMs(), this.#fileCount);
    const batches = produced.map(({ topic, partition = 0, batch: bytes }) => {
      return { topic, partition, bytes };
    });
    const createdMs = this.clock.wallMs();
    const input = { clusterId: CLUSTER_ID, memberId: MEMBER_ID, createdMs, batches };
    const { file, positions } = buildWalFile(input);
    this.store.set(walKey(fileId), file);
    const partitions = batches.map(({ topic, partition, bytes }) => {
      return { topic, partition, batchCount: 1, bytes: bytes.length };
    });
    const about = { fileId, bytes: file.length, memberId: MEMBER_ID, rack: 'a', createdMs };
    this.coordinator.announce({ ...about, partitions });
    const append = (): void => {
      for (const [index, { topic, partition, bytes: realBatch }] of batches.entries()) {
        const placeholder = buildPlaceholder({
          realBatch,
          fileId,
          position: positions[index] ?? 0,
          maxTimestamp: maxTimestamp(realBatch),
          topic,
          partition,
          keyRing: this.keyRing,
          zstd: true,
        });
        this.log.partition(topic, partition).append(placeholder);
      }
    };
    return { fileId, append };
  }

  /** One WAL file, whose placeholders are appended and which is settled. */
  produce(...produced: readonly Produced[]): bigint {
    const { fileId, append } = this.upload(produced);
    append();
    this.coordinator.settle(fileId);
    return fileId;
  }

  /** Opens a worker, with the journals as they are now. */
  async openWorker(options: Partial<WorkerSettings> = {}): Promise<SiteWorker> {
    return await openWorker(this, options);
  }

  /** @returns what the journals add up to, read anew */
  async states(): Promise<GroupState[]> {
    const { groups } = await this.openWorker();
    return groups.map(({ state }) => state);
  }

  /** @returns what the journals say of the partition, read anew */
  async stateOf(topic: string, partition = 0): Promise<PartitionState | undefined> {
    const { topicId } = this.log.partition(topic).id;
    const key = partitionKey({ topicId, partition });
    return (await this.states()).map((state) => state.partitions.get(key)).find(Boolean);
  }

  /** @returns the batches in the partition's extents, each checked, as consumers would get them */
  async readExtents(topic: string, partition = 0): Promise<Buffer[]> {
    const { topicId } = this.log.partition(topic).id;
    const key = partitionKey({ topicId, partition });
    const all: Buffer[] = [];
    for (const [group, { partitions }] of (await this.states()).entries()) {
      for (const extent of partitions.get(key)?.extents ?? []) {
        all.push(...(await readExtent(this.store, group, extent)));
      }
    }
    return all;
  }
}

/** @returns the batches that the extent covers */
export async function readExtent(
  store: ObjectStore,
  group: number,
  extent: Extent,
): Promise<Buffer[]> {
  const { position, bytes, indexBytes, startOffset, endOffset } = extent;
  const outcome = await store.getRange(entryKey(group, extent.file), position, bytes + indexBytes);
  if (outcome.kind === 'missing') throw new Error(`merged file ${extent.file} is gone`);
  const index = new ExtentIndex(outcome.bytes.subarray(bytes), extent);
  const batches: Buffer[] = [];
  for (let row = index.find(startOffset); row < index.batchCount; row++) {
    const indexed = index.at(row);
    if (indexed.baseOffset >= endOffset) break;
    batches.push(readMergedBatch(outcome.bytes.subarray(0, bytes), position, indexed));
  }
  return batches;
}

export interface WorkerSettings {
  readonly failpoint: (name: string) => Promise<void>;
  readonly store: ObjectStore;
  readonly logger: Logger;
}

/** A worker process that holds every group. */
export class SiteWorker {
  readonly groups: Group[] = [];
  readonly memory = new ByteBudget(MEMORY_BYTES);
  readonly #world: WorkerWorld;
  readonly #settings: WorkerSettings;

  constructor(world: WorkerWorld, settings: Partial<WorkerSettings>) {
    this.#world = world;
    const logger = pino({ level: 'silent' });
    this.#settings = { failpoint: async () => {}, store: world.store, logger, ...settings };
  }

  async open(): Promise<void> {
    for (let number = 0; number < this.#world.groupCount; number++) {
      this.groups.push(await this.#openGroup(number));
    }
  }

  /** Runs a job once for every group. */
  async run(job: GroupJob): Promise<void> {
    for (const group of this.groups) await job.run(this.context(group));
  }

  context(group: Group): JobContext {
    const { clock, clusterId, coordinator, keyRing, log, topics } = this.#world;
    const { failpoint, store, logger } = this.#settings;
    return {
      group,
      clusterId,
      store,
      log,
      topics: {
        topics: () => topics,
        publishTopic: (record) => topics.set(record.topicId, record),
        removeTopic: (topicId) => topics.delete(topicId),
      },
      settings: { get: async () => new Map() },
      coordinator,
      keyRing,
      memory: this.memory,
      clock,
      random: randomBytesOf(),
      logger,
      progress: { expect: () => {}, advance: () => {} },
      signal: new AbortController().signal,
      failpoint,
    };
  }

  async #openGroup(number: number): Promise<Group> {
    const { clock, clusterId, groupCount } = this.#world;
    const { store, logger } = this.#settings;
    const journal = await Journal.open({
      store,
      clusterId,
      group: number,
      random: randomBytesOf(),
      now: () => clock.wallMs(),
      logger,
    });
    const commit: Group['commit'] = async (change, file, options): Promise<CommitOutcome> => {
      const outcome = await journal.commit(change, file, options);
      if (outcome.kind === 'lost') await journal.catchUp();
      return outcome;
    };
    return {
      number,
      groupCount,
      get state() {
        return journal.state;
      },
      commit,
      hollowOut: async (file) => journal.hollowOut(file),
    };
  }
}

/** Opens a worker, with the journals as they are now. */
export async function openWorker(
  world: WorkerWorld,
  settings: Partial<WorkerSettings> = {},
): Promise<SiteWorker> {
  const worker = new SiteWorker(world, settings);
  await worker.open();
  return worker;
}

let randomCalls = 0;

/** Bytes that are different at each call of a run. */
function randomBytesOf(): (byteCount: number) => Buffer {
  return (byteCount) => {
    randomCalls += 1;
    const bytes = Buffer.alloc(byteCount);
    bytes.writeUInt32BE(randomCalls, 0);
    return bytes;
  };
}
