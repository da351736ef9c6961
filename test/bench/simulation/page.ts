/** The figures of a simulation as a page of documentation. */
import { putEquivalents, type JobFigures } from '../../../workers/metering/job-figures.ts';
import { plot } from './plot.ts';
import type { Sample, SimulationOptions, SimulationResult } from './simulate.ts';

const GIBIBYTE = 1024 ** 3;
const MEBIBYTE = 1024 ** 2;
const MINUTE_MS = 60_000;
const ROWS = 12;

/** @returns objects, extents and bytes in Redis over time */
export function simulationPlot(samples: readonly Sample[]): string {
  const of = (value: (sample: Sample) => number): number[] => samples.map(value);
  const charts = [
    {
      title: 'Objects in the bucket',
      series: [
        { name: 'all', values: of(({ objects }) => objects) },
        { name: 'WAL files', values: of(({ walFiles }) => walFiles) },
      ],
    },
    {
      title: 'The same without WAL files',
      series: [
        { name: 'all others', values: of(({ objects, walFiles }) => objects - walFiles) },
        { name: 'merged files', values: of(({ mergedFiles }) => mergedFiles) },
        { name: 'journal, snapshots', values: of(({ records }) => records) },
        { name: 'of segments', values: of(({ ofSegments }) => ofSegments) },
      ],
    },
    {
      title: 'Extents, all partitions together',
      series: [{ name: 'extents', values: of(({ extents }) => extents) }],
    },
    {
      title: 'Placeholders in the brokers’ logs',
      series: [{ name: 'batches', values: of(({ placeholders }) => placeholders) }],
    },
    {
      title: 'Data in Redis, KiB',
      series: [{ name: 'all keys', values: of(({ redisBytes }) => redisBytes / 1024) }],
    },
  ];
  return plot(
    charts,
    of(({ minute }) => minute),
    'min',
  );
}

export interface PageInput {
  readonly command: string;
  readonly options: SimulationOptions;
  readonly result: SimulationResult;
  readonly seconds: number;
  /** Of this process; Redis and what else runs on the machine apart. */
  readonly cpuSeconds: number;
}

export function simulationPage(input: PageInput): string {
  const { command, options, result, seconds, cpuSeconds } = input;
  const { minutes, memberCount, filesPerSecond, walFileBytes, jobs, scale, topic } = options;
  const minutesOf = (ms: number): string => `${ms / MINUTE_MS} min`;
  const speed = ((minutes * 60) / seconds).toFixed(0);
  const partitions = options.partitionsPerMember * memberCount;
  const rate = `${filesPerSecond} WAL files of ${walFileBytes / MEBIBYTE} MiB a second each`;
  const times = [
    `\`retention.ms\` ${minutesOf(topic.retentionMs)}`,
    `\`trim.keep.ms\` ${minutesOf(jobs.trim.keepMs)}`,
    `\`sweep.margin.ms\` ${minutesOf(jobs.sweep.marginMs)}`,
    `\`journal.retention.ms\` ${minutesOf(jobs.sweep.journalRetentionMs)}`,
  ].join(', ');
  return `# Hours in simulation

Made by \`${command}\`: ${minutes} minutes of operation in ${seconds.toFixed(0)} s, ${speed} times as fast
(${cpuSeconds.toFixed(0)} s of CPU time, without Redis).

${memberCount} members write ${rate}, to ${partitions} partitions in ${options.groupCount} groups.
Jobs, journals, formats and Redis are the real ones; brokers' logs and the bucket are in memory, the
clock moves when everything that is due is done, and one byte stands for ${scale}, in thresholds
too. So that all levels off soon, times that are hours or days by default are minutes: ${times}.
\`segment.bytes\` is ${topic.segmentBytes / MEBIBYTE} MiB, \`merge.file.bytes\` ${jobs.merge.fileBytes / MEBIBYTE} MiB.
A journal keeps all entries since the oldest of its four snapshots, which are 64 entries apart, so
its curve is the last to be level. Saws have as many teeth as segments are made: here all partitions
come to one at the same time.

![objects, extents, placeholders and bytes in Redis over time](simulation.svg)

${sampleTable(result.samples)}

## What it costs

In requests to the object store, by job, for each GiB produced. PUT and LIST count as one, GET and
HEAD as 0.08, DELETE as nothing, as stores charge for them. The members' own PUTs of WAL files come
on top: ${perGib(result.walFiles, result)} for each GiB. The bytes of the sweeps are mostly footers,
which are not scaled down: their shares are far smaller in truth.

${costTable(result)}
`;
}

function sampleTable(samples: readonly Sample[]): string {
  const every = Math.max(1, Math.floor(samples.length / ROWS));
  const shown = samples.filter(({ minute }) => minute % every === 0);
  return table(
    [
      'minute',
      'objects',
      'WAL files',
      'merged files',
      'journal, snapshots',
      'of segments',
      'extents',
      'placeholders',
      'Redis KiB',
    ],
    shown.map((sample) => [
      sample.minute,
      sample.objects,
      sample.walFiles,
      sample.mergedFiles,
      sample.records,
      sample.ofSegments,
      sample.extents,
      sample.placeholders,
      Math.round(sample.redisBytes / 1024),
    ]),
  );
}

function costTable(result: SimulationResult): string {
  const rows = [...result.figures].map(([job, figures]) => [job, ...costCells(figures, result)]);
  const all = [...result.figures.values()];
  const total = all.reduce((sum, figures) => sum + putEquivalents(figures), 0);
  return table(
    ['job', 'PUT', 'GET', 'HEAD', 'LIST', 'PUT-equivalents', 'bytes written', 'bytes read'],
    [...rows, ['**all**', '', '', '', '', `**${perGib(total, result)}**`, '', '']],
  );
}

function costCells(figures: JobFigures, result: SimulationResult): string[] {
  const { put, get, head, list } = figures.requests;
  const { scale } = result;
  const share = (bytes: number): string =>
    `${(((bytes * scale) / result.producedBytes) * 100).toFixed(0)} %`;
  return [
    ...[put, get, head, list, putEquivalents(figures)].map((count) => perGib(count, result)),
    share(figures.storeBytesWritten),
    share(figures.storeBytesRead),
  ];
}

function perGib(count: number, { producedBytes }: SimulationResult): string {
  return (count / (producedBytes / GIBIBYTE)).toFixed(1);
}

function table(header: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const line = (cells: readonly (string | number)[]): string => `| ${cells.join(' | ')} |`;
  return [line(header), line(header.map(() => '--:')), ...rows.map(line)].join('\n');
}
