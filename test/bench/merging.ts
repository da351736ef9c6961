/**
 * Whether workers keep up, and what they cost: three members that write four WAL files a second
 * each, as in front of a store in the cloud, and one worker with default settings.
 */
import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { pino } from 'pino';
import { runDir } from '../../docker/local/cache.ts';
import type { Kafka } from '../../docker/local/kafka.ts';
import { type Outrigger, startOutrigger } from '../../docker/local/outrigger.ts';
import { step } from '../../docker/local/progress.ts';
import { startRedis } from '../../docker/local/redis.ts';
import { startWorker, type Worker } from '../../docker/local/worker.ts';
import { FsObjectStore } from '../../storage/index.ts';
import { LATENCY_CONFIGS } from './latency.ts';
import { mergeCursors } from './merged-offsets.ts';
import { produce } from './perf-tools.ts';
import { cpuSeconds, ProcessMeter, type Usage } from './process-meter.ts';
import { table } from './report.ts';
import { createTopic, deleteTopic, logEnds } from './topics.ts';

const MEMBERS = 3;
const TOPIC = 'bench-merging';
const PARTITIONS = 30;
const RECORD_BYTES = 1024;
/** 4 MiB a second for each member. */
const RECORDS_PER_SECOND = MEMBERS * 4 * 1024;
const MEBIBYTE = 1024 ** 2;
const GIBIBYTE = 1024 ** 3;
const SAMPLE_MS = 1_000;
const WARMUP_SECONDS = 120;
const JOURNALS_EVERY_SECONDS = 3;

export interface MergingFigures {
  readonly seconds: number;
  readonly producedBytes: number;
  /** What was produced that long ago was merged in all partitions: from the third minute on. */
  readonly oldestUnmergedSeconds: readonly number[];
  /** Requests by job, PUTs counted as one and GETs as 0.08. */
  readonly putEquivalents: ReadonlyMap<string, number>;
  /** Of the worker, from its start on. */
  readonly worker: Usage;
}

/** @param seconds of the load; what comes after two minutes is looked at */
export async function measureMerging(kafka: Kafka, seconds: number): Promise<MergingFigures> {
  const storeDir = await runDir('store');
  const redis = await startRedis();
  const servers = {
    kafkaBootstrap: kafka.bootstrap,
    storeUrl: `file://${storeDir}`,
    redisUrl: redis.url,
  };
  const members: Outrigger[] = [];
  let worker: Worker | undefined;
  try {
    for (let id = 0; id < MEMBERS; id++) {
      const configs = { ...LATENCY_CONFIGS, 'member.id': id };
      members.push(await startOutrigger({ ...servers, configs }));
    }
    worker = await startWorker(servers);
    const meter = new ProcessMeter(worker.pid() ?? 0);
    await meter.start();
    const bootstrap = members.map((member) => member.bootstrap).join(',');
    const [first = ''] = bootstrap.split(',');
    await createTopic(first, TOPIC, PARTITIONS, { 'diskless.enable': 'true' });
    const records = RECORDS_PER_SECOND * seconds;
    const origin = worker.httpOrigin;
    return await step(`${MEMBERS} members and a worker, ${seconds} s`, async () => {
      const producing = produce(kafka.libs, {
        bootstrap,
        topic: TOPIC,
        records,
        recordBytes: RECORD_BYTES,
        recordsPerSecond: RECORDS_PER_SECOND,
        settings: { 'batch.size': 65_536, 'linger.ms': 50 },
      });
      const oldestUnmergedSeconds = await sampleUntil(producing, kafka, storeDir);
      const putEquivalents = await byLabel(origin, 'outrigger_job_put_equivalents_total', 'job');
      const producedBytes = records * RECORD_BYTES;
      const used = { worker: await meter.read() };
      return { seconds, producedBytes, oldestUnmergedSeconds, putEquivalents, ...used };
    });
  } finally {
    await worker?.stop();
    await deleteTopic(kafka.bootstrap, TOPIC);
    for (const member of members) await member.stop();
    await redis.stop();
    await rm(storeDir, { recursive: true });
  }
}

/** How long ago, by second, the log of some partition ended where its merge cursor is now. */
async function sampleUntil(
  end: Promise<unknown>,
  kafka: Kafka,
  storeDir: string,
): Promise<number[]> {
  const store = await FsObjectStore.open({ root: storeDir, now: Date.now, random: randomBytes });
  const logger = pino({ level: 'silent' });
  const endsBySecond: number[][] = [];
  const lags: number[] = [];
  const over = new AbortController();
  const ending = end.finally(() => over.abort());
  for (let second = 0; !over.signal.aborted; second++) {
    endsBySecond.push(await logEnds(kafka.bootstrap, TOPIC, PARTITIONS));
    if (second >= WARMUP_SECONDS && second % JOURNALS_EVERY_SECONDS === 0) {
      const cursors = await mergeCursors(store, TOPIC, logger);
      lags.push(Math.max(...range(PARTITIONS).map((p) => lagOf(p, cursors.get(p) ?? 0))));
    }
    await Promise.race([pause(SAMPLE_MS), ending]);
  }
  await ending;
  return lags;

  function lagOf(partition: number, cursor: number): number {
    const above = endsBySecond.findIndex((ends) => (ends[partition] ?? 0) > cursor);
    return above === -1 ? 0 : endsBySecond.length - above;
  }
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}

/** @returns the values of a metric by one of its labels, '' where it has none */
async function byLabel(
  origin: string,
  name: string,
  label: string,
): Promise<ReadonlyMap<string, number>> {
  const page = await (await fetch(`${origin}/metrics`)).text();
  const rows = page.matchAll(new RegExp(`^${name}(?:\\{(.*)\\})? ([\\d.e+-]+)$`, 'gm'));
  const values = new Map<string, number>();
  for (const [, labels = '', value] of rows) {
    const key = new RegExp(`${label}="([^"]*)"`).exec(labels)?.[1] ?? '';
    values.set(key, (values.get(key) ?? 0) + Number(value));
  }
  return values;
}

export function mergingSection(figures: MergingFigures): string {
  const { seconds, producedBytes, oldestUnmergedSeconds, putEquivalents, worker } = figures;
  const gibibytes = producedBytes / GIBIBYTE;
  const rows = [...putEquivalents].map(([job, count]) => [job, (count / gibibytes).toFixed(1)]);
  const all = [...putEquivalents.values()].reduce((sum, count) => sum + count, 0);
  const oldest = Math.max(...oldestUnmergedSeconds);
  return [
    `${gibibytes.toFixed(2)} GiB in ${seconds} s through ${MEMBERS} members, one worker with default settings. From the third minute on everything that was produced more than ${oldest.toFixed(0)} s before was merged; a merge begins every 30 s.`,
    table(
      ['job', 'PUT-equivalents per GiB'],
      [...rows, ['**all**', `**${(all / gibibytes).toFixed(1)}**`]],
    ),
    `The worker took ${(cpuSeconds(worker) / gibibytes).toFixed(1)} s of CPU time for each GiB, ${(worker.systemSeconds / gibibytes).toFixed(1)} s of it in the kernel, and ${(worker.memoryPeakBytes / MEBIBYTE).toFixed(0)} MiB of memory.`,
  ].join('\n\n');
}
