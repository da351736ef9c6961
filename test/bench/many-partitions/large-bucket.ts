/**
 * Fills bucket and Redis as members and workers would have: topic records, a journal for each
 * partition group with merged files that hold real batches, Redis' copies of them, and files that
 * members announced a while ago. It goes through the code that workers use.
 */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import {
  REDIS_NAMESPACE,
  RedisCoordinator,
  RedisWorkerCoordinator,
  StoreSettledRangeClaims,
} from '../../../coordinator/index.ts';
import { Bandwidth, systemClock } from '../../../runtime/index.ts';
import {
  newFileId,
  openBucket,
  openGroupCount,
  partitionGroup,
  TopicRecordStore,
  type ObjectStore,
} from '../../../storage/index.ts';
import { HeldGroup } from '../../../workers/group/held-group.ts';
import type { Group } from '../../../workers/group-job.ts';
import { FiguresByJob } from '../../../workers/metering/job-figures.ts';
import { mergedFileOf } from '../../support/merged-batches.ts';
import {
  allPartitions,
  batchesIn,
  busyPartitions,
  CLUSTER_ID,
  LogTemplate,
  topicIdOf,
  topicNameOf,
  type ClusterShape,
  type ShapedPartition,
} from './cluster-shape.ts';

/** A journal has a snapshot and some entries behind it. */
const ENTRIES = 76;
const ANNOUNCED_FILES = 2_000;
const PARTITIONS_PER_FILE = 20;
/** Above what the merges before have. */
const SAMPLED_COUNT = 1_000;
const POLL_MS = 10;
/** Redis has to share the processors with whoever fills it. */
const COMMAND_TIMEOUT_MS = 60_000;

export interface BucketSite {
  readonly store: ObjectStore;
  readonly redisUrl: string;
  readonly shape: ClusterShape;
  readonly log: LogTemplate;
  readonly logger: Logger;
}

/** @param report is told how far it is */
export async function fillBucket(site: BucketSite, report: (state: string) => void): Promise<void> {
  const { store, shape } = site;
  await openBucket(store, CLUSTER_ID, { random: randomBytes, now: Date.now });
  await openGroupCount(store, shape.groups);
  const topics = new TopicRecordStore(store);
  for (let topic = 0; topic < shape.topics; topic++) {
    await topics.put({
      topicId: topicIdOf(topic),
      name: topicNameOf(topic),
      diskless: true,
      startOffsets: Array.from({ length: shape.partitionsPerTopic }, () => 0),
      configs: {},
      updatedAtMs: Date.now(),
      version: 1,
    });
  }
  const shared = {
    endpoint: { kind: 'single', url: site.redisUrl },
    namespace: REDIS_NAMESPACE,
    clusterId: CLUSTER_ID,
    settledRangeClaims: new StoreSettledRangeClaims(store, CLUSTER_ID),
    logger: site.logger,
    tuning: { commandTimeoutMs: COMMAND_TIMEOUT_MS },
  } as const;
  const members = await RedisCoordinator.start({ ...shared, topicSource: topics });
  const workers = await RedisWorkerCoordinator.start(shared);
  await announceFiles(members, shape);
  for (let group = 0; group < shape.groups; group++) {
    report(`group ${group} of ${shape.groups}`);
    await fillGroup(site, workers, group);
  }
  await workers.close();
  await members.close();
}

async function announceFiles(members: RedisCoordinator, shape: ClusterShape): Promise<void> {
  const busy = [...busyPartitions(shape)];
  const nowMs = Date.now();
  for (let file = 0; file < ANNOUNCED_FILES; file++) {
    const createdMs = nowMs - (ANNOUNCED_FILES - file);
    const fileId = newFileId(createdMs, file);
    const partitions = Array.from({ length: PARTITIONS_PER_FILE }, (_, index) => {
      const { topic, partition } = busy[(file + index * 7) % busy.length] ?? busy[0] ?? NOBODY;
      return { topic, partition, batchCount: 1, bytes: 1_000 };
    });
    members.announceFile({ fileId, bytes: 8e6, memberId: 0, rack: '', createdMs, partitions });
    members.settleFile(fileId);
  }
  while (members.status().bufferedCount > 0) await sleep(POLL_MS);
}

async function fillGroup(
  { store, shape, log, logger }: BucketSite,
  coordinator: RedisWorkerCoordinator,
  number: number,
): Promise<void> {
  const held = await HeldGroup.open({
    clusterId: CLUSTER_ID,
    group: number,
    groupCount: shape.groups,
    coordinator,
    random: randomBytes,
    now: Date.now,
    logger,
    figures: new FiguresByJob(),
    storage: { store, bandwidth: new Bandwidth(null, systemClock) },
  });
  const group = held.forJob('merge');
  const isOwn = (id: ShapedPartition): boolean => partitionGroup(id, shape.groups) === number;
  const own = [...allPartitions(shape)].filter(isOwn);
  let first = 0;
  for (let extent = 0; extent < shape.extents; extent++) {
    const count = batchesIn(extent, shape);
    await mergeBatches(group, own, { first, count }, log);
    first += count;
  }
  const busy = [...busyPartitions(shape)].filter(isOwn);
  while (group.state.number < ENTRIES) {
    const samples = busy.map((id) => ({ ...id, count: SAMPLED_COUNT + group.state.number }));
    await expectCommitted(group.commit({ kind: 'merge', samples }));
  }
}

async function mergeBatches(
  group: Group,
  partitions: readonly ShapedPartition[],
  { first, count }: { readonly first: number; readonly count: number },
  log: LogTemplate,
): Promise<void> {
  const batches = Array.from({ length: count }, (_, index) => log.batch(first + index));
  const head = { clusterId: CLUSTER_ID, group: group.number };
  const file = mergedFileOf(
    head,
    partitions.map((id) => ({ ...id, batches })),
  );
  const samples = partitions.map((id) => ({ ...id, count: first }));
  await expectCommitted(group.commit({ kind: 'merge', samples }, file));
}

async function expectCommitted(committing: ReturnType<Group['commit']>): Promise<void> {
  const outcome = await committing;
  if (outcome.kind !== 'committed') throw new Error(`an entry was ${outcome.kind}`);
}

const NOBODY = { topic: 'nobody', partition: 0 };
