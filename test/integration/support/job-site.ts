/**
 * The jobs of a worker on a real cluster and a real bucket, run one by one when a test says so: one
 * partition group, with its journal, and without Redis.
 */
import { randomBytes } from 'node:crypto';
import { pino } from 'pino';
import { ClusterClient, KeyRing } from '../../../kafka/index.ts';
import { ByteBudget, systemClock } from '../../../runtime/index.ts';
import {
  FsObjectStore,
  Journal,
  openGroupCount,
  readBucket,
  TopicRecordStore,
} from '../../../storage/index.ts';
import type { PartitionState, TopicRecord } from '../../../storage/index.ts';
import { StoredBatches } from '../../../workers/extents/stored-batches.ts';
import type { GroupJob, JobContext } from '../../../workers/group-job.ts';
import { KafkaClusterLog } from '../../../workers/log/kafka-cluster-log.ts';
import { describeTopicsBy } from '../../../workers/topics/describe-topics.ts';
import { SettingsCache } from '../../../workers/topics/settings-cache.ts';
import { FakeWorkerCoordinator } from '../../support/fake-worker-coordinator.ts';
import { endpointOf } from '../equivalence/ways.ts';

const MEMORY_BYTES = 1024 * 1024 * 1024;
const GROUP = 0;

export class JobSite {
  readonly store: FsObjectStore;
  readonly journal: Journal;
  readonly #client: ClusterClient;
  readonly #clusterId: string;
  readonly #keyRing: KeyRing;
  readonly #log: KafkaClusterLog;
  readonly #logger = pino({ level: 'silent' });

  private constructor(
    store: FsObjectStore,
    journal: Journal,
    client: ClusterClient,
    bucket: { readonly clusterId: string; readonly keyRing: KeyRing },
  ) {
    this.store = store;
    this.journal = journal;
    this.#client = client;
    this.#clusterId = bucket.clusterId;
    this.#keyRing = bucket.keyRing;
    const monotonicMs = (): number => performance.now();
    this.#log = new KafkaClusterLog({ client, monotonicMs, logger: this.#logger });
  }

  /**
   * @param bootstrap the brokers' own listeners
   * @param root the folder of a store that a member has opened before
   */
  static async open(bootstrap: string, root: string): Promise<JobSite> {
    const now = (): number => Date.now();
    const store = await FsObjectStore.open({ root, now, random: randomBytes });
    const bucket = await readBucket(store);
    if (bucket === undefined) throw new Error('the bucket is empty');
    const [current, ...older] = bucket.keyRing.toReversed();
    if (current === undefined) throw new Error('there is no key');
    await openGroupCount(store, 1);
    const { clusterId } = bucket.identity;
    const logger = pino({ level: 'silent' });
    const group = GROUP;
    const random = randomBytes;
    const journal = await Journal.open({ store, clusterId, group, random, now, logger });
    const client = new ClusterClient({
      bootstrap: bootstrap.split(',').map(endpointOf),
      connection: { clientId: 'job-site' },
      logger,
      now: () => performance.now(),
      random: () => 0,
    });
    const keyRing = new KeyRing(current, older);
    return new JobSite(store, journal, client, { clusterId, keyRing });
  }

  /** Runs jobs one after the other, with topics as they are now. */
  async run(...jobs: readonly GroupJob[]): Promise<void> {
    const context = await this.#context();
    for (const job of jobs) await job.run(context);
  }

  /** @returns undefined if the journal does not know it */
  partition(topicId: string, partition = 0): PartitionState | undefined {
    return this.journal.state.partitions.get(`${topicId}/${partition}`);
  }

  /** @returns everything that is stored of the partition */
  async stored(topicId: string, partition = 0): Promise<Buffer[]> {
    const state = this.partition(topicId, partition);
    if (state === undefined) return [];
    const stored = new StoredBatches({ store: this.store, group: GROUP });
    const batches: Buffer[] = [];
    for await (const { bytes } of stored.batches(state, state.logicalStart ?? 0n, state.cursor)) {
      batches.push(Buffer.from(bytes));
    }
    return batches;
  }

  async close(): Promise<void> {
    await this.#client.close();
    await this.store.close();
  }

  async #context(): Promise<JobContext> {
    const { store, journal } = this;
    const records = new Map<string, TopicRecord>();
    for await (const record of new TopicRecordStore(store).list()) {
      records.set(record.topicId, record);
    }
    const topics = { topics: () => records, publishTopic: () => {}, removeTopic: () => {} };
    return {
      group: {
        number: GROUP,
        groupCount: 1,
        get state() {
          return journal.state;
        },
        commit: async (change, file, options) => await journal.commit(change, file, options),
        hollowOut: async (file) => await journal.hollowOut(file),
      },
      clusterId: this.#clusterId,
      store,
      log: this.#log,
      topics,
      settings: new SettingsCache({
        describe: describeTopicsBy(this.#client),
        topics,
        clock: systemClock,
      }),
      coordinator: new FakeWorkerCoordinator(),
      keyRing: this.#keyRing,
      memory: new ByteBudget(MEMORY_BYTES),
      clock: systemClock,
      random: randomBytes,
      logger: this.#logger,
      progress: { expect: () => undefined, advance: () => undefined },
      signal: new AbortController().signal,
      failpoint: async () => undefined,
    };
  }
}
