/**
 * Consumers that read far behind the end of the log, where only merged files have the data: how
 * fast one of them is, beside one that reads the same from a classic topic of the broker itself,
 * and what twenty of them do to those who produce and read at the end.
 */
import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { getPriority, setPriority } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { runDir } from '../../docker/local/cache.ts';
import type { Kafka } from '../../docker/local/kafka.ts';
import { startOutrigger } from '../../docker/local/outrigger.ts';
import { step } from '../../docker/local/progress.ts';
import { startRedis } from '../../docker/local/redis.ts';
import { startWorker } from '../../docker/local/worker.ts';
import { FsObjectStore } from '../../storage/index.ts';
import { consume, produce, type ClientSettings } from './perf-tools.ts';
import { mergedOffsets } from './merged-offsets.ts';
import { percentile } from './statistics.ts';
import { probeTail, type TailFigures } from './tail-probe.ts';
import { createTopic, deleteTopic } from './topics.ts';

const LAGGARDS = fileURLToPath(new URL('laggards.ts', import.meta.url));
const MEBIBYTE = 1024 * 1024;
const RECORD_BYTES = 1024;
const PARTITIONS = 6;
const PRODUCER: ClientSettings = { 'batch.size': 262_144, 'linger.ms': 20 };
const WORKER_CONFIGS = { 'merge.interval.ms': 5_000 };
const MERGED_WITHIN_MS = 600_000;
const LAGGARD_COUNT = 20;
/** Each one's rate in MiB/s; 0 for as fast as it can. */
const LAGGARD_RATES = [1, 5, 0] as const;
/** On a machine of their own laggards would not take their processor time from anyone here. */
const LAGGARD_NICENESS = 10;
const SETTLE_MS = 3_000;

export interface LaggingOptions {
  readonly kafka: Kafka;
  readonly rounds: number;
  readonly mebibytes: number;
  readonly tailSeconds: number;
}

/** One round of reading all of it, in mebibytes a second. */
export interface LaggingRound {
  readonly direct: number;
  readonly merged: number;
}

/** What was felt at the end of a log, in milliseconds. */
export interface TailRun {
  readonly acknowledgedMs: { readonly p50: number; readonly p99: number };
  readonly readMs: { readonly p50: number; readonly p99: number };
}

/** One after the other: without laggards and among them. */
export interface TailRound {
  readonly alone: TailRun;
  readonly among: TailRun;
  /** What all laggards got, in mebibytes a second. */
  readonly laggardRate: number;
}

export interface TailFiguresAtRate {
  readonly laggards: number;
  /** What each of them was allowed, in mebibytes a second, 0 for as much as it could. */
  readonly mibPerSecond: number;
  readonly rounds: readonly TailRound[];
}

export interface LaggingFigures {
  readonly rounds: readonly LaggingRound[];
  readonly tail: readonly TailFiguresAtRate[];
}

/** @returns what was measured; the WAL files are gone before anything is read */
export async function measureLagging(options: LaggingOptions): Promise<LaggingFigures> {
  const { kafka, mebibytes } = options;
  const storeDir = await runDir('store');
  const storeUrl = `file://${storeDir}`;
  const redis = await startRedis();
  const servers = { kafkaBootstrap: kafka.bootstrap, storeUrl, redisUrl: redis.url };
  const member = await startOutrigger(servers);
  const records = (mebibytes * MEBIBYTE) / RECORD_BYTES;
  const direct = { bootstrap: kafka.bootstrap, topic: 'bench-lagging-classic', records };
  const merged = { bootstrap: member.bootstrap, topic: 'bench-lagging-merged', records };
  try {
    const worker = await startWorker({ ...servers, configs: WORKER_CONFIGS });
    try {
      await createTopic(direct.bootstrap, direct.topic, PARTITIONS);
      await createTopic(merged.bootstrap, merged.topic, PARTITIONS, { 'diskless.enable': 'true' });
      for (const load of [direct, merged]) {
        await step(`${mebibytes} MiB into ${load.topic}`, async () =>
          produce(kafka.libs, { ...load, recordBytes: RECORD_BYTES, settings: PRODUCER }),
        );
      }
      await step('merged', async () => waitUntilMerged(storeDir, merged.topic, records));
    } finally {
      await worker.stop();
    }
    await member.stop();
    await rm(join(storeDir, 'wal'), { recursive: true });
    await member.start();
    // What the disk still has to write would count against the first rounds.
    execFileSync('sync');
    const rounds = await readInTurns(options, [direct, merged]);
    const tail = await probe(member.bootstrap, merged.topic, options);
    return { rounds, tail };
  } finally {
    for (const { topic } of [direct, merged]) await deleteTopic(kafka.bootstrap, topic);
    await member.stop();
    await redis.stop();
    await rm(storeDir, { recursive: true });
  }
}

