/**
 * `npm run simulate`: an hour of operation at a hundred times its speed, and what it leaves behind.
 *
 *     npm run simulate -- [--minutes N] [--partitions N] [--merge-file MIB] [--write]
 *
 * `--write` makes `docs/simulation.svg` and `docs/simulation.md` of it.
 */
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { say } from '../../../docker/local/progress.ts';
import { simulationPage, simulationPlot } from './page.ts';
import { simulate, type SimulationOptions } from './simulate.ts';

const MINUTE_MS = 60_000;
const MEBIBYTE = 1024 * 1024;

const SVG = fileURLToPath(new URL('../../../docs/simulation.svg', import.meta.url));
const PAGE = fileURLToPath(new URL('../../../docs/simulation.md', import.meta.url));

const { values: args } = parseArgs({
  options: {
    minutes: { type: 'string', default: '60' },
    partitions: { type: 'string', default: '10' },
    'merge-file': { type: 'string', default: '64' },
    write: { type: 'boolean', default: false },
  },
});

const options: SimulationOptions = {
  minutes: Number(args.minutes),
  memberCount: 3,
  filesPerSecond: 4,
  partitionsPerMember: Number(args.partitions),
  groupCount: 4,
  walFileBytes: MEBIBYTE,
  scale: 64,
  jobs: {
    merge: { intervalMs: 30_000, fileBytes: Number(args['merge-file']) * MEBIBYTE },
    consolidate: {
      intervalMs: MINUTE_MS,
      segmentBytesMax: 1024 * MEBIBYTE,
      backfillBytesPerSecond: null,
    },
    trim: { intervalMs: MINUTE_MS, keepMs: 10 * MINUTE_MS },
    retain: { intervalMs: MINUTE_MS, livePercentMin: 30, rewriteMs: 20 * MINUTE_MS },
    compact: { intervalMs: 5 * MINUTE_MS, mapBytes: 32 * MEBIBYTE },
    sweep: {
      intervalMs: MINUTE_MS,
      marginMs: 10 * MINUTE_MS,
      unsettledMs: 60 * MINUTE_MS,
      journalRetentionMs: 10 * MINUTE_MS,
      vanishedPercentMax: 5,
    },
  },
  topic: { segmentBytes: 256 * MEBIBYTE, retentionMs: 30 * MINUTE_MS },
  onMinute: ({ minute, walFiles, extents }) =>
    say(`minute ${minute}: ${walFiles} WAL files, ${extents} extents`),
};

const startedMs = performance.now();
const startedCpu = process.cpuUsage();
const result = await simulate(options);
const seconds = (performance.now() - startedMs) / 1_000;
const { user, system } = process.cpuUsage(startedCpu);
const cpuSeconds = (user + system) / 1_000_000;
const command = `npm run simulate -- ${process.argv.slice(2).join(' ')}`.trim();
const page = simulationPage({ command, options, result, seconds, cpuSeconds });
console.log(page);
if (args.write) {
  await writeFile(PAGE, page);
  await writeFile(SVG, simulationPlot(result.samples));
}
