/**
 * Runs jobs: gives each its context, counts what it does, and says so when it fails. A job that
 * ends because it was told to has not failed.
 */
import type { AllGroups, ClusterJob } from './cluster-job.ts';
import type { HeldGroup } from './group/held-group.ts';
import type { GroupJob, JobContext } from './group-job.ts';
import type { FiguresByJob } from './metering/job-figures.ts';
import { JobProgress, type ProgressReport } from './metering/job-progress.ts';
import { MeteredStore, type MeteredStoreOptions } from './metering/metered-store.ts';
import type { LaneJob } from './queue/lane.ts';

/** What the contexts of all jobs of a process have in common. */
export interface SharedContext extends Omit<JobContext, 'group' | 'store' | 'progress' | 'signal'> {
  readonly storage: Pick<MeteredStoreOptions, 'store' | 'bandwidth'>;
  readonly figures: FiguresByJob;
}

type Work = (context: Omit<JobContext, 'group'>) => Promise<void>;
type Report = (report: ProgressReport) => void;

export class JobRunner {
  readonly #shared: SharedContext;

  constructor(shared: SharedContext) {
    this.#shared = shared;
  }

  /** @param signal aborted when the group is given up */
  ofGroup(job: GroupJob, held: HeldGroup, signal: AbortSignal): LaneJob {
    const { name, intervalMs } = job;
    const group = held.forJob(name);
    const logger = this.#shared.logger.child({ job: name, group: held.number });
    const shared = { ...this.#shared, logger };
    const work: Work = async (context) => job.run({ ...context, group });
    return {
      name,
      intervalMs,
      run: async (report) => run(name, work, shared, signal, report),
    };
  }

  /** @param signal aborted when another worker may run the job */
  ofCluster(job: ClusterJob, groups: AllGroups, signal: AbortSignal): LaneJob {
    const { name, intervalMs } = job;
    const shared = { ...this.#shared, logger: this.#shared.logger.child({ job: name }) };
    const work: Work = async (context) => job.run({ ...context, groups });
    return {
      name,
      intervalMs,
      run: async (report) => run(name, work, shared, signal, report),
    };
  }
}

async function run(
  name: string,
  work: Work,
  shared: SharedContext,
  signal: AbortSignal,
  show: Report,
): Promise<void> {
  if (signal.aborted) return;
  const { storage, clock, logger } = shared;
  const figures = shared.figures.of(name);
  const store = new MeteredStore({ ...storage, figures: () => figures, signal });
  const report: Report = (progress) => {
    logger.info(progress, 'progress');
    show(progress);
  };
  const progress = new JobProgress({ figures, clock, report });
  const startedMs = clock.monotonicMs();
  figures.running++;
  try {
    await work({ ...shared, store, progress, signal });
  } catch (error) {
    if (signal.aborted) return;
    figures.failures++;
    logger.warn({ err: error }, 'a job failed and is tried again');
    throw error;
  } finally {
    figures.running--;
    figures.runs++;
    figures.durationMs += clock.monotonicMs() - startedMs;
  }
}
