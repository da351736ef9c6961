import { pino } from 'pino';
import { beforeEach, expect, test } from 'vitest';
import { EMPTY_STATE } from '../../../../storage/index.ts';
import {
  rebuild,
  type GroupRebuild,
  type RebuildStep,
} from '../../../../workers/rebuild/rebuild.ts';
import { FakeWorkerCoordinator } from '../../../support/fake-worker-coordinator.ts';
import { CLUSTER_ID, GROUP, Site } from '../verify/site.ts';

let site: Site;
let redis: FakeWorkerCoordinator;
let steps: RebuildStep[];

beforeEach(async () => {
  site = await Site.open();
  redis = new FakeWorkerCoordinator();
  steps = [];
  await site.produce(0, 1);
  await site.merge();
  await site.consolidate(0);
});

async function run(how: { isDryRun?: boolean; isForced?: boolean } = {}): Promise<GroupRebuild> {
  const groups = await rebuild({
    store: site.store,
    clusterId: CLUSTER_ID,
    groupCount: 1,
    coordinator: redis,
    clock: site.clock,
    random: (byteCount) => Buffer.alloc(byteCount),
    logger: pino({ level: 'silent' }),
    isDryRun: false,
    isForced: false,
    onStep: (step) => void steps.push(step),
    ...how,
  });
  const [group] = groups;
  if (group === undefined || groups.length !== 1) throw new Error('one group');
  return group;
}

const COUNTS = { group: GROUP, journalNumber: 2, partitionCount: 2, extentCount: 1 };

test('an empty Redis gets what the journal says', async () => {
  const expected = { ...COUNTS, segmentCount: 1, redisNumber: 0 };
  expect(await run()).toEqual({ ...expected, outcome: 'written' });
  expect(redis.snapshot().groups.get(GROUP)).toEqual(site.journal.state);
  expect(steps).toEqual([
    { group: GROUP, step: 'read' },
    { group: GROUP, step: 'written' },
  ]);
});

test('a dry run says what would be written and writes nothing', async () => {
  expect(await run({ isDryRun: true })).toMatchObject({ ...COUNTS, outcome: 'would-be-written' });
  expect(await redis.appliedNumber(GROUP)).toBe(0);
});

test('a copy that is up to date is left alone unless it is forced', async () => {
  await run();
  expect(await run()).toMatchObject({ outcome: 'up-to-date', redisNumber: 2 });
  expect(await run({ isForced: true })).toMatchObject({ outcome: 'written', redisNumber: 2 });
});

test('a copy that is older is replaced', async () => {
  await run();
  await site.produce(0);
  await site.merge();
  expect(await run()).toMatchObject({ outcome: 'written', redisNumber: 2, journalNumber: 3 });
  expect(redis.snapshot().groups.get(GROUP)).toEqual(site.journal.state);
});

test('a copy that is newer than the journal is left alone, and told of', async () => {
  await redis.loadGroup(GROUP, { ...EMPTY_STATE, number: 9 });
  expect(await run({ isForced: true })).toMatchObject({ outcome: 'ahead', redisNumber: 9 });
  expect(await redis.appliedNumber(GROUP)).toBe(9);
});

test('a group without entries needs nothing', async () => {
  const empty = await Site.open();
  site = empty;
  expect(await run({ isForced: true })).toMatchObject({ outcome: 'up-to-date', journalNumber: 0 });
});
