/** Redis' copies of partition groups: steps, numbers, and a Redis that forgets. */
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import type { RedisWorkerCoordinator } from '../../../coordinator/index.ts';
import { EMPTY_STATE } from '../../../storage/index.ts';
import { Coordinators, eventually } from './support.ts';
import {
  copyOf,
  extent,
  partition,
  segment,
  stateOf,
  viewsOf,
  WorkerCoordinators,
} from './worker-fixture.ts';

const GROUP = 3;
let coordinators: WorkerCoordinators;
let one: RedisWorkerCoordinator;
let two: RedisWorkerCoordinator;

beforeEach(async () => {
  coordinators = new WorkerCoordinators(inject('redis').url);
  one = await coordinators.start();
  two = await coordinators.start();
});
afterEach(async () => coordinators.closeAll());

const first = stateOf(1, [
  partition(0, { cursor: 10n, extents: [extent(1, 0n, 10n)] }),
  partition(1, { cursor: 5n, extents: [extent(1, 0n, 5n)] }),
]);
const second = stateOf(2, [
  ...[...first.partitions.values()].slice(0, 1),
  partition(2, { cursor: 2n ** 60n, consolidatedTo: 2n ** 60n, segments: [segment(1, 0n, 9n)] }),
]);

test('a copy follows its journal, and what is gone is gone', async () => {
  expect(await one.applyStates(GROUP, EMPTY_STATE, first)).toBe('applied');
  expect(await copyOf(one, GROUP)).toEqual(viewsOf(GROUP, first));
  expect(await one.applyStates(GROUP, first, second)).toBe('applied');
  expect(await one.appliedNumber(GROUP)).toBe(2);
  expect(await copyOf(one, GROUP)).toEqual(viewsOf(GROUP, second));
});

test('what is applied twice, or late, or by two workers changes nothing', async () => {
  expect(await one.applyStates(GROUP, EMPTY_STATE, first)).toBe('applied');
  expect(await two.applyStates(GROUP, EMPTY_STATE, first)).toBe('applied');
  expect(await two.applyStates(GROUP, first, second)).toBe('applied');
  expect(await one.applyStates(GROUP, first, second)).toBe('applied');
  expect(await one.applyStates(GROUP, EMPTY_STATE, first)).toBe('applied');
  expect(await copyOf(one, GROUP)).toEqual(viewsOf(GROUP, second));
});

test('a change that does not follow is refused, and the whole copy is replaced', async () => {
  const third = stateOf(3, [partition(4)]);
  expect(await one.applyStates(GROUP, second, third)).toBe('behind');
  expect(await one.appliedNumber(GROUP)).toBe(0);
  await one.loadGroup(GROUP, second);
  expect(await one.applyStates(GROUP, second, third)).toBe('applied');
  await one.loadGroup(GROUP, first);
  expect(await one.appliedNumber(GROUP)).toBe(3);
  expect(await copyOf(one, GROUP)).toEqual(viewsOf(GROUP, third));
});

test('members hear when the copy of a group has moved', async () => {
  const { clusterId } = coordinators;
  const members = new Coordinators(inject('redis').url);
  const { events } = await members.start({ clusterId, namespace: clusterId });
  const moved = () => events.filter(({ kind }) => kind === 'group-moved');
  try {
    await one.loadGroup(GROUP, first);
    await eventually(() => expect(moved()).toEqual([{ kind: 'group-moved', group: GROUP }]));
    await one.applyStates(GROUP, first, second);
    await eventually(() => expect(moved()).toHaveLength(2));
  } finally {
    await members.closeAll();
  }
});

test('a change of many partitions takes many steps', async () => {
  const many = (number: number, cursor: bigint) =>
    stateOf(
      number,
      Array.from({ length: 1_000 }, (_, index) => partition(index, { cursor })),
    );
  const [before, after] = [many(1, 1n), many(2, 2n)];
  await one.loadGroup(GROUP, before);
  expect(await copyOf(one, GROUP)).toEqual(viewsOf(GROUP, before));
  expect(await one.applyStates(GROUP, before, after)).toBe('applied');
  expect(await copyOf(one, GROUP)).toEqual(viewsOf(GROUP, after));
});
