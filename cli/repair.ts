/** `outrigger repair`: gives up what one partition has lost for good, so that the rest goes on. */
import { randomBytes } from 'node:crypto';
import { systemClock } from '../runtime/index.ts';
import { partitionGroup, TopicRecordStore } from '../storage/index.ts';
import { repair as repairPartition, type Repaired } from '../workers/index.ts';
import { Site } from './site.ts';

export interface RepairArguments {
  readonly config?: string;
  readonly topic: string;
  readonly partition: string;
  readonly acceptLoss?: boolean;
  readonly deep?: boolean;
}

/** Without `--accept-loss` it only says what would be given up. */
export async function repair(args: RepairArguments): Promise<void> {
  const isDryRun = args.acceptLoss !== true;
  await Site.use(args.config, async (site) => {
    const bucket = await site.bucket();
    const { log } = await site.cluster();
    const { topic } = args;
    const partition = Number(args.partition);
    const topicId = (await log.topics([topic])).get(topic)?.topicId ?? '';
    const group = partitionGroup({ topicId, partition }, Math.max(bucket.groupCount, 1));
    const journal = await site.journal(bucket, group, isDryRun ? 'read-only' : 'writable');
    const repaired = await repairPartition({
      ...bucket,
      journal,
      group,
      log,
      records: new TopicRecordStore(bucket.store),
      clock: systemClock,
      random: randomBytes,
      topic,
      partition,
      isDeep: args.deep === true,
      isDryRun,
    });
    for (const line of describe(repaired, isDryRun)) console.log(line);
    if (isDryRun || repaired.length === 0 || !site.hasRedis) return;
    const coordinator = await site.coordinator(bucket.store, bucket.clusterId);
    await coordinator.loadGroup(group, journal.state);
  });
}

const WHAT = {
  extent: 'merged data',
  segment: 'a segment',
  unmerged: 'data that is not merged yet',
} as const;

function* describe(repaired: readonly Repaired[], isDryRun: boolean): Generator<string> {
  if (repaired.length === 0) yield 'Nothing is lost: there is nothing to repair.';
  let givenUp = 0n;
  for (const { what, startOffset, endOffset, givenUp: lost, ...saved } of repaired) {
    yield `${WHAT[what]}, offsets ${startOffset} to ${endOffset - 1n}: ` +
      `${saved.savedBatches} batches (${saved.savedBytes} bytes) are saved`;
    for (const range of lost) {
      givenUp += range.endOffset - range.startOffset;
      yield `  given up: offsets ${range.startOffset} to ${range.endOffset - 1n}`;
    }
  }
  if (repaired.length === 0) return;
  yield isDryRun
    ? `Nothing was changed. With --accept-loss ${givenUp} offsets are given up for good.`
    : `${givenUp} offsets were given up. Consumers go on behind them.`;
}
