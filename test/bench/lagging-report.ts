/** The figures of consumers far behind, as Markdown. */
import type { LaggingFigures, TailRun } from './lagging.ts';
import { table } from './report.ts';
import { median } from './statistics.ts';

/** @returns medians over the rounds; ratios are taken within each round */
export function laggingSection({ rounds, tail }: LaggingFigures, mebibytes: number): string {
  const direct = median(rounds.map((round) => round.direct));
  const merged = median(rounds.map((round) => round.merged));
  const ratio = median(rounds.map((round) => round.merged / round.direct));
  const base = tail[0];
  return [
    `${mebibytes} MiB read from the beginning, rounds: ${rounds.length}. The diskless topic is in merged files only: its WAL files are deleted before, and the member is a fresh one.`,
    table(
      ['out', 'MiB/s', 'of direct'],
      [
        ['classic, direct', direct.toFixed(0), '1.00'],
        ['diskless, merged', merged.toFixed(0), ratio.toFixed(2)],
      ],
    ),
    'At the end of another diskless topic meanwhile, 16 records of 1 KiB every 20 ms:',
    table(
      ['laggards', 'each MiB/s', 'all MiB/s', 'ack p50 / p99 ms', 'read p50 / p99 ms', 'p99 alone'],
      tail.map((run) => [
        String(run.laggards),
        run.mibPerSecond === 0 ? (run.laggards === 0 ? '' : 'unlimited') : String(run.mibPerSecond),
        run.laggardRate.toFixed(0),
        pair(run.acknowledgedMs),
        pair(run.readMs),
        base === undefined
          ? ''
          : `${ofBase(run, base, 'acknowledgedMs')} / ${ofBase(run, base, 'readMs')}`,
      ]),
    ),
  ].join('\n\n');
}

function pair({ p50, p99 }: { readonly p50: number; readonly p99: number }): string {
  return `${p50.toFixed(0)} / ${p99.toFixed(0)}`;
}

function ofBase(run: TailRun, base: TailRun, of: 'acknowledgedMs' | 'readMs'): string {
  return (run[of].p99 / base[of].p99).toFixed(2);
}
