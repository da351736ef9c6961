/** The figures of a benchmark as Markdown: what is printed at the end, and `docs/benchmarks.md`. */
import { cpus, loadavg, release, totalmem } from 'node:os';
import { LATENCY_CONFIGS, PUT_MS, RECORDS_PER_SECOND, type LatencyRun } from './latency.ts';
import { CLIENTS, MEMORY_CONFIGS, type MemoryFigures } from './memory.ts';
import type { ClientSettings } from './perf-tools.ts';
import { cpuSeconds } from './process-meter.ts';
import { median } from './statistics.ts';
import { mibPerProxySecond, MODES, type Mode, type Phase, type Run } from './throughput.ts';

const MEBIBYTE = 1024 * 1024;

/** The machine and the versions, as lines of a list. */
export function environmentLines(kafkaVersion: string): string {
  const [cpu] = cpus();
  const memoryGib = Math.round(totalmem() / 1024 ** 3);
  const load = loadavg().map((value) => value.toFixed(1));
  return [
    `- ${cpus().length} × ${cpu?.model.trim()}, ${memoryGib} GiB, ${process.platform} ${release()}; clients, broker, proxy and store share them`,
    `- Kafka ${kafkaVersion}, Node.js ${process.version}; load of the machine before the start: ${load.join(', ')}`,
  ].join('\n');
}

export interface ThroughputReport {
  readonly runs: readonly Run[];
  readonly records: number;
  readonly producers: Readonly<Record<string, ClientSettings>>;
}

/** Medians over the rounds; ratios are taken within each round. */
export function throughputSection({ runs, records, producers }: ThroughputReport): string {
  return Object.entries(producers)
    .map(([producer, settings]) => {
      const own = runs.filter((run) => run.producer === producer);
      return [
        `### ${titleOf(producer)} producer: ${settingsText(settings)}`,
        table(
          ['in', 'MiB/s', 'of direct', 'p50 / p99 / p99.9 ms', ...COST_COLUMNS, 'broker log'],
          MODES.map((mode) => [
            ...rateCells(own, mode, (run) => run.produce),
            latencyCell(own.filter((run) => run.mode === mode)),
            ...costCells(own, mode, records, (run) => run.produce),
            percentCell(own.filter((run) => run.mode === mode).map((run) => run.logShare)),
          ]),
        ),
        table(
          ['out', 'MiB/s', 'of direct', ...COST_COLUMNS],
          MODES.map((mode) => [
            ...rateCells(own, mode, (run) => run.consume),
            ...costCells(own, mode, records, (run) => run.consume),
          ]),
        ),
      ].join('\n\n');
    })
    .join('\n\n');
}

/** One row for each producer: medians over the rounds. */
export function latencySection(
  runs: readonly LatencyRun[],
  producers: Readonly<Record<string, ClientSettings>>,
): string {
  const rows = Object.entries(producers).map(([producer, settings]) => {
    const own = runs.filter((run) => run.producer === producer);
    const of = (value: (run: LatencyRun) => number): string => median(own.map(value)).toFixed(0);
    return [
      `${producer}: ${settingsText(settings)}`,
      of(({ produceMs }) => produceMs.p50),
      of(({ produceMs }) => produceMs.p99),
      of(({ putMs }) => putMs.p50),
      of(({ putMs }) => putMs.p99),
      median(own.map(({ ratio }) => ratio)).toFixed(2),
    ];
  });
  return [
    `PUTs that take ${PUT_MS} ms, ${RECORDS_PER_SECOND} records of 1 KiB a second, ${settingsText(LATENCY_CONFIGS)}.`,
    table(
      ['producer', 'p50 ms', 'p99 ms', 'PUT p50 ms', 'PUT p99 ms', 'p99 / (linger + PUT p99)'],
      rows,
    ),
  ].join('\n\n');
}

export function memorySection({ configuredBytes, idleBytes, seconds }: MemoryFigures): string {
  const mib = (bytes: number): string => (bytes / MEBIBYTE).toFixed(0);
  const peakBytes = Math.max(...seconds.map((second) => second.peakBytes));
  const slowest = (value: (second: (typeof seconds)[number]) => number): number =>
    Math.min(...seconds.map(value));
  const { producers, readers, silent } = CLIENTS;
  return [
    `${producers} producers with 5 requests of 1.5 MiB each, ${readers} consumers with 4 fetches of 50 MiB each, and ${silent} more of them that never read, for ${seconds.length} s. ${settingsText(MEMORY_CONFIGS)}.`,
    table(
      ['', ''],
      [
        ['allowed by the settings', `${mib(configuredBytes)} MiB`],
        ['resident before', `${mib(idleBytes)} MiB`],
        ['resident at the most', `${mib(peakBytes)} MiB`],
        [
          'above what was there before, for each byte allowed',
          ((peakBytes - idleBytes) / configuredBytes).toFixed(2),
        ],
        ['produces answered in the worst second', String(slowest(({ produces }) => produces))],
        ['fetches answered in the worst second', String(slowest(({ fetches }) => fetches))],
      ],
    ),
  ].join('\n\n');
}

const COST_COLUMNS = [
  'broker CPU s',
  'proxy CPU s (user + system)',
  'MiB / proxy CPU s',
  'peak MiB',
];

function rateCells(runs: readonly Run[], mode: Mode, phase: (run: Run) => Phase): string[] {
  const rates = runs.filter((run) => run.mode === mode).map((run) => phase(run).mibPerSecond);
  const ratios = runs
    .filter((run) => run.mode === mode)
    .map((run) => {
      const direct = runs.find((other) => other.mode === 'direct' && other.round === run.round);
      return direct === undefined ? NaN : phase(run).mibPerSecond / phase(direct).mibPerSecond;
    });
  return [mode, median(rates).toFixed(0), median(ratios).toFixed(2)];
}

function latencyCell(runs: readonly Run[]): string {
  const of = (name: 'p50' | 'p99' | 'p999'): string =>
    median(runs.map((run) => run.produce.latencyMs[name])).toFixed(0);
  return `${of('p50')} / ${of('p99')} / ${of('p999')}`;
}

function costCells(
  runs: readonly Run[],
  mode: Mode,
  records: number,
  phase: (run: Run) => Phase,
): string[] {
  const phases = runs.filter((run) => run.mode === mode).map(phase);
  const broker = median(phases.map((one) => one.brokerCpuSeconds)).toFixed(2);
  const usages = phases.flatMap(({ proxy }) => (proxy === null ? [] : [proxy]));
  if (usages.length === 0) return [broker, '', '', ''];
  const total = median(usages.map(cpuSeconds)).toFixed(2);
  const user = median(usages.map(({ userSeconds }) => userSeconds)).toFixed(2);
  const system = median(usages.map(({ systemSeconds }) => systemSeconds)).toFixed(2);
  return [
    broker,
    `${total} (${user} + ${system})`,
    median(phases.map((one) => mibPerProxySecond(one, records))).toFixed(0),
    (median(usages.map(({ memoryPeakBytes }) => memoryPeakBytes)) / MEBIBYTE).toFixed(0),
  ];
}

function percentCell(shares: readonly number[]): string {
  return `${(median(shares) * 100).toFixed(1)} %`;
}

function titleOf(producer: string): string {
  return producer.charAt(0).toUpperCase() + producer.slice(1);
}

function settingsText(settings: ClientSettings): string {
  const entries = Object.entries(settings).map(([key, value]) => `\`${key}=${value}\``);
  return entries.length === 0 ? 'no settings of its own' : entries.join(', ');
}

/** @returns a table in Markdown */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}
