/** `outrigger rebuild`: fills Redis out of the bucket. */
import { randomBytes } from 'node:crypto';
import { systemClock } from '../runtime/index.ts';
import { type GroupRebuild, rebuild as rebuildGroups } from '../workers/index.ts';
import { ProgressBar } from './progress-bar.ts';
import { Site } from './site.ts';
import { textTable } from './text-table.ts';

export interface RebuildArguments {
  readonly config?: string;
  readonly dryRun?: boolean;
  readonly force?: boolean;
}

/** Steps of each group. */
const STEPS = 2;

/** Exit code 1 if Redis has more than the bucket. */
export async function rebuild(args: RebuildArguments): Promise<void> {
  await Site.use(args.config, async (site) => {
    const bucket = await site.bucket();
    const { store, clusterId, groupCount } = bucket;
    const coordinator = await site.coordinator(store, clusterId);
    const bar = new ProgressBar('partition groups', groupCount * STEPS);
    const startedMs = systemClock.monotonicMs();
    const groups = await rebuildGroups({
      store,
      clusterId,
      groupCount,
      coordinator,
      clock: systemClock,
      random: randomBytes,
      logger: site.logger,
      isDryRun: args.dryRun === true,
      isForced: args.force === true,
      onStep: () => bar.step(),
    }).finally(() => bar.stop());
    const seconds = (systemClock.monotonicMs() - startedMs) / 1_000;
    console.log(describe(groups, seconds));
    // Connecting is enough: whoever finds that Redis does not have the topics copies them.
    if (args.dryRun !== true) console.log(`${(await site.topics(bucket)).topics().size} topics`);
    if (groups.some(({ outcome }) => outcome === 'ahead')) process.exitCode = 1;
  });
}

function describe(groups: readonly GroupRebuild[], seconds: number): string {
  if (groups.length === 0) return 'No worker has ever started on this bucket: nothing to rebuild.';
  const rows = groups.map((group) => [
    String(group.group),
    String(group.partitionCount),
    String(group.extentCount),
    String(group.segmentCount),
    String(group.journalNumber),
    String(group.redisNumber),
    group.outcome,
  ]);
  const header = ['group', 'partitions', 'extents', 'segments', 'journal', 'redis was', 'outcome'];
  const total = groups.reduce((sum, { partitionCount }) => sum + partitionCount, 0);
  const ahead = groups.some(({ outcome }) => outcome === 'ahead')
    ? '\nRedis has entries that the bucket does not have. If the bucket was restored on purpose, ' +
      'delete the keys of Redis first.'
    : '';
  return `${textTable(header, rows)}\n${total} partitions in ${seconds.toFixed(1)} s${ahead}`;
}
