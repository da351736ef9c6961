import { randomBytes } from 'node:crypto';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { Journal } from '../../../../storage/index.ts';
import { GroupStates } from '../../../../workers/group/group-states.ts';
import { MemoryStore } from '../../storage/memory-store.ts';

const GROUPS = 11;

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
