import { pino } from 'pino';
import { expect, test } from 'vitest';
import { Bandwidth } from '../../../runtime/index.ts';
import type { AllGroups, ClusterJobContext } from '../../../workers/cluster-job.ts';
import { JobRunner, type SharedContext } from '../../../workers/job-runner.ts';
import { FiguresByJob } from '../../../workers/metering/job-figures.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { MemoryStore } from '../storage/memory-store.ts';

const GROUPS: AllGroups = { groupCount: 1, states: async () => [] };

function begin(work: (context: ClusterJobContext, clock: FakeClock) => Promise<void>) {
  const clock = new FakeClock();
  const figures = new FiguresByJob();
  const stop = new AbortController();
  const storage = { store: new MemoryStore(), bandwidth: new Bandwidth(null, clock) };
  const logger = pino({ level: 'silent' });
  // The rest of the context is passed on and not looked at.
  const shared = { storage, figures, clock, logger } as unknown as SharedContext;
  const run: ClusterJobContext['progress'][] = [];
  const job = new JobRunner(shared).ofCluster(
    {
      name: 'sweep-wal',
      intervalMs: 1_000,
      run: async (context) => {
        run.push(context.progress);
        await work(context, clock);
      },
    },
    GROUPS,
    stop.signal,
  );
  return { job, run, stop, figures: figures.of('sweep-wal') };
}

test('a run is counted with its duration, its requests and what it moved', async () => {
  const { job, figures } = begin(async ({ store, progress }, clock) => {
    await store.put('a', Buffer.alloc(5));
    progress.advance({ records: 3, bytes: 5 });
    await clock.advance(250);
  });
  await job.run(() => undefined);
  expect(figures).toMatchObject({
    runs: 1,
    failures: 0,
    running: 0,
    durationMs: 250,
    records: 3,
    bytes: 5,
    storeBytesWritten: 5,
  });
});

test('a run that fails is counted, and fails for whoever schedules it', async () => {
  const { job, figures } = begin(async () => {
    throw new Error('the store is down');
  });
  await expect(job.run(() => undefined)).rejects.toThrow('the store is down');
  expect(figures).toMatchObject({ runs: 1, failures: 1, running: 0 });
});

test('a run that ends because it was told to has not failed', async () => {
  const { job, stop, figures } = begin(async ({ signal }) => {
    stop.abort();
    signal.throwIfAborted();
  });
  await job.run(() => undefined);
  expect(figures).toMatchObject({ runs: 1, failures: 0 });
});

test('nothing runs in a post that was given up', async () => {
  const { job, run, stop } = begin(async () => undefined);
  stop.abort();
  await job.run(() => undefined);
  expect(run).toEqual([]);
});