interface Load {
  readonly bootstrap: string;
  readonly topic: string;
  readonly records: number;
}

async function readInTurns(
  { kafka, rounds }: LaggingOptions,
  [direct, merged]: readonly [Load, Load],
): Promise<LaggingRound[]> {
  const read = async (load: Load): Promise<number> =>
    step(`all of ${load.topic}`, async (report) => {
      const { mibPerSecond } = await consume(kafka.libs, { ...load, settings: {} });
      report(`${mibPerSecond.toFixed(0)} MiB/s`);
      return mibPerSecond;
    });
  const measured: LaggingRound[] = [];
  for (let round = 0; round < rounds; round++) {
    if (round % 2 === 0) {
      const first = await read(direct);
      measured.push({ direct: first, merged: await read(merged) });
    } else {
      const first = await read(merged);
      measured.push({ merged: first, direct: await read(direct) });
    }
  }
  return measured;
}

async function waitUntilMerged(storeDir: string, topic: string, records: number): Promise<void> {
  const untilMs = performance.now() + MERGED_WITHIN_MS;
  const store = await FsObjectStore.open({ root: storeDir, now: Date.now, random: randomBytes });
  const log = pino({ level: 'warn' });
  while ((await mergedOffsets(store, topic, log)) < records) {
    if (performance.now() > untilMs) throw new Error(`${topic} was not merged in time`);
    await pause(1_000);
  }
}

async function probe(
  bootstrap: string,
  lagging: string,
  { rounds, tailSeconds: seconds }: LaggingOptions,
): Promise<TailFiguresAtRate[]> {
  const topic = 'bench-lagging-tail';
  await createTopic(bootstrap, topic, 1, { 'diskless.enable': 'true' });
  try {
    // What is compiled in the first seconds would count against the first run.
    await probeTail(bootstrap, topic, seconds);
    const tail: TailFiguresAtRate[] = [];
    for (const mibPerSecond of LAGGARD_RATES) {
      const measured: TailRound[] = [];
      for (let round = 0; round < rounds; round++) {
        const alone = summary(await probeTail(bootstrap, topic, seconds));
        const among = await probeAmong({ bootstrap, topic, lagging, seconds, mibPerSecond });
        measured.push({ alone, ...among });
      }
      tail.push({ laggards: LAGGARD_COUNT, mibPerSecond, rounds: measured });
    }
    return tail;
  } finally {
    await deleteTopic(bootstrap, topic);
  }
}

interface Among {
  readonly bootstrap: string;
  readonly topic: string;
  /** The topic that laggards read. */
  readonly lagging: string;
  readonly seconds: number;
  readonly mibPerSecond: number;
}

async function probeAmong(among: Among): Promise<Omit<TailRound, 'alone'>> {
  const { bootstrap, topic, lagging, seconds, mibPerSecond } = among;
  const args = [bootstrap, lagging, PARTITIONS, LAGGARD_COUNT, mibPerSecond].map(String);
  const child = spawn(process.execPath, [LAGGARDS, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (child.pid !== undefined) setPriority(child.pid, getPriority() + LAGGARD_NICENESS);
  let read = 0;
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    read = Number(text.trim().split('\n').at(-1));
  });
  try {
    return await step(`the tail among ${LAGGARD_COUNT} laggards`, async (report) => {
      await pause(SETTLE_MS);
      const before = read;
      const figures = summary(await probeTail(bootstrap, topic, seconds));
      const laggardRate = (read - before) / MEBIBYTE / seconds;
      report(
        `${laggardRate.toFixed(0)} MiB/s read, p99 ${figures.acknowledgedMs.p99.toFixed(0)} ms`,
      );
      return { among: figures, laggardRate };
    });
  } finally {
    child.kill('SIGKILL');
  }
}

function summary({ acknowledged, read }: TailFigures): TailRun {
  const of = (values: readonly number[]): { p50: number; p99: number } => ({
    p50: percentile(values, 0.5),
    p99: percentile(values, 0.99),
  });
  return { acknowledgedMs: of(acknowledged), readMs: of(read) };
}
