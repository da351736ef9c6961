/**
 * A partition group that this worker holds: its journal, for as long as the lease lasts, and Redis'
 * copy of what the journal adds up to. Calls queue, so that the jobs of a group may commit at once
 * although a journal takes one call at a time.
 *
 * The journal is the truth. That Redis could not be told fails no commit: the copy is brought up to
 * date by the next commit, or the next `sync`.
 */
import type { Logger } from 'pino';
import type { WorkerCoordinator } from '../../coordinator/index.ts';
import { hasCode } from '../../kafka/index.ts';
import { Journal } from '../../storage/index.ts';
import type {
  Change,
  CommitOptions,
  CommitOutcome,
  GroupState,
  JournalOptions,
  MergedFileBuilder,
} from '../../storage/index.ts';
import type { Group } from '../group-job.ts';
import type { FiguresByJob, JobFigures } from '../metering/job-figures.ts';
import { MeteredStore, type MeteredStoreOptions } from '../metering/metered-store.ts';

export type AppliedStates = Pick<WorkerCoordinator, 'appliedNumber' | 'applyStates' | 'loadGroup'>;

/** Under which the journal's requests are counted that no job makes. */
const JOURNAL = 'journal';

/** On whose behalf the journal is used at the moment. */
interface Caller {
  job: string;
}

export interface HeldGroupOptions
  extends Pick<JournalOptions, 'clusterId' | 'group' | 'random' | 'now' | 'logger'> {
  readonly groupCount: number;
  readonly coordinator: AppliedStates;
  readonly figures: FiguresByJob;
  readonly storage: Pick<MeteredStoreOptions, 'store' | 'bandwidth'>;
}

export class HeldGroup {
  readonly number: number;
  readonly groupCount: number;
  readonly #coordinator: AppliedStates;
  readonly #logger: Logger;
  readonly #journal: Journal;
  readonly #caller: Caller;
  #last: Promise<unknown> = Promise.resolve();
  #mayHaveCommitted = false;
  #isRedisCurrent = false;

  private constructor(options: HeldGroupOptions, journal: Journal, caller: Caller) {
    this.number = options.group;
    this.groupCount = options.groupCount;
    this.#coordinator = options.coordinator;
    this.#logger = options.logger;
    this.#journal = journal;
    this.#caller = caller;
  }

  /**
   * Opens the group's journal and brings Redis' copy up to it.
   *
   * @throws what `Journal.open` throws; `COORDINATOR_…` while Redis cannot be asked
   */
  static async open(options: HeldGroupOptions): Promise<HeldGroup> {
    const { clusterId, group, random, now, logger } = options;
    const caller = { job: JOURNAL };
    const figures = (): JobFigures => options.figures.of(caller.job);
    const store = new MeteredStore({ ...options.storage, figures });
    const journal = await Journal.open({ store, clusterId, group, random, now, logger });
    const held = new HeldGroup(options, journal, caller);
    await held.sync();
    return held;
  }

  get state(): GroupState {
    return this.#journal.state;
  }

  /** @returns the group as a job sees it, with its requests counted under the job's name */
  forJob(job: string): Group {
    const state = (): GroupState => this.state;
    return {
      number: this.number,
      groupCount: this.groupCount,
      get state() {
        return state();
      },
      commit: async (change, file, options) =>
        this.#alone(job, async () => this.#commit(change, file, options)),
      hollowOut: async (file) => this.#alone(job, async () => this.#journal.hollowOut(file)),
    };
  }

  /**
   * Makes Redis' copy what the journal says, if it is not: after Redis was wiped, or fell back in
   * time, or could not be told of a commit.
   *
   * @throws `COORDINATOR_…` while Redis cannot be asked, `STORAGE_…`
   */
  async sync(): Promise<void> {
    await this.#alone(JOURNAL, async () => this.#sync());
  }

  /**
   * @returns what the journal adds up to, read to its end after the call
   * @throws `STORAGE_…`
   */
  async readToEnd(): Promise<GroupState> {
    return await this.#alone(JOURNAL, async () => {
      await this.#catchUp();
      return this.state;
    });
  }

  async #commit(
    change: Change,
    file: MergedFileBuilder | undefined,
    options: Pick<CommitOptions, 'onlyIf'> | undefined,
  ): Promise<CommitOutcome> {
    if (this.#mayHaveCommitted) await this.#catchUp();
    const before = this.state;
    const outcome = await this.#tryCommit(change, file, options);
    // The winner may have written more by now.
    if (outcome.kind === 'lost') await this.#catchUp();
    if (this.state !== before) await this.#tellRedis(before);
    return outcome;
  }

  async #tryCommit(
    change: Change,
    file: MergedFileBuilder | undefined,
    options: Pick<CommitOptions, 'onlyIf'> | undefined,
  ): Promise<CommitOutcome> {
    try {
      return await this.#journal.commit(change, file, options);
    } catch (error) {
      // The job fails, and finds out from the journal whether its work is done. Until the journal
      // was read nothing may be added to it.
      if (hasCode(error, 'STORAGE_JOURNAL_UNRESOLVED')) this.#mayHaveCommitted = true;
      throw error;
    }
  }

  async #catchUp(): Promise<void> {
    const count = await this.#journal.catchUp();
    this.#mayHaveCommitted = false;
    if (count > 0) this.#isRedisCurrent = false;
  }

  async #tellRedis(before: GroupState): Promise<void> {
    try {
      if (!this.#isRedisCurrent) return await this.#sync();
      const outcome = await this.#coordinator.applyStates(this.number, before, this.state);
      if (outcome === 'behind') await this.#coordinator.loadGroup(this.number, this.state);
    } catch (error) {
      this.#isRedisCurrent = false;
      const { number } = this.state;
      this.#logger.warn({ err: error, number }, 'Redis will be told of an entry later');
    }
  }

  async #sync(): Promise<void> {
    this.#isRedisCurrent = false;
    if (this.#mayHaveCommitted) await this.#catchUp();
    const applied = await this.#coordinator.appliedNumber(this.number);
    // Somebody else has committed.
    if (applied > this.state.number) await this.#catchUp();
    if (applied !== this.state.number) {
      await this.#coordinator.loadGroup(this.number, this.state);
      const { number } = this.state;
      this.#logger.info({ applied, number }, "Redis' copy of the group was loaded");
    }
    this.#isRedisCurrent = true;
  }

  async #alone<Result>(job: string, work: () => Promise<Result>): Promise<Result> {
    const previous = this.#last;
    const running = (async () => {
      await previous;
      this.#caller.job = job;
      try {
        return await work();
      } finally {
        this.#caller.job = JOURNAL;
      }
    })();
    this.#last = running.catch(() => undefined);
    return await running;
  }
}
