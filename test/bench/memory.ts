/**
 * Whether memory is bounded whatever the load: more producers than the budgets have room for,
 * consumers that ask for far more than they may get, and consumers that never read what they asked
 * for, all at once, against a member with small settings.
 */
import { readFile, rm } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { runDir } from '../../docker/local/cache.ts';
import type { Kafka } from '../../docker/local/kafka.ts';
import { startOutrigger } from '../../docker/local/outrigger.ts';
import { step } from '../../docker/local/progress.ts';
import { ProcessMeter } from './process-meter.ts';
import { fetchFrame, leaderOf, produceFrame, RawClient } from './raw-clients.ts';
import { createTopic, deleteTopic } from './topics.ts';

const MEBIBYTE = 1024 * 1024;
const PARTITIONS = 6;
const BATCH_BYTES = 256 * 1024;
const FETCH_BYTES = 50 * MEBIBYTE;
export const CLIENTS = { producers: 64, readers: 16, silent: 16 } as const;
const PRODUCES_IN_FLIGHT = 5;
const FETCHES_IN_FLIGHT = 4;
const SAMPLE_MS = 1_000;

export const MEMORY_CONFIGS = {
  'cache.bytes.max': 32 * MEBIBYTE,
  'cache.lagging.bytes.max': 16 * MEBIBYTE,
  'memory.requests.bytes.max': 32 * MEBIBYTE,
  'memory.responses.bytes.max': 32 * MEBIBYTE,
  'memory.fills.bytes.max': 32 * MEBIBYTE,
  'fetch.response.bytes.max': 8 * MEBIBYTE,
  'wal.buffer.bytes.max': 32 * MEBIBYTE,
  'wal.max.bytes': 4 * MEBIBYTE,
  'wal.uploads.max': 4,
} as const;

export interface MemoryFigures {
  /** What the settings allow: caches, frames, fills, and files on their way in and out. */
  readonly configuredBytes: number;
  /** Resident before any client came. */
  readonly idleBytes: number;
  readonly seconds: readonly MemorySample[];
}

/** One second of the load. */
export interface MemorySample {
  /** Resident at the most. */
  readonly peakBytes: number;
  readonly produces: number;
  readonly fetches: number;
}

export interface MemoryOptions {
  readonly kafka: Kafka;
  readonly seconds: number;
}

/** @returns what the member has held while both a diskless and a classic topic were loaded */
export async function measureMemory({ kafka, seconds }: MemoryOptions): Promise<MemoryFigures> {
  const storeDir = await runDir('store');
  const member = await startOutrigger({
    kafkaBootstrap: kafka.bootstrap,
    storeUrl: `file://${storeDir}`,
    configs: MEMORY_CONFIGS,
  });
  const clients: { readonly kind: keyof typeof CLIENTS; readonly client: RawClient }[] = [];
  try {
    const idleBytes = await residentBytes(member.pid());
    for (const diskless of [true, false]) {
      const topic = `bench-memory-${diskless ? 'diskless' : 'classic'}`;
      const configs = { 'diskless.enable': String(diskless), 'retention.bytes': '67108864' };
      await createTopic(member.bootstrap, topic, PARTITIONS, configs);
      const address = await leaderOf(member.bootstrap, topic);
      const produced = produceFrame(topic, PARTITIONS, BATCH_BYTES);
      const fetched = fetchFrame(topic, PARTITIONS, FETCH_BYTES);
      const loads = {
        producers: { frame: produced, inFlight: PRODUCES_IN_FLIGHT, reads: true },
        readers: { frame: fetched, inFlight: FETCHES_IN_FLIGHT, reads: true },
        silent: { frame: fetched, inFlight: FETCHES_IN_FLIGHT, reads: false },
      };
      for (const [kind, count] of Object.entries(CLIENTS) as [keyof typeof CLIENTS, number][]) {
        for (let i = 0; i < count / 2; i++) {
          clients.push({ kind, client: await RawClient.start({ address, ...loads[kind] }) });
        }
      }
    }
    const answers = (wanted: keyof typeof CLIENTS): number =>
      clients.reduce((sum, { kind, client }) => sum + (kind === wanted ? client.answers : 0), 0);
    const samples = await step('memory of a member under too much load', async (report) => {
      const taken = await sample(member.pid(), seconds, answers);
      const peakBytes = Math.max(...taken.map((second) => second.peakBytes));
      report(`${Math.round(peakBytes / MEBIBYTE)} MiB at the most`);
      return taken;
    });
    return { configuredBytes: configuredBytes(), idleBytes, seconds: samples };
  } finally {
    for (const { client } of clients) client.stop();
    for (const kind of ['diskless', 'classic']) {
      await deleteTopic(kafka.bootstrap, `bench-memory-${kind}`);
    }
    await member.stop();
    await rm(storeDir, { recursive: true });
  }
}

async function sample(
  pid: number | undefined,
  seconds: number,
  answers: (of: keyof typeof CLIENTS) => number,
): Promise<MemorySample[]> {
  if (pid === undefined) throw new Error('the member does not run');
  const meter = new ProcessMeter(pid);
  const samples: MemorySample[] = [];
  for (let second = 0; second < seconds; second++) {
    const before = { produces: answers('producers'), fetches: answers('readers') };
    await meter.start();
    await pause(SAMPLE_MS);
    samples.push({
      peakBytes: (await meter.read()).memoryPeakBytes,
      produces: answers('producers') - before.produces,
      fetches: answers('readers') - before.fetches,
    });
  }
  return samples;
}

async function residentBytes(pid: number | undefined): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
}

/** What waits for an upload are views of requests, so that it is not counted twice. */
function configuredBytes(): number {
  const configs = MEMORY_CONFIGS;
  return (
    configs['cache.bytes.max'] +
    // For what is kept, what is on its way from the store, and what is read for answers.
    3 * configs['cache.lagging.bytes.max'] +
    configs['memory.requests.bytes.max'] +
    configs['memory.responses.bytes.max'] +
    configs['memory.fills.bytes.max'] +
    configs['wal.uploads.max'] * configs['wal.max.bytes']
  );
}
