/**
 * One partition group with all that its jobs ask for, in memory: a bucket, its journal, the
 * brokers' logs, topics with their settings, and a clock that stands still.
 */
import { pino } from 'pino';
import { KeyRing } from '../../kafka/index.ts';
import { ByteBudget } from '../../runtime/index.ts';
import { Journal, initialSegmentState, partitionKey } from '../../storage/index.ts';
import type {
  PartitionId,
  PartitionState,
  Segment,
  SegmentState,
  TopicRecord,
} from '../../storage/index.ts';
import { SegmentBuild } from '../../workers/extents/segment-build.ts';
import { StoredBatches } from '../../workers/extents/stored-batches.ts';
import type { Group, JobContext } from '../../workers/group-job.ts';
import type { NamedPartition } from '../../workers/extents/segment-log.ts';
import { topicSettings } from '../../workers/topics/topic-settings.ts';
import type { TopicSettings } from '../../workers/topics/topic-settings.ts';
import { MemoryStore } from '../unit/storage/memory-store.ts';
import { FakeClock } from './fake-clock.ts';
import { FakeClusterLog } from './fake-cluster-log.ts';
import { FakeWorkerCoordinator } from './fake-worker-coordinator.ts';
import { mergedFileOf } from './merged-batches.ts';
import type { MergedRange } from './merged-batches.ts';

const HEAD = { clusterId: 'cluster', group: 0 };
const MEMORY_BYTES = 1024 * 1024 * 1024;
const SEGMENT_BYTES_MAX = 1024 * 1024 * 1024;

export class JobBench {
  readonly store: MemoryStore;
  readonly clock: FakeClock;
  readonly log = new FakeClusterLog();
  readonly memory = new ByteBudget(MEMORY_BYTES);
  readonly journal: Journal;
  readonly random: (byteCount: number) => Buffer;
  /** By topic name; what is left out is Kafka's default. */
  readonly settings = new Map<string, Partial<TopicSettings>>();
  readonly records = new Map<string, TopicRecord>();
  /** Called at every failpoint; what it throws the job throws. */
  onFailpoint: (name: string) => Promise<void> = async () => undefined;
  /** As the last segment of each partition left it. */
  readonly #segmentStates = new Map<string, SegmentState>();

  private constructor(journal: Journal, site: Pick<JobBench, 'store' | 'clock' | 'random'>) {
    this.journal = journal;
    this.store = site.store;
    this.clock = site.clock;
    this.random = site.random;
  }

  static async open(): Promise<JobBench> {
    const store = new MemoryStore();
    const clock = new FakeClock();
    let randoms = 0;
    const random = (byteCount: number): Buffer => {
      const bytes = Buffer.alloc(byteCount);
      bytes.writeUInt32BE(++randoms, byteCount - 4);
      return bytes;
    };
    const now = (): number => clock.wallMs();
    const logger = pino({ level: 'silent' });
    const journal = await Journal.open({ store, ...HEAD, random, now, logger });
    return new JobBench(journal, { store, clock, random });
  }

  /** What a job is run with. */
  context(): JobContext {
    const { store, clock, log, memory, journal, random, settings, records } = this;
    const group: Group = {
      number: HEAD.group,
      groupCount: 1,
      get state() {
        return journal.state;
      },
      commit: async (change, file, options) => await journal.commit(change, file, options),
      hollowOut: async (file) => await journal.hollowOut(file),
    };
    return {
      group,
      clusterId: HEAD.clusterId,
      store,
      log,
      topics: { topics: () => records, publishTopic: () => {}, removeTopic: () => {} },
      settings: {
        get: async (topics) => {
          const defaults = topicSettings([], undefined);
          return new Map([...topics].map((name) => [name, { ...defaults, ...settings.get(name) }]));
        },
      },
      coordinator: new FakeWorkerCoordinator(),
      keyRing: new KeyRing({ id: 1, secret: Buffer.alloc(32) }),
      memory,
      clock,
      random,
      logger: pino({ level: 'silent' }),
      progress: { expect: () => undefined, advance: () => undefined },
      signal: new AbortController().signal,
      failpoint: async (name) => await this.onFailpoint(name),
    };
  }

  /** @throws for a partition that the journal does not know */
  partition(id: PartitionId): PartitionState {
    const partition = this.journal.state.partitions.get(partitionKey(id));
    if (partition === undefined) throw new Error('no such partition');
    return partition;
  }

  /** Commits a merged file with the batches, as a merge leaves them. */
  async merge(id: NamedPartition, batches: readonly Buffer[]): Promise<void> {
    await this.mergeAll([{ ...id, batches }]);
  }

  /** As `merge`, of several partitions. */
  async mergeAll(ranges: readonly MergedRange[]): Promise<void> {
    const file = mergedFileOf(HEAD, ranges);
    const outcome = await this.journal.commit({ kind: 'merge', samples: [] }, file);
    if (outcome.kind !== 'committed') throw new Error(JSON.stringify(outcome));
  }

  /** Commits the batches as merged, and then all that is merged as a segment. */
  async consolidate(id: NamedPartition, batches: readonly Buffer[]): Promise<Segment> {
    if (batches.length > 0) await this.merge(id, batches);
    const key = partitionKey(id);
    const { consolidatedTo, cursor } = this.partition(id);
    const state = this.#segmentStates.get(key) ?? initialSegmentState(consolidatedTo);
    const build = new SegmentBuild(state, SEGMENT_BYTES_MAX);
    const stored = new StoredBatches({ store: this.store, group: HEAD.group });
    const merged = stored.batches(this.partition(id), consolidatedTo, cursor);
    for await (const { bytes } of merged) build.append(bytes);
    const nowMs = this.clock.wallMs();
    const { store, random } = this;
    const upload = { store, id, brokerId: 1, nowMs, createdMs: nowMs, random };
    const { segment, state: after } = await build.upload(upload);
    this.#segmentStates.set(key, after);
    const { topicId, topic, partition } = id;
    const segments = [{ topicId, topic, partition, segment }];
    const outcome = await this.journal.commit({ kind: 'consolidate', segments });
    if (outcome.kind !== 'committed') throw new Error(JSON.stringify(outcome));
    return segment;
  }

  /** @returns everything that is stored of the partition, as copies */
  async stored(id: PartitionId): Promise<Buffer[]> {
    const partition = this.partition(id);
    const stored = new StoredBatches({ store: this.store, group: HEAD.group });
    const start = partition.logicalStart ?? 0n;
    const batches: Buffer[] = [];
    for await (const { bytes } of stored.batches(partition, start, partition.cursor)) {
      batches.push(Buffer.from(bytes));
    }
    return batches;
  }
}
