/**
 * What a worker does in its posts: of a partition group the merge lane, which never waits for long
 * jobs and has retention too, a lane for compaction, of which one pass may take hours, and the
 * upkeep lane for all others; of the cluster one lane.
 */
import type { QueueConnection } from '../coordinator/index.ts';
import type { ClusterJob } from './cluster-job.ts';
import { GroupStates } from './group/group-states.ts';
import { HeldGroup } from './group/held-group.ts';
import type { HeldGroups } from './group/held-groups.ts';
import type { FilledPost, Post } from './group/hosting.ts';
import type { GroupJob } from './group-job.ts';
import { JobRunner, type SharedContext } from './job-runner.ts';
import { MeteredStore } from './metering/metered-store.ts';
import { Lane, type LaneJob } from './queue/lane.ts';

/** Of one lane one job runs at a time. */
const LANES = ['merge', 'compact', 'upkeep'] as const;

/** Retention has a minute, so it must not wait for long jobs any more than merges. */
function laneOf(job: string): (typeof LANES)[number] {
  if (job === 'merge' || job === 'retain') return 'merge';
  return job === 'compact' ? 'compact' : 'upkeep';
}

const CLUSTER = 'cluster';

export interface PostsOptions {
  readonly shared: SharedContext;
  readonly groupCount: number;
  readonly groupJobs: readonly GroupJob[];
  readonly clusterJobs: readonly ClusterJob[];
  readonly connection: QueueConnection;
  /** BullMQ's, with a hash tag. */
  readonly queuePrefix: string;
  readonly drainTimeoutMs: number;
  /** Is told of groups that are held, until they are given up. */
  readonly groups: HeldGroups;
}

/** @returns a post for each partition group, by number */
export function groupPosts(options: PostsOptions): readonly Post[] {
  return Array.from({ length: options.groupCount }, (_, group) => ({
    name: `group-${group}`,
    open: async (signal) => openGroup(group, options, signal),
  }));
}

/** @returns the post for the jobs of the whole cluster */
export function clusterPost(options: PostsOptions): Post {
  return { name: CLUSTER, open: async (signal) => openClusterJobs(options, signal) };
}

async function openGroup(
  group: number,
  options: PostsOptions,
  signal: AbortSignal,
): Promise<FilledPost> {
  const { shared, groupCount, groupJobs, drainTimeoutMs, groups } = options;
  const logger = shared.logger.child({ group });
  const now = (): number => shared.clock.wallMs();
  const opening = HeldGroup.open({ ...shared, now, group, groupCount, logger });
  const held = await groups.open(group, opening);
  const runner = new JobRunner(shared);
  const jobs = groupJobs.map((job) => runner.ofGroup(job, held, signal));
  const lanes = LANES.map((of) => {
    const own = jobs.filter(({ name }) => laneOf(name) === of);
    return lane(`group-${group}-${of}`, own, options);
  });
  return {
    tend: async () => {
      for (const lane of lanes) lane.schedule();
      await held.sync();
    },
    close: async () => {
      groups.close(held);
      await Promise.all(lanes.map(async (lane) => lane.close(drainTimeoutMs)));
    },
  };
}

async function openClusterJobs(options: PostsOptions, signal: AbortSignal): Promise<FilledPost> {
  const { shared, groupCount, clusterJobs, drainTimeoutMs, groups: held } = options;
  const { clusterId, random, clock, logger, storage, figures } = shared;
  const store = new MeteredStore({ ...storage, figures: () => figures.of(CLUSTER), signal });
  const now = (): number => clock.wallMs();
  const journals = { store, clusterId, random, now, logger };
  const groups = new GroupStates({ ...journals, groupCount, held });
  const runner = new JobRunner(shared);
  const jobs = clusterJobs.map((job) => runner.ofCluster(job, groups, signal));
  const only = lane(CLUSTER, jobs, options);
  return {
    tend: async () => only.schedule(),
    close: async () => only.close(drainTimeoutMs),
  };
}

function lane(name: string, jobs: readonly LaneJob[], options: PostsOptions): Lane {
  const { connection, queuePrefix: prefix, shared } = options;
  const { clock, logger } = shared;
  return new Lane({ name, jobs, connection, prefix, clock, logger });
}
