/**
 * Operation in simulated time: members that write, brokers' logs and a bucket in memory, and the
 * real jobs on real journals, each in its interval. Nothing waits: the clock moves when everything
 * that is due is done. Bytes are scaled down, thresholds with them; numbers of objects, extents and
 * requests are those of the whole.
 */
import { pino } from 'pino';
import { KeyRing } from '../../../kafka/index.ts';
import { Bandwidth, ByteBudget } from '../../../runtime/index.ts';
import { openBucket, openGroupCount, TopicRecordStore } from '../../../storage/index.ts';
import type { TopicRecord } from '../../../storage/index.ts';
import type { ClusterJob } from '../../../workers/cluster-job.ts';
import type { GroupJob } from '../../../workers/group-job.ts';
import { GroupStates } from '../../../workers/group/group-states.ts';
import { HeldGroup } from '../../../workers/group/held-group.ts';
import { JobRunner, type SharedContext } from '../../../workers/job-runner.ts';
import { createClusterJobs, createGroupJobs } from '../../../workers/jobs.ts';
import { FiguresByJob, type JobFigures } from '../../../workers/metering/job-figures.ts';
import { MeteredStore } from '../../../workers/metering/metered-store.ts';
import { topicSettings } from '../../../workers/topics/topic-settings.ts';
import type { JobOptions } from '../../../workers/worker-options.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeClusterLog, type FakePartition } from '../../support/fake-cluster-log.ts';
import { Members } from './members.ts';
import { SharedState } from './shared-state.ts';
import { MemoryStore } from '../../unit/storage/memory-store.ts';

const CLUSTER_ID = 'simulated';
const TOPIC = 'orders';
const MEBIBYTE = 1024 * 1024;
const MEMORY_BYTES = 4 * 1024 * MEBIBYTE;
const SAMPLE_MS = 60_000;

export interface SimulationOptions {
  readonly minutes: number;
  readonly memberCount: number;
  readonly filesPerSecond: number;
  readonly partitionsPerMember: number;
  readonly groupCount: number;
  /** Of a WAL file, as it would be. */
  readonly walFileBytes: number;
  /** One byte stands for so many. */
  readonly scale: number;
  /** As they would be. */
  readonly jobs: JobOptions;
  readonly topic: { readonly segmentBytes: number; readonly retentionMs: number };
  readonly onMinute: (sample: Sample) => void;
}

/** What there is at one moment. */
export interface Sample {
  readonly minute: number;
  /** All of them in the bucket; the next four are parts of it. */
  readonly objects: number;
  readonly walFiles: number;
  /** With data in them. */
  readonly mergedFiles: number;
  /** Entries of journals that carry no data, or whose data was deleted, and snapshots. */
  readonly records: number;
  /** Objects of segments, which have three each. */
  readonly ofSegments: number;
  readonly extents: number;
  readonly redisBytes: number;
  /** In the brokers' logs. */
  readonly placeholders: number;
}

export interface SimulationResult {
  readonly samples: readonly Sample[];
  readonly figures: ReadonlyMap<string, JobFigures>;
  /** As they would be. */
  readonly producedBytes: number;
  readonly walFiles: number;
  readonly scale: number;
}

export async function simulate(options: SimulationOptions): Promise<SimulationResult> {
  const simulation = await Simulation.open(options);
  try {
    return await simulation.run();
  } finally {
    await simulation.close();
  }
}

interface DueJob {
  readonly intervalMs: number;
  readonly run: () => Promise<void>;
  dueMs: number;
}

class Simulation {
  readonly #options: SimulationOptions;
  readonly #clock = new FakeClock();
  readonly #store = new MemoryStore(() => this.#clock.wallMs(), false);
  readonly #log = new FakeClusterLog();
  readonly #figures = new FiguresByJob();
  readonly #logger = pino({ level: 'error' }, pino.destination(2));
  readonly #groups: HeldGroup[] = [];
  #partitions: readonly FakePartition[] = [];
  #randoms = 0;
  #state: SharedState | undefined;
  #members: Members | undefined;
  /** By lane: those of one lane run one after the other. */
  readonly #lanes: DueJob[][] = [];

  private constructor(options: SimulationOptions) {
    this.#options = options;
  }

  static async open(options: SimulationOptions): Promise<Simulation> {
    const simulation = new Simulation(options);
    await simulation.#open();
    return simulation;
  }

