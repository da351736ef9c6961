/**
 * `outrigger verify`: reads journals, Redis, bucket and brokers' logs, and says where they
 * contradict each other. It promises to change nothing, and to hold the state of one partition
 * group at a time. What it could not look at it says too: silence means that all is well.
 */
import type { Logger } from 'pino';
import type { WorkerCoordinator } from '../../coordinator/index.ts';
import { hasCode, KeyRing, OutriggerError } from '../../kafka/index.ts';
import type { Clock } from '../../runtime/index.ts';
import {
  entryKey,
  Journal,
  partitionKey,
  readBucket,
  readGroupCount,
  TopicRecordStore,
} from '../../storage/index.ts';
import type { GroupState, ObjectStore, OpenedBucket } from '../../storage/index.ts';
import type { ClusterLog } from '../log/cluster-log.ts';
import { checkEntries, checkFiles } from './check-files.ts';
import { checkLog } from './check-log.ts';
import { checkOffsets } from './check-offsets.ts';
import { checkRedis } from './check-redis.ts';
import { checkSegments } from './check-segments.ts';
import { checkWalFiles } from './check-wal-files.ts';
import { type Finding, type FindingListener, type FindingPlace, Findings } from './finding.ts';

export type VerifiedCoordinator = Pick<
  WorkerCoordinator,
  'appliedNumber' | 'knownFiles' | 'partitionViews' | 'settledFiles' | 'unsettledFiles'
>;

export interface VerifyOptions {
  readonly store: ObjectStore;
  /** The cluster's id as its brokers say; undefined without a cluster. */
  readonly clusterId: string | undefined;
  /** Connects to Redis; undefined to do without. */
  readonly openCoordinator: ((clusterId: string) => Promise<VerifiedCoordinator>) | undefined;
  /** The brokers' logs; undefined to do without. */
  readonly log: ClusterLog | undefined;
  readonly clock: Clock;
  readonly random: (byteCount: number) => Buffer;
  readonly logger: Logger;
  /** Whether to read every byte of merged files and segments. */
  readonly isDeep: boolean;
  /** Of the brokers' logs, in each group: how many partitions, and how many bytes of each. */
  readonly sample: { readonly partitionsMax: number; readonly bytesMax: number };
  /** Objects that are younger may be on their way. */
  readonly graceMs: number;
  readonly listener: FindingListener;
  /** Told when a group was looked at. */
  readonly onGroup: (group: number, groupCount: number) => void;
}

export type VerifyOutcome = 'clean' | 'findings' | 'unchecked';

/**
 * @returns `findings` if there are any, `unchecked` if there are none and something could not be
 *   looked at
 * @throws what the store throws before anything could be looked at
 */
export async function verify(options: VerifyOptions): Promise<VerifyOutcome> {
  const findings = new Findings(options.listener);
  const bucket = await readBucket(options.store);
  if (bucket === undefined) findings.unchecked('the bucket', 'it has never been used');
  else await new Verification(options, bucket, findings).run();
  if (findings.counts.size > 0) return 'findings';
  return findings.uncheckedCount > 0 ? 'unchecked' : 'clean';
}

class Verification {
  readonly #options: VerifyOptions;
  readonly #clusterId: string;
  readonly #keyRing: KeyRing;
  readonly #findings: Findings;

  constructor(options: VerifyOptions, { identity, keyRing }: OpenedBucket, findings: Findings) {
    this.#options = options;
    this.#clusterId = identity.clusterId;
    const [current, ...older] = keyRing.toReversed();
    if (current === undefined) throw new TypeError('a bucket that was read has a key');
    this.#keyRing = new KeyRing(current, older);
    this.#findings = findings;
  }

