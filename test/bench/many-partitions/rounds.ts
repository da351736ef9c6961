/**
 * Runs jobs of a worker that has started, one kind at a time, and measures each round: how long,
 * how long the event loop was held up, and what was asked of brokers, Redis and the bucket.
 */
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ClusterJob, ClusterJobContext } from '../../../workers/cluster-job.ts';
import type { GroupJob, JobContext } from '../../../workers/group-job.ts';
import type { StoreCounts } from './counting-store.ts';
import type { RoundFigures, SiteCounts } from './figures.ts';
import { TurnMeter } from './turn-meter.ts';

const POLL_MS = 20;

/** A job with the context in which it ran last. */
interface Taken {
  readonly name: string;
  readonly run: () => Promise<void>;
}

/**
 * Stands between lanes and jobs. At first lanes run jobs as ever; once they are taken out of the
 * lanes, only rounds do.
 */
export class TakenJobs {
  readonly #taken = new Map<string, Taken>();
  readonly #firstMerges = new Map<number, number>();
  #isTaken = false;
  #running = 0;

  groupJob(job: GroupJob): GroupJob {
    return {
      ...job,
      run: async (context: JobContext) => {
        const { number } = context.group;
        const run = async (): Promise<void> => job.run(context);
        await this.#run(`${job.name} ${number}`, { name: job.name, run });
        if (job.name !== 'merge' || this.#firstMerges.has(number)) return;
        this.#firstMerges.set(number, performance.now());
      },
    };
  }

  clusterJob(job: ClusterJob): ClusterJob {
    return {
      ...job,
      run: async (context: ClusterJobContext) => {
        const run = async (): Promise<void> => job.run(context);
        await this.#run(job.name, { name: job.name, run });
      },
    };
  }

  /** When each group had merged once, by `performance.now()`. */
  get firstMerges(): readonly number[] {
    return [...this.#firstMerges.values()];
  }

  get names(): ReadonlySet<string> {
    return new Set([...this.#taken.values()].map(({ name }) => name));
  }

  /** Resolves when no lane runs any job any more. */
  async takeOut(): Promise<void> {
    this.#isTaken = true;
    while (this.#running > 0) await sleep(POLL_MS);
  }

  putBack(): void {
    this.#isTaken = false;
  }

  /** Runs the jobs of a name, of all groups at once. */
  async runAll(name: string): Promise<void> {
    const own = [...this.#taken.values()].filter((job) => job.name === name);
    await Promise.all(own.map(async ({ run }) => run()));
  }

  async #run(key: string, job: Taken): Promise<void> {
    this.#taken.set(key, job);
    if (this.#isTaken) return;
    this.#running++;
    try {
      await job.run();
    } finally {
      this.#running--;
    }
  }
}

export interface Meters {
  readonly siteCounts: () => Promise<SiteCounts>;
  readonly storeCounts: () => StoreCounts;
}

/** @returns what the work has cost */
export async function measureRound(
  name: string,
  work: () => Promise<void>,
  meters: Meters,
): Promise<RoundFigures> {
  const siteBefore = await meters.siteCounts();
  const storeBefore = meters.storeCounts();
  const turns = TurnMeter.start();
  const cpuBefore = process.cpuUsage();
  const startedMs = performance.now();
  await work();
  const wallMs = performance.now() - startedMs;
  const { user, system } = process.cpuUsage(cpuBefore);
  const { longestMs: turnMs } = await turns.stop();
  return {
    name,
    wallMs,
    cpuMs: (user + system) / 1_000,
    turnMs,
    site: siteDifference(await meters.siteCounts(), siteBefore),
    store: storeDifference(meters.storeCounts(), storeBefore),
  };
}

export function siteDifference(after: SiteCounts, before: SiteCounts): SiteCounts {
  const brokers = Object.fromEntries(
    Object.entries(after.brokers).map(([api, { requests, bytes }]) => {
      const known = before.brokers[api] ?? { requests: 0, bytes: 0 };
      return [api, { requests: requests - known.requests, bytes: bytes - known.bytes }];
    }),
  );
  return {
    brokers,
    redisCommands: after.redisCommands - before.redisCommands,
    redisBytes: after.redisBytes - before.redisBytes,
  };
}

function storeDifference(after: StoreCounts, before: StoreCounts): StoreCounts {
  return {
    gets: after.gets - before.gets,
    bytesRead: after.bytesRead - before.bytesRead,
    heads: after.heads - before.heads,
    lists: after.lists - before.lists,
    puts: after.puts - before.puts,
    bytesWritten: after.bytesWritten - before.bytesWritten,
    deletes: after.deletes - before.deletes,
  };
}
