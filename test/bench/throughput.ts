/**
 * What a proxy costs: the same load sent to Kafka directly, through a proxy to a classic topic, and
 * through a proxy to a diskless topic. The three run one after the other, in an order that changes
 * from round to round, so that whatever else the machine does meets them alike; they are compared
 * round by round.
 */
import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { runDir } from '../../docker/local/cache.ts';
import type { Kafka } from '../../docker/local/kafka.ts';
import { startOutrigger, type Outrigger } from '../../docker/local/outrigger.ts';
import { step } from '../../docker/local/progress.ts';
import { consume, produce, type ClientSettings, type LatencyMs } from './perf-tools.ts';
import { cpuSeconds, ProcessMeter, type Usage } from './process-meter.ts';
import { createTopic, deleteTopic } from './topics.ts';

export const RECORD_BYTES = 1024;
export const PARTITIONS = 6;
/** Rounds that do not count: Java and V8 compile what is used often. */
const WARMUP_ROUNDS = 1;
const MEBIBYTE = 1024 * 1024;

export const MODES = ['direct', 'passthrough', 'diskless'] as const;
export type Mode = (typeof MODES)[number];

const TOPIC_CONFIGS: Readonly<Record<Mode, Readonly<Record<string, string>>>> = {
  direct: {},
  passthrough: {},
  diskless: { 'diskless.enable': 'true' },
};

export interface ThroughputOptions {
  readonly kafka: Kafka;
  readonly rounds: number;
  readonly records: number;
  /** Settings of the producers to compare, by a name for each. */
  readonly producers: Readonly<Record<string, ClientSettings>>;
  /** Keys of docs/config.md for the proxies. */
  readonly proxyConfigs: Readonly<Record<string, string | number>>;
}

/** One way of one run: what the clients saw, and what it cost. */
export interface Phase {
  readonly mibPerSecond: number;
  readonly brokerCpuSeconds: number;
  /** Null without a proxy. */
  readonly proxy: Usage | null;
}

export interface Run {
  readonly round: number;
  readonly producer: string;
  readonly mode: Mode;
  readonly produce: Phase & { readonly latencyMs: LatencyMs };
  readonly consume: Phase;
  /** Bytes of the topic's segments in the broker for each byte of the records' values. */
  readonly logShare: number;
}

/** Where the load of a mode goes. */
interface Target {
  readonly bootstrap: string;
  readonly proxyPid: number | undefined;
}

interface Bench {
  readonly options: ThroughputOptions;
  readonly targets: Readonly<Record<Mode, Target>>;
  readonly storeDir: string;
}

/** @returns the runs that count, in the order in which they were made */
export async function measureThroughput(options: ThroughputOptions): Promise<Run[]> {
  const storeDir = await runDir('store');
  const proxies: Outrigger[] = [];
  const startProxy = async (): Promise<Target> => {
    const proxy = await startOutrigger({
      kafkaBootstrap: options.kafka.bootstrap,
      storeUrl: `file://${storeDir}`,
      configs: { 'member.id': proxies.length, 'log.level': 'warn', ...options.proxyConfigs },
    });
    proxies.push(proxy);
    return { bootstrap: proxy.bootstrap, proxyPid: proxy.pid() };
  };
  try {
    // A proxy for each: what one has cached is memory that the other would be charged with.
    const targets = {
      direct: { bootstrap: options.kafka.bootstrap, proxyPid: undefined },
      passthrough: await startProxy(),
      diskless: await startProxy(),
    };
    return await measureRounds({ options, targets, storeDir });
  } finally {
    for (const proxy of proxies) await proxy.stop();
    await rm(storeDir, { recursive: true });
  }
}

async function measureRounds(bench: Bench): Promise<Run[]> {
  const { rounds, producers } = bench.options;
  const runs: Run[] = [];
  for (let round = 1 - WARMUP_ROUNDS; round <= rounds; round++) {
    for (const [producer, settings] of Object.entries(producers)) {
      for (const mode of rotated(MODES, round)) {
        const title = round < 1 ? 'warm-up' : `round ${round} of ${rounds}`;
        const run = await step(`${title}: ${mode}, ${producer} producer`, async (report) => {
          const measured = await measureRun(bench, round, producer, settings, mode);
          report(summaryOf(measured));
          return measured;
        });
        if (round >= 1) runs.push(run);
      }
    }
  }
  return runs;
}

async function measureRun(
  { options, targets, storeDir }: Bench,
  round: number,
  producer: string,
  settings: ClientSettings,
  mode: Mode,
): Promise<Run> {
  const { kafka, records } = options;
  const { bootstrap, proxyPid } = targets[mode];
  const topic = `bench-${mode}-${producer}-${round}`;
  await createTopic(bootstrap, topic, PARTITIONS, TOPIC_CONFIGS[mode]);
  const load = { bootstrap, topic, records };
  const produced = await measurePhase(kafka, proxyPid, async () =>
    produce(kafka.libs, { ...load, recordBytes: RECORD_BYTES, settings }),
  );
  const logShare = (await logBytes(kafka, topic)) / (records * RECORD_BYTES);
  const consumed = await measurePhase(kafka, proxyPid, async () =>
    consume(kafka.libs, { ...load, settings: {} }),
  );
  await deleteTopic(bootstrap, topic);
  // There are no workers here that would sweep them.
  if (mode === 'diskless') await rm(join(storeDir, 'wal'), { recursive: true });
  return { round, producer, mode, produce: produced, consume: consumed, logShare };
}

async function measurePhase<Figures extends { readonly mibPerSecond: number }>(
  kafka: Kafka,
  proxyPid: number | undefined,
  work: () => Promise<Figures>,
): Promise<Figures & Phase> {
  const brokerPid = kafka.brokers[0]?.pid();
  if (brokerPid === undefined) throw new Error('the broker does not run');
  const broker = new ProcessMeter(brokerPid);
  const proxy = proxyPid === undefined ? null : new ProcessMeter(proxyPid);
  await Promise.all([broker.start(), proxy?.start()]);
  const figures = await work();
  return {
    ...figures,
    brokerCpuSeconds: cpuSeconds(await broker.read()),
    proxy: proxy === null ? null : await proxy.read(),
  };
}

/** @returns the bytes of the topic's segments, indexes apart */
async function logBytes(kafka: Kafka, topic: string): Promise<number> {
  let bytes = 0;
  for (const { logDir } of kafka.brokers) {
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const folder = join(logDir, `${topic}-${partition}`);
      for (const name of await readdir(folder)) {
        if (name.endsWith('.log')) bytes += (await stat(join(folder, name))).size;
      }
    }
  }
  return bytes;
}

/** @returns the mebibytes of records that a CPU second of the proxy moves; NaN without a proxy */
export function mibPerProxySecond({ proxy }: Phase, records: number): number {
  return proxy === null ? NaN : (records * RECORD_BYTES) / MEBIBYTE / cpuSeconds(proxy);
}

function summaryOf({ produce, consume, logShare }: Run): string {
  const cost = ({ proxy }: Phase): string =>
    proxy === null ? '' : ` (proxy ${cpuSeconds(proxy).toFixed(2)} CPU s)`;
  const rate = (phase: Phase): string => `${phase.mibPerSecond.toFixed(0)} MiB/s${cost(phase)}`;
  const share = `${(logShare * 100).toFixed(1)} % in the broker's log`;
  return `in ${rate(produce)}, out ${rate(consume)}, ${share}`;
}

function rotated<Item>(items: readonly Item[], by: number): Item[] {
  return items.map((_, index) => items[(index + by) % items.length] as Item);
}