  async run(): Promise<void> {
    const { clusterId, store, onGroup } = this.#options;
    if (clusterId !== undefined && clusterId !== this.#clusterId) {
      const message = `the bucket belongs to cluster ${this.#clusterId}, the brokers to ${clusterId}`;
      this.#findings.add('foreign-cluster', message);
    }
    await this.#checkTopics();
    const coordinator = await this.#openCoordinator();
    // Without a worker there are no journals yet.
    const groupCount = (await readGroupCount(store)) ?? 0;
    for (let group = 0; group < groupCount; group++) {
      await this.#checkGroup(group, groupCount, coordinator);
      onGroup(group, groupCount);
    }
    if (coordinator === undefined) return;
    await this.#attempt('WAL files', {}, async () => {
      await checkWalFiles(
        { store, coordinator, createdBeforeMs: this.#graceEndsMs },
        this.#findings,
      );
    });
  }

  async #checkTopics(): Promise<void> {
    const records = new TopicRecordStore(this.#options.store);
    for await (const topicId of records.ids()) {
      try {
        await records.get(topicId);
      } catch (error) {
        if (!hasCode(error, 'STORAGE_RECORD_CORRUPT')) throw error;
        this.#findings.add('topic-record-corrupt', error.message, { topicId });
      }
    }
  }

  async #openCoordinator(): Promise<VerifiedCoordinator | undefined> {
    const { openCoordinator } = this.#options;
    if (openCoordinator === undefined) return undefined;
    try {
      return await openCoordinator(this.#clusterId);
    } catch (error) {
      if (!(error instanceof OutriggerError)) throw error;
      if (hasCode(error, 'COORDINATOR_FOREIGN_REDIS')) {
        this.#findings.add('foreign-cluster', error.message);
      } else {
        this.#findings.unchecked('Redis', error.message);
      }
      return undefined;
    }
  }

  async #checkGroup(
    group: number,
    groupCount: number,
    coordinator: VerifiedCoordinator | undefined,
  ): Promise<void> {
    const { store, isDeep, log, sample } = this.#options;
    const findings = this.#findings;
    const journal = await this.#openJournal(group);
    const { state } = journal ?? {};
    await this.#attempt('entries', { group }, async () => {
      const place = { store, clusterId: this.#clusterId, group };
      await checkEntries(place, state?.number ?? 0, findings);
    });
    if (journal === undefined || state === undefined) return;
    checkOffsets(group, state, findings);
    await this.#attempt('objects', { group }, async () => {
      const suspected: Finding[] = [];
      const onFinding = (finding: Finding): number => suspected.push(finding);
      const suspicions = new Findings({ ...this.#options.listener, onFinding });
      await checkFiles(group, state, store, isDeep, suspicions);
      const segments = { group, groupCount, store, isDeep, orphansBeforeMs: this.#graceEndsMs };
      await checkSegments(segments, state, suspicions);
      if (suspected.length > 0) await journal.catchUp();
      for (const { kind, message, severity: _severity, ...place } of suspected) {
        if (isStillReferred(place, journal.state)) findings.add(kind, message, place);
      }
    });
    if (log !== undefined && this.#options.clusterId === this.#clusterId) {
      const keyRing = this.#keyRing;
      const random = (): number => this.#options.random(4).readUInt32BE() / 2 ** 32;
      const check = { group, log, store, keyRing, random, ...sample };
      await this.#attempt("the brokers' logs", { group }, () => checkLog(check, state, findings));
    }
    if (coordinator === undefined) return;
    await this.#attempt("Redis' copy", { group }, () =>
      checkRedis(group, journal, coordinator, findings),
    );
  }

  async #openJournal(group: number): Promise<Journal | undefined> {
    const { store, random, clock, logger } = this.#options;
    const now = (): number => clock.wallMs();
    const clusterId = this.#clusterId;
    try {
      return await Journal.open({
        store,
        clusterId,
        group,
        random,
        now,
        logger,
        readOnly: true,
      });
    } catch (error) {
      const isCorrupt =
        hasCode(error, 'STORAGE_JOURNAL_CORRUPT') || hasCode(error, 'STORAGE_MERGED_CORRUPT');
      if (isCorrupt) this.#findings.add('journal-corrupt', error.message, { group });
      else if (error instanceof OutriggerError) {
        this.#findings.unchecked('the journal', error.message, { group });
      } else throw error;
      return undefined;
    }
  }

  /** One check that cannot be done keeps no other from being done. */
  async #attempt(what: string, place: FindingPlace, check: () => Promise<void>): Promise<void> {
    try {
      await check();
    } catch (error) {
      if (!(error instanceof OutriggerError)) throw error;
      this.#findings.unchecked(what, `${error.code}: ${error.message}`, place);
    }
  }

  get #graceEndsMs(): number {
    return this.#options.clock.wallMs() - this.#options.graceMs;
  }
}

/** What was swept while others were looked at is no finding; what no journal knows stays one. */
function isStillReferred({ object = '', ...place }: FindingPlace, state: GroupState): boolean {
  const { group, topicId, partition, startOffset } = place;
  if (group === undefined || topicId === undefined || partition === undefined) return true;
  if (startOffset === undefined) return true;
  const known = state.partitions.get(partitionKey({ topicId, partition }));
  if (known === undefined) return false;
  return [known, ...known.quarantined].some(
    ({ extents, segments }) =>
      extents.some(({ file }) => entryKey(group, file) === object) ||
      segments.some(({ id }) => object.includes(id)),
  );
}
