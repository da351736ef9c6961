/** The figures of `measure.ts` as Markdown. */
import { table } from '../report.ts';
import type { StoreCounts } from './counting-store.ts';
import type { ManyPartitionsFigures } from './measure.ts';
import type { SiteCounts } from './figures.ts';
import type { TurnFigures } from './turn-meter.ts';

const MEBIBYTE = 1024 * 1024;

/** The section of the page. */
export function manyPartitionsSection(figures: ManyPartitionsFigures): string {
  const { shape, metadata, bucket, start, rounds, idle } = figures;
  const { topics, partitionsPerTopic, groups, extents, busy } = shape;
  const partitions = topics * partitionsPerTopic;
  const objectsRead = start.store.gets + start.store.heads + start.store.lists;
  const share = ((100 * start.store.bytesRead) / bucket.bytes).toFixed(1);
  const merges = start.firstMergesMs.map((ms) => seconds(ms)).join(', ');
  return [
    `${partitions} partitions of ${topics} topics in ${groups} groups, ${extents} extents each; where something is new, in ${busy} partitions. One worker, default settings.`,
    table(
      ['start', ''],
      [
        ['until each group had merged once', merges],
        ['bucket: journals and merged files', `${bucket.objects} objects, ${mib(bucket.bytes)}`],
        ['read of it', `${mib(start.store.bytesRead)} (${share} %), ${objectsRead} requests`],
        ['asked of brokers', brokersText(start.site)],
        ['asked of Redis', redisText(start.site)],
        ['CPU time', seconds(start.cpuMs)],
        ['longest turn of the event loop', turnsText(start.turns)],
        ['resident memory', `${mib(start.residentBytes)}, ${mib(start.residentPeakBytes)} at most`],
      ],
    ),
    table(
      [
        'a later run, all groups at once',
        'time',
        'CPU',
        'longest turn',
        'brokers',
        'Redis',
        'store',
      ],
      rounds.map((round) => [
        round.name,
        seconds(round.wallMs),
        seconds(round.cpuMs),
        ms(round.turnMs),
        brokersText(round.site),
        redisText(round.site),
        storeText(round.store),
      ]),
    ),
    `Left alone for ${idle.seconds} s, all jobs in their intervals: ${((100 * idle.cpuSeconds) / idle.seconds).toFixed(1)} % of a processor, longest turn of the event loop ${turnsText(idle.turns)}, ${mib(idle.residentBytes)} resident; asked of brokers ${brokersText(idle.counts)}.`,
    `A member: an answer that names all partitions (${mib(metadata.answerBytes)}) is rewritten in ${ms(metadata.classicMs)} if their topics are classic and ${ms(metadata.disklessMs)} if they are diskless, in one turn. With \`diskless.topics\` it decodes one at its start: ${ms(metadata.decodeMs)}.`,
  ].join('\n\n');
}

function turnsText({ longestMs, longCount }: TurnFigures): string {
  return `${ms(longestMs)} (${longCount} above 50 ms)`;
}

function brokersText({ brokers }: SiteCounts): string {
  const asked = Object.entries(brokers).filter(([, { requests }]) => requests > 0);
  const texts = asked.map(([api, { requests, bytes }]) => `${requests} ${api} (${mib(bytes)})`);
  return texts.length === 0 ? 'nothing' : texts.join(', ');
}

function redisText({ redisCommands, redisBytes }: SiteCounts): string {
  return `${redisCommands} commands (${mib(redisBytes)})`;
}

function storeText({ gets, heads, lists, puts, deletes, bytesRead }: StoreCounts): string {
  const texts = Object.entries({ GET: gets, HEAD: heads, LIST: lists, PUT: puts, DELETE: deletes })
    .filter(([, count]) => count > 0)
    .map(([name, count]) => `${count} ${name}`);
  return texts.length === 0 ? 'nothing' : `${texts.join(', ')} (${mib(bytesRead)} read)`;
}

function mib(bytes: number): string {
  return `${(bytes / MEBIBYTE).toFixed(1)} MiB`;
}

function ms(value: number): string {
  return `${value.toFixed(0)} ms`;
}

function seconds(milliseconds: number): string {
  return `${(milliseconds / 1_000).toFixed(2)} s`;
}
