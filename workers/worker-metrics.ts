/**
 * What a worker tells Prometheus. Every figure is read from the part that owns it at the moment of
 * the scrape.
 */
import type { Registry } from 'prom-client';
import type { Coordinator } from '../coordinator/index.ts';
import { Scrape, type ByteBudget, type Samples } from '../runtime/index.ts';
import type { HeldGroup } from './group/held-group.ts';
import type { Hosting } from './group/hosting.ts';
import { putEquivalents, STORE_REQUESTS } from './metering/job-figures.ts';
import type { FiguresByJob, JobFigures } from './metering/job-figures.ts';

export interface MeteredWorker {
  readonly figures: FiguresByJob;
  readonly hosting: Pick<Hosting, 'isRedisAway'>;
  readonly groups: ReadonlySet<Pick<HeldGroup, 'number' | 'state'>>;
  readonly coordinator: Pick<Coordinator, 'status'>;
  readonly memory: ByteBudget;
  /** Of the oldest WAL file that is not merged, by group: milliseconds since the epoch. */
  readonly oldestUnmerged: ReadonlyMap<number, number | undefined>;
  readonly now: () => number;
}

/** @returns a registry of the process and of these parts */
export function createWorkerMetrics(worker: MeteredWorker): Registry {
  const scrape = Scrape.ofProcess();
  addJobs(scrape, worker);
  addGroups(scrape, worker);
  const { memory, coordinator, hosting } = worker;
  scrape.gauge('worker_memory_reserved_bytes', 'Bytes that jobs hold.', () => memory.bytesHeld);
  scrape.gauge('worker_memory_waiting', 'Jobs that wait for memory.', () => memory.waiting);
  scrape.gauge('redis_connected', '1 while Redis answers.', () =>
    Number(coordinator.status().connected && !hosting.isRedisAway),
  );
  return scrape.registry;
}

function addJobs(scrape: Scrape, { figures }: MeteredWorker): void {
  const byJob = (value: (of: JobFigures) => number): Samples => {
    return () => [...figures.all()].map(([job, of]) => [{ job }, value(of)]);
  };
  scrape.gauges(
    'jobs_running',
    'Runs under way.',
    'job',
    byJob(({ running }) => running),
  );
  scrape.totals(
    'job_runs',
    'Runs that are over.',
    'job',
    byJob(({ runs }) => runs),
  );
  scrape.totals(
    'job_failures',
    'Runs that failed.',
    'job',
    byJob(({ failures }) => failures),
  );
  scrape.totals(
    'job_seconds',
    'Duration of all runs together.',
    'job',
    byJob(({ durationMs }) => durationMs / 1_000),
  );
  scrape.totals(
    'job_records',
    'Records moved.',
    'job',
    byJob(({ records }) => records),
  );
  scrape.totals(
    'job_bytes',
    'Bytes moved.',
    'job',
    byJob(({ bytes }) => bytes),
  );
  scrape.totals(
    'job_store_bytes_written',
    'Bytes written to the object store.',
    'job',
    byJob(({ storeBytesWritten }) => storeBytesWritten),
  );
  scrape.totals(
    'job_store_bytes_read',
    'Bytes read from the object store.',
    'job',
    byJob(({ storeBytesRead }) => storeBytesRead),
  );
  scrape.totals(
    'job_put_equivalents',
    'Price of all requests, in PUTs.',
    'job',
    byJob(putEquivalents),
  );
  scrape.totals('job_store_requests', 'Requests to the object store.', ['job', 'request'], () =>
    [...figures.all()].flatMap(([job, { requests }]) =>
      STORE_REQUESTS.map((request) => [{ job, request }, requests[request]] as const),
    ),
  );
}

function addGroups(scrape: Scrape, { groups, oldestUnmerged, now }: MeteredWorker): void {
  scrape.gauge('groups_held', 'Partition groups that this worker looks after.', () => groups.size);
  scrape.gauges('group_journal_entries', 'Entries in the journal of a group.', 'group', () =>
    [...groups].map(({ number, state }) => [{ group: String(number) }, state.number]),
  );
  scrape.gauges('group_partitions', 'Partitions in the journal of a group.', 'group', () =>
    [...groups].map(({ number, state }) => [{ group: String(number) }, state.partitions.size]),
  );
  scrape.gauges('merge_lag_seconds', 'Age of the oldest WAL file that is needed.', 'group', () =>
    [...groups].flatMap(({ number }) => {
      const oldestMs = oldestUnmerged.get(number);
      const lagMs = oldestMs === undefined ? 0 : Math.max(0, now() - oldestMs);
      return [[{ group: String(number) }, lagMs / 1_000] as const];
    }),
  );
}
