/**
 * `npm run bench`: measures what a proxy costs against a real Kafka, and prints it as Markdown.
 *
 *     npm run bench -- [--rounds N] [--records N] [--quick] [--only SECTION] [--write]
 *
 * `--write` makes `docs/benchmarks.md` of it: run it on a machine that does nothing else.
 */
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type Kafka, startKafka } from '../../docker/local/kafka.ts';
import { say } from '../../docker/local/progress.ts';
import { measureLagging } from './lagging.ts';
import { laggingSection } from './lagging-report.ts';
import { measureLatency } from './latency.ts';
import { LARGE_CLUSTER } from './many-partitions/cluster-shape.ts';
import { measureManyPartitions } from './many-partitions/measure.ts';
import { manyPartitionsSection } from './many-partitions/page.ts';
import { measureMerging, mergingSection } from './merging.ts';
import { measureMemory } from './memory.ts';
import type { ClientSettings } from './perf-tools.ts';
import { measureRedisSize, redisSizeSection } from './redis-size.ts';
import { environmentLines, latencySection, memorySection, throughputSection } from './report.ts';
import { measureThroughput, PARTITIONS, RECORD_BYTES } from './throughput.ts';

const PAGE = fileURLToPath(new URL('../../docs/benchmarks.md', import.meta.url));

const DEFAULT_PRODUCER: ClientSettings = {};
/** More in each request, so that five of them keep a WAL file busy. */
const TUNED_PRODUCER: ClientSettings = {
  'batch.size': 262_144,
  'linger.ms': 20,
  'buffer.memory': 67_108_864,
};
/** Requests seldom enough that the five in flight outlast a PUT. */
const PATIENT_PRODUCER: ClientSettings = { 'batch.size': 262_144, 'linger.ms': 100 };
/** Never held back by requests in flight: what it sees is the proxy alone. */
const PIPELINING_PRODUCER: ClientSettings = {
  'enable.idempotence': 'false',
  'max.in.flight.requests.per.connection': 100,
};
const THROUGHPUT_PRODUCERS = { default: DEFAULT_PRODUCER, tuned: TUNED_PRODUCER };
const LATENCY_PRODUCERS = {
  pipelining: PIPELINING_PRODUCER,
  patient: PATIENT_PRODUCER,
  default: DEFAULT_PRODUCER,
};

interface Extent {
  readonly rounds: number;
  readonly records: number;
  readonly latencySeconds: number;
  readonly memorySeconds: number;
  readonly laggingMebibytes: number;
  readonly mergingSeconds: number;
  /** Of 100 partitions. */
  readonly largeTopics: number;
  readonly largeIdleSeconds: number;
}

const FULL: Extent = {
  rounds: 5,
  records: 200_000,
  latencySeconds: 20,
  memorySeconds: 30,
  laggingMebibytes: 5_120,
  mergingSeconds: 300,
  largeTopics: 1_000,
  largeIdleSeconds: 90,
};
const QUICK: Extent = {
  rounds: 1,
  records: 50_000,
  latencySeconds: 5,
  memorySeconds: 10,
  laggingMebibytes: 256,
  mergingSeconds: 180,
  largeTopics: 100,
  largeIdleSeconds: 10,
};

