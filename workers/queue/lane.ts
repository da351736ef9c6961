/**
 * Some jobs that run one at a time, each in its interval, by BullMQ's job schedulers. Owns a queue
 * in Redis and what runs of it in this process. Several processes may share a queue for a moment,
 * when a lease changes hands; then a run is either's.
 */
import { Queue, Worker, type Job } from 'bullmq';
import type { Logger } from 'pino';
import type { QueueConnection } from '../../coordinator/index.ts';
import type { Clock } from '../../runtime/index.ts';
import { within } from './within.ts';

/** Of one run that fails: so often is it tried again before the next one is due anyway. */
const ATTEMPTS = 4;
const BACKOFF_FIRST_MS = 1_000;
/** For operators who look into the queues. */
const KEPT_JOBS = 20;
/** A lock that is not renewed for so long was a dead process's: its job is given to another. */
const LOCK_MS = 30_000;
/** For each step of closing, which may wait for Redis. */
const COMMAND_MS = 2_000;
/** A job that was not seen for so many intervals is scheduled anew. */
const OVERDUE_INTERVALS = 3;
const OVERDUE_MS_MIN = 60_000;

export interface LaneJob {
  readonly name: string;
  readonly intervalMs: number;
  /** @param report shows how far the run is */
  readonly run: (report: (progress: object) => void) => Promise<void>;
}

export interface LaneOptions {
  /** The queue's name. */
  readonly name: string;
  readonly jobs: readonly LaneJob[];
  readonly connection: QueueConnection;
  /** BullMQ's, with a hash tag. */
  readonly prefix: string;
  readonly clock: Pick<Clock, 'monotonicMs'>;
  readonly logger: Logger;
}

export class Lane {
  readonly #options: LaneOptions;
  readonly #queue: Queue;
  readonly #worker: Worker;
  /** By job. */
  readonly #seenMs = new Map<string, number>();
  #isRunning = false;
  #lastRun: Promise<void> = Promise.resolve();
  #scheduling: Promise<void> | undefined;

  /** Runs jobs from now on; `schedule` says when. */
  constructor(options: LaneOptions) {
    const { name, prefix, connection, clock, logger } = options;
    this.#options = options;
    const shared = { connection: connection.client, prefix };
    this.#queue = new Queue(name, shared);
    const run = async (job: Job): Promise<void> => {
      const running = this.#run(job);
      this.#lastRun = running.catch(() => undefined);
      await running;
    };
    this.#worker = new Worker(name, run, {
      ...shared,
      concurrency: 1,
      lockDuration: LOCK_MS,
      removeOnComplete: { count: KEPT_JOBS },
      removeOnFail: { count: KEPT_JOBS },
    });
    // Connections fail together with the coordinator's, who tells of it once for all.
    const onError = (error: Error): void => logger.debug({ err: error, queue: name }, 'a queue');
    this.#queue.on('error', onError);
    this.#worker.on('error', onError);
    for (const job of options.jobs) this.#seenMs.set(job.name, clock.monotonicMs());
  }

  /**
   * Schedules what Redis does not have on its schedule, or does not have any more. To be called
   * again and again; does nothing while the last call has not been answered.
   */
  schedule(): void {
    if (this.#scheduling !== undefined) return;
    this.#scheduling = this.#schedule()
      .catch((error: unknown) => {
        const { logger, name } = this.#options;
        logger.debug({ err: error, queue: name }, 'jobs are not scheduled');
      })
      .finally(() => {
        this.#scheduling = undefined;
      });
  }

  /**
   * Takes no more jobs, and waits for the one that runs.
   *
   * @param timeoutMs how long
   */
  async close(timeoutMs: number): Promise<void> {
    const closing = this.#worker.close();
    await within(timeoutMs, this.#lastRun);
    // Without Redis it would wait to say how the last run ended.
    const isClosed = await within(COMMAND_MS, closing);
    if (!isClosed) await within(COMMAND_MS, this.#worker.close(true));
    await within(COMMAND_MS, this.#queue.close());
  }

  async #schedule(): Promise<void> {
    const { clock, logger, name } = this.#options;
    for (const job of this.#options.jobs) {
      const known = await this.#queue.getJobScheduler(job.name);
      const isOverdue = this.#isOverdue(job);
      if (known?.every === job.intervalMs && !isOverdue) continue;
      if (isOverdue)
        logger.warn({ job: job.name, queue: name }, 'an overdue job is scheduled anew');
      this.#seenMs.set(job.name, clock.monotonicMs());
      await this.#queue.upsertJobScheduler(
        job.name,
        { every: job.intervalMs },
        {
          name: job.name,
          opts: { attempts: ATTEMPTS, backoff: { type: 'exponential', delay: BACKOFF_FIRST_MS } },
        },
      );
    }
  }

  #isOverdue({ name, intervalMs }: LaneJob): boolean {
    if (this.#isRunning) return false;
    const sinceMs = this.#options.clock.monotonicMs() - (this.#seenMs.get(name) ?? 0);
    return sinceMs > Math.max(OVERDUE_MS_MIN, OVERDUE_INTERVALS * intervalMs);
  }

  async #run(job: Job): Promise<void> {
    const { jobs, clock, logger } = this.#options;
    // A job of another version of the program.
    const known = jobs.find(({ name }) => name === job.name);
    if (known === undefined) return;
    this.#isRunning = true;
    try {
      await known.run((progress) => {
        job.updateProgress(progress).catch((error: unknown) => {
          logger.debug({ err: error, job: job.name }, 'a progress is not shown');
        });
      });
    } finally {
      this.#isRunning = false;
      this.#seenMs.set(job.name, clock.monotonicMs());
    }
  }
}
