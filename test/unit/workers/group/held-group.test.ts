import { randomBytes } from 'node:crypto';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { Bandwidth, systemClock } from '../../../../runtime/index.ts';
import {
  type Change,
  Journal,
  pruneJournal,
  SNAPSHOT_EVERY_ENTRIES,
  SNAPSHOTS_KEPT,
} from '../../../../storage/index.ts';
import { HeldGroup } from '../../../../workers/group/held-group.ts';
import { FiguresByJob } from '../../../../workers/metering/job-figures.ts';
import { FakeWorkerCoordinator } from '../../../support/fake-worker-coordinator.ts';
import { PRUNE_ALL } from '../../../support/prune-all.ts';
import { MemoryStore } from '../../storage/memory-store.ts';
import { outcomeCode } from '../../storage/object-store-suite.ts';

const CLUSTER_ID = 'cluster';
const GROUP = 2;
const common = {
  clusterId: CLUSTER_ID,
  group: GROUP,
  random: randomBytes,
  now: () => 1_800_000_000_000,
  logger: pino({ level: 'silent' }),
};
const TOPIC_ID = 'AAAAAAAAAAAAAAAAAAAAAA';
const started = (partition: number, offset: bigint): Change => ({
  kind: 'start-moved',
  offsets: [{ topicId: TOPIC_ID, topic: 'topic', partition, offset }],
});

function site() {
  const store = new MemoryStore();
  const coordinator = new FakeWorkerCoordinator();
  const figures = new FiguresByJob();
  const open = async (): Promise<HeldGroup> => {
    const bandwidth = new Bandwidth(null, systemClock);
    const storage = { store, bandwidth };
    return HeldGroup.open({ ...common, groupCount: 4, coordinator, figures, storage });
  };
  return { store, coordinator, figures, open };
}

test('jobs that commit at once queue, and Redis has what they committed', async () => {
  const { coordinator, figures, open } = site();
  const held = await open();
  const [merge, trim] = [held.forJob('merge'), held.forJob('trim')];
  const outcomes = await Promise.all(
    [1, 2, 3, 4].map(async (partition) =>
      (partition % 2 === 0 ? merge : trim).commit(started(partition, 10n)),
    ),
  );
  expect(outcomes.map(({ kind }) => kind)).toEqual(Array(4).fill('committed'));
  expect(merge.state.number).toBe(4);
  expect(await coordinator.appliedNumber(GROUP)).toBe(4);
  expect(figures.of('merge').requests.put).toBe(2);
  expect(figures.of('trim').requests.put).toBe(2);
});

test('who loses against another worker has caught up, and so has Redis', async () => {
  const { store, coordinator, open } = site();
  const held = await open();
  const other = await Journal.open({ ...common, store });
  await other.commit(started(1, 5n));
  await other.commit(started(2, 5n));
  const outcome = await held.forJob('merge').commit(started(3, 5n));
  expect(outcome.kind).toBe('lost');
  expect(held.state.number).toBe(2);
  expect(await coordinator.appliedNumber(GROUP)).toBe(2);
});

test('a commit without an answer fails its job, and the next begins where the journal ends', async () => {
  const { store, open } = site();
  const held = await open();
  const job = held.forJob('merge');
  store.delayNext(100);
  expect(await outcomeCode(job.commit(started(1, 5n)))).toBe('STORAGE_JOURNAL_UNRESOLVED');
  store.delayNext(0);
  store.arrive();
  const outcome = await job.commit(started(2, 5n));
  expect(outcome).toEqual({ kind: 'committed', number: 2 });
  expect([...held.state.partitions.keys()]).toEqual([`${TOPIC_ID}/1`, `${TOPIC_ID}/2`]);
});

test('a Redis that was away is told by the next commit', async () => {
  const { coordinator, open } = site();
  const held = await open();
  const job = held.forJob('merge');
  coordinator.isAway = true;
  expect((await job.commit(started(1, 5n))).kind).toBe('committed');
  coordinator.isAway = false;
  expect(await coordinator.appliedNumber(GROUP)).toBe(0);
  await job.commit(started(2, 5n));
  expect(await coordinator.appliedNumber(GROUP)).toBe(2);
});

test('a Redis that was wiped, or fell back in time, is filled again', async () => {
  const { coordinator, open } = site();
  const held = await open();
  const job = held.forJob('merge');
  await job.commit(started(1, 5n));
  const earlier = coordinator.snapshot();
  await job.commit(started(2, 5n));
  coordinator.wipe();
  await held.sync();
  expect(await coordinator.appliedNumber(GROUP)).toBe(2);
  coordinator.fallBackTo(earlier);
  expect(await coordinator.appliedNumber(GROUP)).toBe(1);
  await job.commit(started(3, 5n));
  expect(await coordinator.appliedNumber(GROUP)).toBe(3);
});

test('a group that is taken over goes on where its journal ends, whatever Redis says', async () => {
  const { coordinator, open } = site();
  const first = await open();
  await first.forJob('merge').commit(started(1, 5n));
  coordinator.wipe();
  const second = await open();
  expect(second.state.number).toBe(1);
  expect(await coordinator.appliedNumber(GROUP)).toBe(1);
});

test('a worker that slept while old entries were deleted fails one job, and goes on', async () => {
  const { store, coordinator, open } = site();
  const held = await open();
  const job = held.forJob('merge');
  await job.commit(started(1, 5n));
  const other = await Journal.open({ ...common, store });
  const last = SNAPSHOT_EVERY_ENTRIES * SNAPSHOTS_KEPT;
  while (other.state.number < last) await other.commit(started(2, BigInt(other.state.number)));
  const place = { store, clusterId: CLUSTER_ID, group: GROUP };
  expect(await pruneJournal({ ...PRUNE_ALL, ...place })).toBe(SNAPSHOT_EVERY_ENTRIES);
  expect(await outcomeCode(job.commit(started(3, 5n)))).toBe('STORAGE_JOURNAL_UNRESOLVED');
  expect(await job.commit(started(3, 5n))).toEqual({ kind: 'committed', number: last + 1 });
  expect([...held.state.partitions.keys()].sort()).toEqual(
    [1, 2, 3].map((n) => `${TOPIC_ID}/${n}`),
  );
  expect(await coordinator.appliedNumber(GROUP)).toBe(last + 1);
});
