/** The figures of consumers far behind, as Markdown. */
import type { LaggingFigures, TailFiguresAtRate, TailRound, TailRun } from './lagging.ts';
import { table } from './report.ts';
import { median } from './statistics.ts';

/** @returns medians over the rounds; ratios are taken within each round */
export function laggingSection({ rounds, tail }: LaggingFigures, mebibytes: number): string {
  const direct = median(rounds.map((round) => round.direct));
  const merged = median(rounds.map((round) => round.merged));
  const ratio = median(rounds.map((round) => round.merged / round.direct));
  return [
    `${mebibytes} MiB read from the beginning, rounds: ${rounds.length}. The diskless topic is in merged files only: its WAL files are deleted before, and the member is a fresh one.`,
    table(
      ['out', 'MiB/s', 'of direct'],
      [
        ['classic, direct', direct.toFixed(0), '1.00'],
        ['diskless, merged', merged.toFixed(0), ratio.toFixed(2)],
      ],
    ),
    'At the end of another diskless topic meanwhile, 16 records of 1 KiB every 20 ms; each run among laggards follows one without. Laggards run at a lower priority: on machines of their own they would take no processor from the others.',
    table(
      [
        'laggards',
        'each MiB/s',
        'all MiB/s',
        'ack p50 / p99 ms',
        'alone',
        'read p50 / p99 ms',
        'alone',
        'p99 of alone',
      ],
      tail.map(rowOf),
    ),
  ].join('\n\n');
}

function rowOf({ laggards, mibPerSecond, rounds }: TailFiguresAtRate): string[] {
  return [
    String(laggards),
    mibPerSecond === 0 ? 'unlimited' : String(mibPerSecond),
    median(rounds.map(({ laggardRate }) => laggardRate)).toFixed(0),
    pair(rounds, ({ among }) => among.acknowledgedMs),
    pair(rounds, ({ alone }) => alone.acknowledgedMs),
    pair(rounds, ({ among }) => among.readMs),
    pair(rounds, ({ alone }) => alone.readMs),
    `${ofAlone(rounds, 'acknowledgedMs')} / ${ofAlone(rounds, 'readMs')}`,
  ];
}

type Milliseconds = TailRun['readMs'];

function pair(rounds: readonly TailRound[], of: (round: TailRound) => Milliseconds): string {
  const p50 = median(rounds.map((round) => of(round).p50));
  const p99 = median(rounds.map((round) => of(round).p99));
  return `${p50.toFixed(0)} / ${p99.toFixed(0)}`;
}

function ofAlone(rounds: readonly TailRound[], of: keyof TailRun): string {
  return median(rounds.map(({ alone, among }) => among[of].p99 / alone[of].p99)).toFixed(2);
}
