/** `outrigger backfill`: has the data moved that a topic had before it became diskless. */
import { systemClock } from '../runtime/index.ts';
import { type GroupState, TopicRecordStore } from '../storage/index.ts';
import { type BackfillProgress, backfillProgress, wishBackfill } from '../workers/index.ts';
import { Site } from './site.ts';
import { textTable } from './text-table.ts';

export interface BackfillArguments {
  readonly config?: string;
  readonly topic: string;
  readonly status?: boolean;
  readonly cancel?: boolean;
}

export async function backfill(args: BackfillArguments): Promise<void> {
  await Site.use(args.config, async (site) => {
    const bucket = await site.bucket();
    const { log } = await site.cluster();
    if (args.status !== true) {
      const records = new TopicRecordStore(bucket.store);
      const coordinator = await site.topics(bucket);
      const wish = args.cancel === true ? 'cancel' : 'request';
      await wishBackfill({ log, records, coordinator, clock: systemClock }, args.topic, wish);
      console.log(
        args.cancel === true
          ? 'The backfill stops after the segments that are being made; repeat the command without --cancel to go on.'
          : 'The backfill is asked for: the workers begin with their next round. --status shows how far they are.',
      );
    }
    const states: GroupState[] = [];
    for (let group = 0; group < bucket.groupCount; group++) {
      states.push((await site.journal(bucket, group, 'read-only')).state);
    }
    console.log(describe(await backfillProgress(log, states, args.topic)));
  });
}

function describe(progress: readonly BackfillProgress[]): string {
  const rows = progress.map(({ partition, state, startOffset, movedTo, endOffset }) => [
    String(partition),
    state,
    String(startOffset),
    String(movedTo),
    String(endOffset),
    percent(movedTo - startOffset, endOffset - startOffset),
  ]);
  return textTable(['partition', 'state', 'from', 'moved to', 'up to', 'done'], rows);
}

function percent(done: bigint, all: bigint): string {
  return all <= 0n ? '100 %' : `${((Number(done) / Number(all)) * 100).toFixed(1)} %`;
}
