/** Waits for a worker to have done its work on a topic, and says what it did. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { offsetsOf, type TopicCounts } from './exchange.ts';
import { aligned, count, sizes, total, type Sized } from './what-lies-where.ts';

const LOOK_EVERY_MS = 250;
const PATIENCE_MS = 60_000;

export interface Site {
  /** HOST:PORT of the broker itself. */
  readonly broker: string;
  /** HOST:PORT for clients. */
  readonly bootstrap: string;
  /** The folder that stands for a bucket. */
  readonly storeDir: string;
}

interface Sight {
  readonly walFiles: readonly Sized[];
  readonly journal: readonly Sized[];
  readonly segments: readonly Sized[];
  /** Where the broker's log begins. */
  readonly brokerStart: bigint;
  /** What consumers of Outrigger see as the beginning. */
  readonly start: bigint;
}

/**
 * @param topic diskless, with data for more than one segment
 * @returns a text for people
 * @throws when the worker takes too long
 */
export async function whatTheWorkerDid(site: Site, topic: TopicCounts): Promise<string> {
  const before = await look(site, topic);
  const deadlineMs = performance.now() + PATIENCE_MS;
  let after = before;
  while (!isDone(after)) {
    if (performance.now() > deadlineMs) throw new Error('the worker has not done its work');
    await setTimeout(LOOK_EVERY_MS);
    after = await look(site, topic);
  }
  const filesOf = (files: readonly Sized[]): string =>
    `${files.length}, ${count(total(files))} bytes`;
  const row = (what: string, value: (sight: Sight) => string): string[] => {
    return [what, value(before), value(after)];
  };
  return [
    `What the worker did with ${topic.name}:`,
    '',
    ...aligned([
      ['', 'at first', 'now'],
      row('WAL files', ({ walFiles }) => filesOf(walFiles)),
      row('journal entries, with merged files', ({ journal }) => filesOf(journal)),
      row("segments, as Kafka's", ({ segments }) => filesOf(segments)),
      row("the broker's log begins at", ({ brokerStart }) => count(Number(brokerStart))),
      row('consumers read from', ({ start }) => count(Number(start))),
    ]),
    '',
  ].join('\n');
}

/** Segments were made, the broker was relieved of the first, and all WAL files are superfluous. */
function isDone({ brokerStart, walFiles }: Sight): boolean {
  return brokerStart > 0n && walFiles.length === 0;
}

async function look({ broker, bootstrap, storeDir }: Site, topic: TopicCounts): Promise<Sight> {
  const below = async (folder: string, ending = ''): Promise<readonly Sized[]> => {
    const path = join(storeDir, folder);
    return existsSync(path) ? sizes(path, ending) : [];
  };
  const [walFiles, journal, segments] = await Promise.all([
    below('wal'),
    below('journal'),
    below('segments', '.log'),
  ]);
  const { start: brokerStart } = await offsetsOf(broker, topic.name);
  const { start } = await offsetsOf(bootstrap, topic.name);
  return { walFiles, journal, segments, brokerStart, start };
}
