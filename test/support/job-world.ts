/**
 * A partition group and everything around it in memory: brokers' logs, a bucket, a journal, topics
 * and their settings, and a merge that takes what is in the logs as it is. Jobs run in it, may be
 * killed at any of their failpoints, and the worker that comes next finds what is in the bucket.
 */
import { pino } from 'pino';
import { baseOffset, KeyRing, lastOffset } from '../../kafka/index.ts';
import { ByteBudget } from '../../runtime/index.ts';
import { Journal, partitionKey } from '../../storage/index.ts';
import type {
  Change,
  CommitOutcome,
  GroupState,
  ObjectStore,
  PartitionState,
  TopicRecord,
} from '../../storage/index.ts';
import { StoredBatches } from '../../workers/extents/stored-batches.ts';
import type { Group, GroupJob, JobContext } from '../../workers/group-job.ts';
import { topicSettings } from '../../workers/topics/topic-settings.ts';
import type { TopicSettings } from '../../workers/topics/topic-settings.ts';
import { MemoryStore } from '../unit/storage/memory-store.ts';
import { FakeClock } from './fake-clock.ts';
import { FakeClusterLog } from './fake-cluster-log.ts';
import type { FakePartition } from './fake-cluster-log.ts';
import { FakeWorkerCoordinator } from './fake-worker-coordinator.ts';
import { mergedFileOf } from './merged-batches.ts';

const CLUSTER_ID = 'cluster';
const GROUP = 0;
const TAG_SECRET_BYTES = 32;

/** What a job throws that is killed. */
export class Killed extends Error {}

export class JobWorld {
  readonly memory = new MemoryStore();
  readonly clock = new FakeClock();
  readonly log = new FakeClusterLog();
  readonly coordinator = new FakeWorkerCoordinator();
  /** By topic id. */
  readonly records = new Map<string, TopicRecord>();
  /** What differs from Kafka's defaults, by topic. */
  readonly settings = new Map<string, Partial<TopicSettings>>();
  /** Lines that jobs logged as warnings or worse. */
  readonly troubles: string[] = [];
  readonly progress = { expected: 0, records: 0, bytes: 0 };
  /** Asked at each failpoint: whether the worker is killed there. */
  isKilledAt: (name: string) => boolean = () => false;
  /** Awaited at each failpoint: what others do meanwhile. */
  meanwhile: (name: string) => Promise<void> = async () => undefined;
  readonly #store: ObjectStore;
  readonly #budget = new ByteBudget(1024 * 1024 * 1024);
  #journal: Journal | undefined;
  #randoms = 0;

  /** @param storeOf wraps the bucket, to count what is asked of it or to make it fail */
  constructor(storeOf: (memory: MemoryStore) => ObjectStore = (memory) => memory) {
    this.#store = storeOf(this.memory);
  }

  get state(): GroupState {
    return this.#opened.state;
  }

  get #opened(): Journal {
    if (this.#journal === undefined) throw new Error('start a worker first');
    return this.#journal;
  }

  /** Another worker takes the group. */
  async start(): Promise<void> {
    this.#journal = await Journal.open({
      store: this.memory,
      clusterId: CLUSTER_ID,
      group: GROUP,
      random: (byteCount) => this.#random(byteCount),
      now: () => this.clock.wallMs(),
      logger: pino({ level: 'silent' }),
    });
  }

  /** Runs a job; one that is killed leaves the group to another worker. */
  async run(job: GroupJob): Promise<'done' | 'killed'> {
    if (this.#journal === undefined) await this.start();
    try {
      await job.run(this.context());
      return 'done';
    } catch (error) {
      if (!(error instanceof Killed)) throw error;
      await this.start();
      return 'killed';
    }
  }

  partition(partition: FakePartition): PartitionState {
    const found = this.state.partitions.get(partitionKey(partition.id));
    if (found === undefined) throw new Error('the journal does not know it');
    return found;
  }

  async commit(change: Change): Promise<CommitOutcome> {
    return await this.#opened.commit(change);
  }

  /** Merges what the logs have from where they were marked on, one extent a partition. */
  async merge(partitions: readonly FakePartition[], batchesMax = 1_000_000): Promise<void> {
    const ranges = partitions.flatMap((partition) => {
      const known = this.state.partitions.get(partitionKey(partition.id));
      const marked = this.records.get(partition.id.topicId)?.startOffsets;
      const first = marked?.[partition.id.partition] ?? partition.logStartOffset;
      const startOffset = known?.cursor ?? BigInt(first);
      const batches = partition.batches
        .filter((batch) => lastOffset(batch) >= startOffset)
        .filter((batch) => lastOffset(batch) < partition.highWatermark)
        .slice(0, batchesMax);
      return batches.length === 0 ? [] : [{ ...partition.id, batches, startOffset }];
    });
    if (ranges.length === 0) return;
    const file = mergedFileOf({ clusterId: CLUSTER_ID, group: GROUP }, ranges);
    await this.#opened.commit({ kind: 'merge', samples: [] }, file);
  }

  /** @returns every batch of the partition from the bucket, each once and in order */
  async readAll(partition: FakePartition): Promise<Buffer[]> {
    const state = this.partition(partition);
    const stored = new StoredBatches({ store: this.memory, group: GROUP, blockBytes: 10_000 });
    const found: Buffer[] = [];
    for await (const { bytes } of stored.batches(state, 0n, state.cursor)) found.push(bytes);
    return found;
  }

  context(): JobContext {
    return {
      group: this.#group(),
      clusterId: CLUSTER_ID,
      store: this.#store,
      log: this.log,
      topics: { topics: () => this.records, publishTopic: () => {}, removeTopic: () => {} },
      settings: { get: async (topics) => this.#settings(topics) },
      coordinator: this.coordinator,
      keyRing: new KeyRing({ id: 0, secret: Buffer.alloc(TAG_SECRET_BYTES) }),
      memory: this.#budget,
      clock: this.clock,
      random: (byteCount) => this.#random(byteCount),
      logger: pino({ level: 'warn' }, { write: (line: string) => this.troubles.push(line) }),
      progress: {
        expect: (bytes) => {
          this.progress.expected += bytes;
        },
        advance: ({ records, bytes }) => {
          this.progress.records += records;
          this.progress.bytes += bytes;
        },
      },
      signal: new AbortController().signal,
      failpoint: async (name) => {
        await this.meanwhile(name);
        if (this.isKilledAt(name)) throw new Killed(name);
      },
    };
  }

  #group(): Group {
    const journal = this.#opened;
    return {
      number: GROUP,
      groupCount: 1,
      get state() {
        return journal.state;
      },
      commit: async (change, file, options) => await journal.commit(change, file, options),
      hollowOut: async (file) => await journal.hollowOut(file),
    };
  }

  #settings(topics: Iterable<string>): Map<string, TopicSettings> {
    const defaults = topicSettings([], undefined);
    return new Map(
      [...topics].map((topic) => [topic, { ...defaults, ...this.settings.get(topic) }]),
    );
  }

  #random(byteCount: number): Buffer {
    const bytes = Buffer.alloc(byteCount);
    this.#randoms += 1;
    bytes.writeUInt32BE(this.#randoms, byteCount - 4);
    return bytes;
  }
}

/** Gives a partition the batches of a log, with the gaps between them. */
export function appendLog(partition: FakePartition, batches: readonly Buffer[]): void {
  for (const batch of batches) {
    partition.endOffset = baseOffset(batch);
    partition.append(batch);
  }
}
