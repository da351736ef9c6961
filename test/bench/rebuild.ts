/**
 * `node test/bench/rebuild.ts [--partitions N] [--extents N]`: how long `outrigger rebuild` takes
 * for a large installation: snapshots of 4 groups in a folder, and a Redis that is empty.
 */
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { pino } from 'pino';
import {
  REDIS_NAMESPACE,
  RedisWorkerCoordinator,
  StoreSettledRangeClaims,
} from '../../coordinator/index.ts';
import { say } from '../../docker/local/progress.ts';
import { startRedis } from '../../docker/local/redis.ts';
import { systemClock } from '../../runtime/index.ts';
import {
  FsObjectStore,
  partitionGroup,
  partitionKey,
  snapshotKey,
  type GroupState,
  type ObjectStore,
  type PartitionState,
} from '../../storage/index.ts';
import { encodeSnapshot } from '../../storage/journal/snapshot.ts';
import { rebuild } from '../../workers/index.ts';

const CLUSTER_ID = 'bench';
const GROUPS = 4;
/** The number of a snapshot. */
const ENTRIES = 64;
const TOPICS = 100;

const { values } = parseArgs({
  options: {
    partitions: { type: 'string', default: '100000' },
    extents: { type: 'string', default: '10' },
  },
});
const logger = pino({ level: 'warn' });
const root = await mkdtemp(join(tmpdir(), 'outrigger-rebuild-'));
const now = (): number => Date.now();
const store = await FsObjectStore.open({ root, now, random: randomBytes });
const redis = await startRedis();
try {
  await writeJournals(store, Number(values.partitions), Number(values.extents));
  say('journals are written');
  const coordinator = await RedisWorkerCoordinator.start({
    endpoint: { kind: 'single', url: redis.url },
    namespace: REDIS_NAMESPACE,
    clusterId: CLUSTER_ID,
    settledRangeClaims: new StoreSettledRangeClaims(store, CLUSTER_ID),
    logger,
  });
  const startedMs = performance.now();
  const groups = await rebuild({
    store,
    clusterId: CLUSTER_ID,
    groupCount: GROUPS,
    coordinator,
    clock: systemClock,
    random: randomBytes,
    logger,
    isDryRun: false,
    isForced: false,
    onStep: ({ group, step }) =>
      say(`${((performance.now() - startedMs) / 1_000).toFixed(2)} s: group ${group} is ${step}`),
  });
  const total = (count: (group: (typeof groups)[number]) => number): number =>
    groups.reduce((sum, group) => sum + count(group), 0);
  const partitions = total(({ partitionCount }) => partitionCount);
  const extents = total(({ extentCount }) => extentCount);
  const seconds = ((performance.now() - startedMs) / 1_000).toFixed(1);
  const mib = (process.memoryUsage.rss() / 1024 ** 2).toFixed(0);
  console.log(`${partitions} partitions, ${extents} extents: ${seconds} s, ${mib} MiB at the end`);
  await coordinator.close();
} finally {
  await redis.stop();
  await store.close();
  await rm(root, { recursive: true });
}

async function writeJournals(
  store: ObjectStore,
  partitionCount: number,
  extentCount: number,
): Promise<void> {
  const groups = Array.from({ length: GROUPS }, () => new Map<string, PartitionState>());
  for (let index = 0; index < partitionCount; index++) {
    const partition = partitionOf(index, extentCount);
    groups[partitionGroup(partition, GROUPS)]?.set(partitionKey(partition), partition);
  }
  for (const [group, partitions] of groups.entries()) {
    const files = new Map(
      Array.from({ length: extentCount }, (_, index) => {
        const file = index + 1;
        const bytes = 64 * 1024 * 1024;
        return [
          file,
          { file, createdMs: 0, bytes, references: partitions.size, death: null },
        ] as const;
      }),
    );
    const state: GroupState = { number: ENTRIES, partitions, files, deadSegments: new Map() };
    const owner = { clusterId: CLUSTER_ID, group };
    await store.put(snapshotKey(group, ENTRIES), await encodeSnapshot(owner, state));
    // The entries that are in the snapshot are not asked for.
  }
}

function partitionOf(index: number, extentCount: number): PartitionState {
  const topic = index % TOPICS;
  const id = Buffer.alloc(16);
  id.writeUInt32BE(topic, 12);
  const extentOffsets = 10_000n;
  const end = BigInt(extentCount) * extentOffsets;
  return {
    topicId: id.toString('base64url'),
    topic: `topic-${topic}`,
    partition: Math.floor(index / TOPICS),
    cursor: end,
    asOf: index,
    leaderEpoch: 7,
    logicalStart: null,
    trimIntent: null,
    consolidatedTo: 0n,
    extents: Array.from({ length: extentCount }, (_, extent) => ({
      file: extent + 1,
      startOffset: BigInt(extent) * extentOffsets,
      endOffset: BigInt(extent + 1) * extentOffsets,
      position: (index * 1_000) % 60_000_000,
      bytes: 655_360,
      indexBytes: 3_700,
      indexCrc: (index * 2_654_435_761) % 2 ** 32,
      leaderEpoch: 7,
      maxTimestampMs: 1_764_000_000_000n + BigInt(index),
    })),
    segments: [],
    quarantined: [],
  };
}