  async run(): Promise<SimulationResult> {
    const { minutes, filesPerSecond, walFileBytes, scale, onMinute } = this.#options;
    const members = this.#members;
    const state = this.#state;
    if (members === undefined || state === undefined) throw new Error('not opened');
    const samples: Sample[] = [];
    const stepMs = 1_000 / filesPerSecond;
    let sampleMs = SAMPLE_MS;
    for (let nowMs = 0; nowMs < minutes * 60_000; nowMs += stepMs) {
      for (const file of await members.write(this.#clock.wallMs())) state.announce(file);
      await this.#clock.advance(stepMs);
      if (this.#lanes.flat().some(({ dueMs }) => dueMs <= nowMs)) await state.settled();
      await Promise.all(this.#lanes.map((lane) => runLane(lane, nowMs)));
      if (nowMs + stepMs < sampleMs) continue;
      const sample = await this.#sample(sampleMs / SAMPLE_MS);
      samples.push(sample);
      onMinute(sample);
      sampleMs += SAMPLE_MS;
    }
    const walFiles = members.fileCount;
    const figures = new Map(this.#figures.all());
    return { samples, figures, producedBytes: walFiles * walFileBytes, walFiles, scale };
  }

  async close(): Promise<void> {
    await this.#state?.close();
  }

  async #open(): Promise<void> {
    const { groupCount, memberCount, partitionsPerMember, scale, walFileBytes } = this.#options;
    const random = (byteCount: number): Buffer => this.#random(byteCount);
    const now = (): number => this.#clock.wallMs();
    const { keyRing: keys } = await openBucket(this.#store, CLUSTER_ID, { random, now });
    await openGroupCount(this.#store, groupCount);
    const [key] = keys;
    if (key === undefined) throw new Error('a bucket has a key');
    const keyRing = new KeyRing(key);
    const partitions = this.#log.createTopic(TOPIC, memberCount * partitionsPerMember);
    this.#partitions = partitions;
    await this.#putTopic(partitions[0]?.id.topicId ?? '');
    this.#state = await SharedState.open(this.#store, CLUSTER_ID, this.#logger);
    this.#members = new Members({
      store: this.#store,
      clusterId: CLUSTER_ID,
      keyRing,
      partitions: Array.from({ length: memberCount }, (_, member) =>
        partitions.filter((_partition, index) => index % memberCount === member),
      ),
      fileBytes: walFileBytes / scale,
    });
    await this.#openLanes(keyRing, this.#state);
  }

  async #putTopic(topicId: string): Promise<void> {
    const record: TopicRecord = {
      topicId,
      name: TOPIC,
      diskless: true,
      configs: {},
      updatedAtMs: this.#clock.wallMs(),
      version: 1,
    };
    await new TopicRecordStore(this.#store).put(record);
  }

  async #openLanes(keyRing: KeyRing, state: SharedState): Promise<void> {
    const { groupCount } = this.#options;
    const shared = this.#shared(keyRing, state);
    const runner = new JobRunner(shared);
    const jobs = scaledJobs(this.#options);
    const groupJobs = createGroupJobs(jobs, { onMerge: () => {} });
    const now = (): number => this.#clock.wallMs();
    const { storage, figures, random, logger } = shared;
    const common = { clusterId: CLUSTER_ID, random, now, logger };
    for (let group = 0; group < groupCount; group++) {
      const coordinator = state.workers;
      const held = await HeldGroup.open({
        ...common,
        group,
        groupCount,
        coordinator,
        figures,
        storage,
      });
      this.#groups.push(held);
      const { signal } = new AbortController();
      const due = (job: GroupJob): DueJob => {
        const { intervalMs, run } = runner.ofGroup(job, held, signal);
        return { intervalMs, run: async () => run(() => {}), dueMs: intervalMs };
      };
      this.#lanes.push(groupJobs.filter(({ name }) => name === 'merge').map(due));
      this.#lanes.push(groupJobs.filter(({ name }) => name !== 'merge').map(due));
    }
    const metered = new MeteredStore({ ...storage, figures: () => figures.of('sweep-wal') });
    const groups = new GroupStates({ ...common, store: metered, groupCount });
    const cluster = createClusterJobs(jobs).map((job: ClusterJob): DueJob => {
      const { intervalMs, run } = runner.ofCluster(job, groups, new AbortController().signal);
      return { intervalMs, run: async () => run(() => {}), dueMs: intervalMs };
    });
    this.#lanes.push(cluster);
  }

  #shared(keyRing: KeyRing, state: SharedState): SharedContext {
    const { scale, topic } = this.#options;
    const settings = {
      ...topicSettings([], undefined),
      retentionMs: topic.retentionMs,
      segmentBytes: topic.segmentBytes / scale,
    };
    return {
      clusterId: CLUSTER_ID,
      storage: { store: this.#store, bandwidth: new Bandwidth(null, this.#clock) },
      figures: this.#figures,
      log: this.#log,
      topics: state.topics,
      settings: { get: async (names) => new Map([...names].map((name) => [name, settings])) },
      coordinator: state.workers,
      keyRing,
      memory: new ByteBudget(MEMORY_BYTES),
      clock: this.#clock,
      random: (byteCount) => this.#random(byteCount),
      logger: this.#logger,
      failpoint: async () => {},
    };
  }

  async #sample(minute: number): Promise<Sample> {
    const counts = countBy(this.#store.objects.keys(), (key) => key.slice(0, key.indexOf('/')));
    const of = (folder: string): number => counts.get(folder) ?? 0;
    const states = this.#groups.map(({ state }) => state);
    const partitions = states.flatMap(({ partitions }) => [...partitions.values()]);
    const mergedFiles = states.reduce((sum, { files }) => sum + files.size, 0);
    return {
      minute,
      objects: this.#store.objects.size,
      walFiles: of('wal'),
      mergedFiles,
      records: of('journal') + of('snapshot') - mergedFiles,
      ofSegments: of('segments'),
      extents: partitions.reduce((sum, { extents }) => sum + extents.length, 0),
      redisBytes: (await this.#state?.bytes()) ?? 0,
      placeholders: this.#partitions.reduce((sum, { batches }) => sum + batches.length, 0),
    };
  }

  /** The same in each run. */
  #random(byteCount: number): Buffer {
    const bytes = Buffer.alloc(byteCount);
    bytes.writeUInt32BE(++this.#randoms, byteCount - 4);
    return bytes;
  }
}

function countBy<Item>(
  items: Iterable<Item>,
  nameOf: (item: Item) => string,
): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const item of items) counts.set(nameOf(item), (counts.get(nameOf(item)) ?? 0) + 1);
  return counts;
}

async function runLane(lane: readonly DueJob[], nowMs: number): Promise<void> {
  for (const job of lane) {
    if (job.dueMs > nowMs) continue;
    job.dueMs = nowMs + job.intervalMs;
    await job.run();
  }
}

function scaledJobs({ jobs, scale }: SimulationOptions): JobOptions {
  return { ...jobs, merge: { ...jobs.merge, fileBytes: jobs.merge.fileBytes / scale } };
}
