/**
 * The contract between the worker process and its jobs. A job is a function of the context it gets:
 * it finds out by itself what there is to do, does a bounded piece of it, and may be run again at
 * any time, after a crash and by another worker too. What it did counts once the group's journal
 * says so, and not before.
 */
import type { Logger } from 'pino';
import type { Coordinator, WorkerCoordinator } from '../coordinator/index.ts';
import type { KeyRing } from '../kafka/index.ts';
import type { ByteBudget, Clock } from '../runtime/index.ts';
import type {
  Change,
  CommitOptions,
  CommitOutcome,
  GroupState,
  MergedFileBuilder,
  ObjectStore,
} from '../storage/index.ts';
import type { ClusterLog } from './log/cluster-log.ts';
import type { TopicSettingsSource } from './topics/settings-cache.ts';

export const GROUP_JOBS = ['merge', 'consolidate', 'trim', 'retain', 'compact', 'sweep'] as const;
export type GroupJobName = (typeof GROUP_JOBS)[number];

/** A partition group that this worker holds. */
export interface Group {
  /** From 0. */
  readonly number: number;
  /** How many groups there are: see `partitionGroup`. */
  readonly groupCount: number;
  /** What the journal adds up to. Immutable; read it again after each `await`. */
  readonly state: GroupState;
  /**
   * Writes an entry and brings Redis' copy up to it. Jobs of one group may commit at once: they
   * queue. An entry that does not fit what another job has just committed is `refused`: drop the
   * work, the next run finds out again what there is to do.
   *
   * @param file for a merge or re-merge: the file with its extents
   * @param options `onlyIf` for work that took long: see the journal's
   */
  commit(
    change: Change,
    file?: MergedFileBuilder,
    options?: Pick<CommitOptions, 'onlyIf'>,
  ): Promise<CommitOutcome>;
  /** Deletes the bytes of a dead merged file, before the sweep entry says so. */
  hollowOut(file: number): Promise<void>;
}

/** For long jobs: is shown to operators with an estimate of the time that is left. */
export interface Progress {
  /** Declares work that lies ahead, in bytes. */
  expect(bytes: number): void;
  advance(done: { readonly records: number; readonly bytes: number }): void;
}

export interface JobContext {
  readonly group: Group;
  readonly clusterId: string;
  /** Requests are counted under the job's name, and bytes wait for the bandwidth allowed. */
  readonly store: ObjectStore;
  /** The brokers' logs. */
  readonly log: ClusterLog;
  readonly topics: Pick<Coordinator, 'publishTopic' | 'removeTopic' | 'topics'>;
  /** What topics are configured to. */
  readonly settings: TopicSettingsSource;
  readonly coordinator: WorkerCoordinator;
  readonly keyRing: KeyRing;
  /** Bounds the bytes that all jobs of the process hold. Never wait for it while holding some. */
  readonly memory: ByteBudget;
  readonly clock: Clock;
  /** That many random bytes. */
  readonly random: (byteCount: number) => Buffer;
  readonly logger: Logger;
  readonly progress: Progress;
  /** Aborted when the worker stops or loses the group: give up at the next step. */
  readonly signal: AbortSignal;
  /**
   * Named steps at which tests end the process or make the job fail; does nothing otherwise.
   * Names are `<job>:<step>`, for instance `merge:before-commit`.
   */
  readonly failpoint: (name: string) => Promise<void>;
}

/** One kind of job of every partition group. */
export interface GroupJob {
  readonly name: GroupJobName;
  readonly intervalMs: number;
  /** @throws what the brokers, the store or Redis threw: the job is tried again, later each time */
  run(context: JobContext): Promise<void>;
}
