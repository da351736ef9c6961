/** Kafka's own performance tools, and the figures in what they print. */
import type { KafkaLibs } from '../../docker/local/kafka-jars.ts';
import { kafkaTool, type KafkaTool } from '../../docker/local/kafka-tools.ts';

const TOOL_TIMEOUT_MS = 600_000;
/** How long the consumer waits for the next record before it gives up. */
const CONSUMER_TIMEOUT_MS = 60_000;
const UNTHROTTLED = -1;

/** Producer or consumer settings, as Kafka names them. */
export type ClientSettings = Readonly<Record<string, string | number>>;

export interface ProduceLoad {
  readonly bootstrap: string;
  readonly topic: string;
  readonly records: number;
  readonly recordBytes: number;
  readonly settings: ClientSettings;
  /** Unthrottled if not given. */
  readonly recordsPerSecond?: number;
  /** That many records at the beginning do not count; none by default. */
  readonly warmupRecords?: number;
}

export interface ProduceFigures {
  readonly mibPerSecond: number;
  readonly latencyMs: LatencyMs;
}

/** From the call of send() to its acknowledgement. */
export interface LatencyMs {
  readonly average: number;
  readonly max: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly p999: number;
}

export interface ConsumeLoad {
  readonly bootstrap: string;
  readonly topic: string;
  readonly records: number;
  readonly settings: ClientSettings;
}

export interface ConsumeFigures {
  /** While fetching: joining the group does not count. */
  readonly mibPerSecond: number;
}

/** @throws when the tool fails, or some record does */
export async function produce(libs: KafkaLibs, load: ProduceLoad): Promise<ProduceFigures> {
  const warmup = load.warmupRecords ?? 0;
  const output = await run(libs, 'kafka-producer-perf-test', load, [
    `--record-size=${load.recordBytes}`,
    `--throughput=${load.recordsPerSecond ?? UNTHROTTLED}`,
    ...(warmup === 0 ? [] : [`--warmup-records=${warmup}`]),
    // A second one of these would replace the first.
    '--command-property',
    ...properties({ 'client.id': 'bench', ...load.settings }),
  ]);
  const summaries = output.matchAll(
    /^(\d+) .*records sent, .*\(([\d.]+) MB\/sec\), ([\d.]+) ms avg latency, ([\d.]+) ms max latency, (\d+) ms 50th, (\d+) ms 95th, (\d+) ms 99th, (\d+) ms 99\.9th/gm,
  );
  // With a warm-up there are two, and the last is of what came after it.
  const summary = [...summaries].at(-1)?.slice(1).map(Number);
  if (summary === undefined || summary[0] !== load.records - warmup) {
    throw new Error(`the producer did not send ${load.records} records:\n${output}`);
  }
  const [, mibPerSecond = 0, average = 0, max = 0, p50 = 0, p95 = 0, p99 = 0, p999 = 0] = summary;
  return { mibPerSecond, latencyMs: { average, max, p50, p95, p99, p999 } };
}

/** @throws when the tool fails or does not get all records */
export async function consume(libs: KafkaLibs, load: ConsumeLoad): Promise<ConsumeFigures> {
  const output = await run(libs, 'kafka-consumer-perf-test', load, [
    '--hide-header',
    `--timeout=${CONSUMER_TIMEOUT_MS}`,
    ...properties(load.settings).flatMap((property) => ['--command-property', property]),
  ]);
  // start, end, MB, MB/s, records, records/s, rebalance ms, fetch ms, fetch MB/s, fetch records/s
  const fields = output.trim().split('\n').at(-1)?.split(', ') ?? [];
  const records = Number(fields[4]);
  const mibPerSecond = Number(fields[8]);
  // It stops after the poll that brought the last record, which may bring more.
  if (!(records >= load.records)) {
    throw new Error(`the consumer did not get ${load.records} records:\n${output}`);
  }
  return { mibPerSecond };
}

async function run(
  libs: KafkaLibs,
  tool: KafkaTool,
  load: { readonly bootstrap: string; readonly topic: string; readonly records: number },
  args: readonly string[],
): Promise<string> {
  const { code, stdout, stderr } = await kafkaTool(
    libs,
    tool,
    [
      `--bootstrap-server=${load.bootstrap}`,
      `--topic=${load.topic}`,
      `--num-records=${load.records}`,
      ...args,
    ],
    { timeoutMs: TOOL_TIMEOUT_MS },
  );
  // The producer's tool ends with 0 even when records fail.
  const failed = code !== 0 || /Exception/.test(stdout + stderr);
  if (failed) throw new Error(`${tool} ended with ${code}:\n${stdout}\n${stderr}`);
  return stdout;
}

function properties(settings: ClientSettings): string[] {
  return Object.entries(settings).map(([key, value]) => `${key}=${value}`);
}
