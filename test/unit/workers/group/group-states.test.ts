import { randomBytes } from 'node:crypto';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { Journal } from '../../../../storage/index.ts';
import { Bandwidth } from '../../../../runtime/index.ts';
import { GroupStates } from '../../../../workers/group/group-states.ts';
import { HeldGroup } from '../../../../workers/group/held-group.ts';
import { HeldGroups } from '../../../../workers/group/held-groups.ts';
import { FiguresByJob } from '../../../../workers/metering/job-figures.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { FakeWorkerCoordinator } from '../../../support/fake-worker-coordinator.ts';
import { MemoryStore } from '../../storage/memory-store.ts';

const GROUPS = 11;
const SILENT = pino({ level: 'silent' });

test('every group is read to its end at each call, and nothing is written', async () => {
  const store = new MemoryStore();
  const common = {
    store,
    clusterId: 'cluster',
    random: randomBytes,
    now: () => 1_800_000_000_000,
    logger: pino({ level: 'silent' }),
  };
  const commit = async (group: number, partition: number): Promise<void> => {
    const journal = await Journal.open({ ...common, group });
    const row = { topicId: 'AAAAAAAAAAAAAAAAAAAAAA', topic: 'topic', partition, offset: 7n };
    await journal.commit({ kind: 'start-moved', offsets: [row] });
  };
  const groups = new GroupStates({ ...common, groupCount: GROUPS });
  await commit(10, 1);
  const numbersBefore = (await groups.states()).map(({ number }) => number);
  expect(numbersBefore).toEqual([...Array<number>(10).fill(0), 1]);
  await commit(0, 2);
  await commit(10, 3);
  const keys = [...store.objects.keys()];
  const after = await groups.states();
  expect(after.map(({ number }) => number)).toEqual([1, ...Array<number>(9).fill(0), 2]);
  expect([...store.objects.keys()]).toEqual(keys);
});

test('a group that this worker holds is not read a second time', async () => {
  const store = new MemoryStore();
  const { logger, random, now } = { logger: SILENT, random: randomBytes, now: () => 1 };
  const journals = { store, clusterId: 'cluster', random, now, logger };
  const held = new HeldGroups();
  const open = async (group: number): Promise<HeldGroup> => {
    const coordinator = new FakeWorkerCoordinator();
    const storage = { store, bandwidth: new Bandwidth(null, new FakeClock()) };
    const figures = new FiguresByJob();
    const opening = HeldGroup.open({
      ...journals,
      group,
      groupCount: 2,
      coordinator,
      figures,
      storage,
    });
    return await held.open(group, opening);
  };
  const groups = new GroupStates({ ...journals, groupCount: 2, held });
  const own = await open(1);
  const [, before] = await groups.states();
  expect(before).toBe(own.state);
  // Another worker believes that the group is its own.
  const row = { topicId: 'AAAAAAAAAAAAAAAAAAAAAA', topic: 'topic', partition: 1, offset: 7n };
  const other = await Journal.open({ ...journals, group: 1 });
  await other.commit({ kind: 'start-moved', offsets: [row] });
  const [, after] = await groups.states();
  expect(after?.number).toBe(1);
  expect(after).toBe(own.state);
  held.close(own);
  const [, apart] = await groups.states();
  expect(apart).toEqual(after);
  expect(apart).not.toBe(own.state);
});
