/**
 * How long a produce takes when the object store does: producers at a fixed rate that is far below
 * what the proxy can do, a store whose PUTs take as long as those of a cloud, and the settings that
 * are the default in front of one. Producers differ in how they deal with an answer that takes a
 * while: with five requests on their way, as by default, a producer sends no sixth.
 */
import { readFile, rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { runDir } from '../../docker/local/cache.ts';
import type { Kafka } from '../../docker/local/kafka.ts';
import { startOutrigger } from '../../docker/local/outrigger.ts';
import { step } from '../../docker/local/progress.ts';
import { produce, type ClientSettings, type LatencyMs } from './perf-tools.ts';
import { PUT_MS_VARIABLE, PUTS_LINE, type TimedPut } from './slow-member.ts';
import { percentile } from './statistics.ts';
import { createTopic, deleteTopic } from './topics.ts';

const SCRIPT = fileURLToPath(new URL('slow-member.ts', import.meta.url));
const PARTITIONS = 6;
export const PUT_MS = 100;
export const RECORD_BYTES = 1024;
export const RECORDS_PER_SECOND = 1_000;
const WARMUP_SECONDS = 5;
/** What `auto` stands for in front of S3, where the store of the benchmark is a folder. */
export const LATENCY_CONFIGS = {
  'wal.linger.ms': 250,
  'wal.puts.per.second': 4,
  'wal.min.bytes': 131_072,
} as const;
const LINGER_MS = LATENCY_CONFIGS['wal.linger.ms'];

export interface LatencyOptions {
  readonly kafka: Kafka;
  readonly rounds: number;
  /** Of each round and producer, after a warm-up. */
  readonly seconds: number;
  /** Settings of the producers, by a name for each. */
  readonly producers: Readonly<Record<string, ClientSettings>>;
}

export interface LatencyRun {
  readonly producer: string;
  readonly produceMs: LatencyMs;
  readonly putMs: { readonly p50: number; readonly p99: number };
  /** The 99th percentile of produce, as a multiple of the linger and the 99th of PUT together. */
  readonly ratio: number;
}

/** @returns what each producer has seen in each round */
export async function measureLatency(options: LatencyOptions): Promise<LatencyRun[]> {
  const runs: LatencyRun[] = [];
  for (let round = 1; round <= options.rounds; round++) {
    for (const [producer, settings] of Object.entries(options.producers)) {
      const title = `PUTs of ${PUT_MS} ms, round ${round} of ${options.rounds}: ${producer} producer`;
      const topic = `bench-latency-${producer}-${round}`;
      const run = await step(title, async (report) => {
        const measured = { producer, ...(await measureRun(options, topic, settings)) };
        const { p50, p99 } = measured.produceMs;
        report(`produce ${p50} ms (p50), ${p99} ms (p99): ${measured.ratio.toFixed(2)} x`);
        return measured;
      });
      runs.push(run);
    }
  }
  return runs;
}

async function measureRun(
  { kafka, seconds }: LatencyOptions,
  topic: string,
  settings: ClientSettings,
): Promise<Omit<LatencyRun, 'producer'>> {
  const storeDir = await runDir('store');
  process.env[PUT_MS_VARIABLE] = String(PUT_MS);
  const member = await startOutrigger({
    kafkaBootstrap: kafka.bootstrap,
    storeUrl: `file://${storeDir}`,
    script: SCRIPT,
    configs: LATENCY_CONFIGS,
  });
  try {
    const { bootstrap } = member;
    await createTopic(bootstrap, topic, PARTITIONS, { 'diskless.enable': 'true' });
    const { latencyMs: produceMs } = await produce(kafka.libs, {
      bootstrap,
      topic,
      records: (WARMUP_SECONDS + seconds) * RECORDS_PER_SECOND,
      warmupRecords: WARMUP_SECONDS * RECORDS_PER_SECOND,
      recordsPerSecond: RECORDS_PER_SECOND,
      recordBytes: RECORD_BYTES,
      settings,
    });
    await deleteTopic(bootstrap, topic);
    await member.stop();
    const times = putTimes(await readFile(member.logFile, 'utf8'), seconds);
    const putMs = { p50: percentile(times, 0.5), p99: percentile(times, 0.99) };
    return { produceMs, putMs, ratio: produceMs.p99 / (LINGER_MS + putMs.p99) };
  } finally {
    await member.stop();
    await rm(storeDir, { recursive: true });
  }
}

/** @returns how long the PUTs took, in milliseconds, those of the warm-up left out */
function putTimes(log: string, seconds: number): number[] {
  const line = log.split('\n').find((text) => text.startsWith(PUTS_LINE));
  if (line === undefined) throw new Error(`the member did not say how long its PUTs took:\n${log}`);
  const puts = JSON.parse(line.slice(PUTS_LINE.length)) as TimedPut[];
  const endMs = Math.max(...puts.map(({ startMs }) => startMs));
  const measured = puts.filter(({ startMs }) => startMs > endMs - seconds * 1_000);
  return measured.map(({ durationMs }) => durationMs);
}