const SECTIONS = {
  throughput: {
    title: 'Throughput and cost',
    run: async (kafka: Kafka, { rounds, records }: Extent): Promise<string> => {
      const producers = THROUGHPUT_PRODUCERS;
      const runs = await measureThroughput({ kafka, rounds, records, producers, proxyConfigs: {} });
      const load = `${records} records of ${RECORD_BYTES} bytes, ${PARTITIONS} partitions; medians, rounds: ${rounds}.`;
      return `${load}\n\n${throughputSection({ runs, records, producers })}`;
    },
  },
  latency: {
    title: 'Latency with a slow object store',
    run: async (kafka: Kafka, { rounds, latencySeconds: seconds }: Extent): Promise<string> => {
      const producers = LATENCY_PRODUCERS;
      const runs = await measureLatency({ kafka, rounds, seconds, producers });
      return latencySection(runs, producers);
    },
  },
  memory: {
    title: 'Memory under too much load',
    run: async (kafka: Kafka, { memorySeconds: seconds }: Extent): Promise<string> =>
      memorySection(await measureMemory({ kafka, seconds })),
  },
  'redis-size': {
    title: "Redis' copies of 100,000 partitions",
    run: async (): Promise<string> => redisSizeSection(await measureRedisSize()),
  },
  'many-partitions': {
    title: 'A worker on a large cluster',
    run: async (_: Kafka, { largeTopics: topics, largeIdleSeconds }: Extent): Promise<string> =>
      manyPartitionsSection(
        await measureManyPartitions({ ...LARGE_CLUSTER, topics }, largeIdleSeconds),
      ),
  },
  merging: {
    title: 'Workers that keep up',
    run: async (kafka: Kafka, { mergingSeconds: seconds }: Extent): Promise<string> =>
      mergingSection(await measureMerging(kafka, seconds)),
  },
  lagging: {
    title: 'Consumers far behind',
    run: async (kafka: Kafka, { rounds, latencySeconds, laggingMebibytes }: Extent) => {
      const options = { kafka, rounds, mebibytes: laggingMebibytes, tailSeconds: latencySeconds };
      return laggingSection(await measureLagging(options), laggingMebibytes);
    },
  },
} as const;

/** What the tables do not say themselves. */
const REMARKS = `## How to read this

- \`direct\` is Kafka without a proxy, \`passthrough\` a classic topic through one, \`diskless\` a diskless
  topic through one. They take turns within a round, in an order that changes from round to round;
  "of direct" is the median of the rounds' ratios. Each has the same clients with the same settings.
- CPU time is that of whole processes, kernel time included, from \`/proc\`. On a machine where clients,
  broker and proxy share the cores it says more than the rates do.
- The object store is a folder: no network and no latency, but each PUT is two \`fsync\`s, and the copy
  into the page cache is charged to the proxy. Consumers are served from the proxy's cache, but for
  those far behind.
- Broker and tools run with \`-XX:TieredStopAtLevel=1\`, which suits short runs; the broker has 256 MiB.
- A producer with default settings has at most five requests on their way, of at most 16 KiB for
  each partition. A diskless produce lasts until its WAL file is stored, so that such a producer
  is limited by the number of files a second. Larger batches, or more producers, are not.
- The latency of a produce is the wait for its WAL file to be cut, which is \`wal.linger.ms\` at
  the most, and the PUT. With five requests on their way a producer holds the sixth back until the
  first is answered, and that wait is added to what it measures.
- "Allowed by the settings" is the sum of the caches, the budgets of frames and fills, and the
  files that are being uploaded. Beside it there is what V8 has not collected yet, at most half as
  much again as is in use, and what the allocator does not give back.`;

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string' },
    records: { type: 'string' },
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
    write: { type: 'boolean', default: false },
  },
});

await run();

async function run(): Promise<void> {
  if (options.write && options.only !== undefined) throw new Error('a page has all sections');
  const preset = options.quick ? QUICK : FULL;
  const extent = {
    ...preset,
    rounds: countOf(options.rounds) ?? preset.rounds,
    records: countOf(options.records) ?? preset.records,
  };
  const kafka = await startKafka();
  try {
    say(`Kafka ${kafka.libs.version}, one node, unmodified: up`);
    const parts = [`# Benchmarks\n\n${commandText()}\n\n${environmentLines(kafka.libs.version)}`];
    for (const [name, section] of Object.entries(SECTIONS)) {
      if (options.only !== undefined && options.only !== name) continue;
      parts.push(`## ${section.title}\n\n${await section.run(kafka, extent)}`);
    }
    const page = `${[...parts, REMARKS].join('\n\n')}\n`;
    console.log(page);
    if (options.write) await writeFile(PAGE, page);
  } finally {
    await kafka.stop();
  }
}

function commandText(): string {
  const date = new Date().toISOString().slice(0, 10);
  const args = process.argv.slice(2).filter((arg) => arg !== '--write');
  return `Made by \`npm run bench -- ${[...args, '--write'].join(' ')}\` on ${date}.`;
}

function countOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const count = Number(text);
  if (Number.isInteger(count) && count > 0) return count;
  throw new Error(`${text} is not a number of rounds or records`);
}
