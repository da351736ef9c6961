/**
 * The worker of the measurement, in a process of its own, so that its memory and its event loop are
 * its alone: the real one from `startWorker`, on the brokers, the Redis and the bucket that it is
 * told of.
 */
import assert from 'node:assert/strict';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { CONFIG_KEYS } from '../../../cli/config/config-keys.ts';
import { loadConfig, variableOf } from '../../../cli/config/load-config.ts';
import { workerOptionsOf } from '../../../cli/config/worker-options-of.ts';
import { openStore } from '../../../storage/open-store.ts';
import { startWorker, type WorkerDependencies } from '../../../workers/worker.ts';
import { createClusterJobs, createGroupJobs } from '../../../workers/jobs.ts';
import { ProcessMeter } from '../process-meter.ts';
import { CountingStore } from './counting-store.ts';
import type { RoundFigures, SiteCounts, WorkerFigures } from './figures.ts';
import type { Answer, Question, WorkerOrder } from './messages.ts';
import { measureRound, siteDifference, TakenJobs } from './rounds.ts';
import { TurnMeter } from './turn-meter.ts';

const POLL_MS = 20;
/** In the order in which a byte meets them. */
const JOBS = ['consolidate', 'trim', 'retain', 'compact', 'sweep', 'sweep-wal', 'classic-again'];

// The argument is `measure.ts`'s own.
const order = JSON.parse(process.argv[2] ?? '') as WorkerOrder;
const jobs = new TakenJobs();
let store: CountingStore | undefined;
const meters = {
  siteCounts,
  storeCounts: () => {
    assert(store !== undefined, 'the store is open');
    return store.counts;
  },
};
await run();

async function run(): Promise<void> {
  const meter = new ProcessMeter(process.pid);
  await meter.start();
  const siteBefore = await siteCounts();
  const turns = TurnMeter.start();
  const startedMs = performance.now();
  const worker = await startWorker(optionsOf(order), pino({ level: 'warn' }), dependencies());
  while (jobs.firstMerges.length < order.groups) await sleep(POLL_MS);
  const { user, system } = process.cpuUsage();
  const start = {
    firstMergesMs: jobs.firstMerges.map((ms) => ms - startedMs),
    cpuMs: (user + system) / 1_000,
    turns: await turns.stop(),
    residentBytes: process.memoryUsage.rss(),
    residentPeakBytes: (await meter.read()).memoryPeakBytes,
    store: meters.storeCounts(),
    site: siteDifference(await siteCounts(), siteBefore),
  };
  while (![...JOBS, 'merge'].every((name) => jobs.names.has(name))) await sleep(POLL_MS);
  await jobs.takeOut();
  const rounds = await runRounds();
  jobs.putBack();
  const idle = await watchIdle();
  await worker.stop();
  await tell({ kind: 'done', figures: { start, rounds, idle } });
  process.disconnect();
}

async function runRounds(): Promise<RoundFigures[]> {
  const rounds: RoundFigures[] = [];
  const round = async (name: string, job: string): Promise<void> => {
    rounds.push(await measureRound(name, async () => jobs.runAll(job), meters));
  };
  await jobs.runAll('merge');
  await round('merge, nothing new', 'merge');
  await ask({ kind: 'append' });
  await round('merge, some new', 'merge');
  for (const job of JOBS) {
    await jobs.runAll(job);
    await round(job, job);
  }
  return rounds;
}

/** All lanes, as they run when nobody looks. */
async function watchIdle(): Promise<WorkerFigures['idle']> {
  const before = await siteCounts();
  const turns = TurnMeter.start();
  const cpuBefore = process.cpuUsage();
  await sleep(order.idleSeconds * 1_000);
  const { user, system } = process.cpuUsage(cpuBefore);
  return {
    seconds: order.idleSeconds,
    cpuSeconds: (user + system) / 1e6,
    turns: await turns.stop(),
    residentBytes: process.memoryUsage.rss(),
    counts: siteDifference(await siteCounts(), before),
  };
}

/** The defaults, but for where everything is. */
function optionsOf({ bootstrap, redisUrl, storeUrl }: WorkerOrder) {
  const set = {
    'kafka.bootstrap.servers': bootstrap,
    'store.url': storeUrl,
    'redis.url': redisUrl,
    'advertised.host': '127.0.0.1',
  };
  const environment = Object.fromEntries(
    Object.entries(set).map(([key, value]) => [variableOf(key), value]),
  );
  return workerOptionsOf(loadConfig(CONFIG_KEYS, { environment }).values);
}

function dependencies(): WorkerDependencies {
  return {
    openStore: async (options, rest) => {
      store = new CountingStore(await openStore(options, rest));
      return store;
    },
    createGroupJobs: (options, watch) =>
      createGroupJobs(options, watch).map((job) => jobs.groupJob(job)),
    createClusterJobs: (options) => createClusterJobs(options).map((job) => jobs.clusterJob(job)),
  };
}

async function siteCounts(): Promise<SiteCounts> {
  const answer = await ask({ kind: 'counts' });
  assert(answer.kind === 'counts', 'counts were asked for');
  return answer.counts;
}

/** One question at a time. */
async function ask(question: Question): Promise<Answer> {
  // Whoever started this process answers in its own words.
  const answering = new Promise<Answer>((resolve) =>
    process.once('message', resolve as () => void),
  );
  await tell(question);
  return await answering;
}

async function tell(question: Question): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    process.send?.(question, (error: Error | null) => (error === null ? resolve() : reject(error)));
  });
}
